# SPDX-License-Identifier: MIT
"""Jobs without end, each created and watched to its end over HTTP: memory stays
what it was and no descriptor is left. JOBS=1000000 is the whole run, of two
minutes; without it there are fewer, for a test that is run often."""

import os
import re
import time

from serving import Server, run

JOBS = int(os.environ.get("JOBS", "100000"))
BATCH = 40
GROWTH = 1 << 20

BODY = b'{"operation":"echo","lines":["one","two"]}'
POST = (b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(BODY), BODY))
FOUND = re.compile(rb'\r\n\r\n\{"job_id":"(job-[0-9a-f-]{36})"')


def receive(sock, done):
    got = b""
    while not done(got):
        more = sock.recv(1 << 18)
        assert more, got[-300:]
        got += more
    return got


def batch(sock):
    sock.sendall(POST * BATCH)
    got = receive(sock, lambda text: text.endswith(b"}}") and
                  len(FOUND.findall(text)) == BATCH)
    jobs = FOUND.findall(got)
    sock.sendall(b"".join(b"GET /v1/jobs/%s/stream HTTP/1.1\r\n"
                          b"Host: localhost\r\n\r\n" % job for job in jobs))
    got = receive(sock, lambda text: text.endswith(b"\r\n0\r\n\r\n") and
                  text.count(b"\r\n0\r\n\r\n") == BATCH)
    assert got.count(b"\ndata: [DONE]\n") == BATCH, got[-600:]
    assert got.count(b"event: end\n") == BATCH


def jobs_without_end():
    with Server("max_retained=200", "max_expired=2000") as server:
        socks = [server.connect() for _ in range(4)]
        begin = time.monotonic()
        for i in range(max(JOBS // 10, 8000) // BATCH):  # until all is full
            batch(socks[i % 4])
        memory, descriptors = server.memory(), server.descriptors()
        peak = memory
        for i in range(JOBS // BATCH):
            batch(socks[i % 4])
            if i % 100 == 0:
                peak = max(peak, server.memory())
        took = time.monotonic() - begin
        peak = max(peak, server.memory())
        print(f"  {JOBS} jobs in {took:.0f} s; memory {memory >> 10} KiB once "
              f"warm, {(peak - memory) >> 10} KiB more at most")
        assert server.descriptors() == descriptors
        assert peak - memory <= GROWTH, (memory, peak)
        for sock in socks:
            sock.close()


run(jobs_without_end)
