# SPDX-License-Identifier: MIT
"""Many streams on one jobsrvd: 10,000 idle ones, and 1,000 that never read
while a job floods them. Needs 10,100 descriptors in each of two processes; a
lower hard limit makes a shorter run, which is reported and is not a pass."""

import atexit
import http.client
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time

IDLE, FROZEN = 10000, 1000
SHORTER = 77  # what ctest shows as skipped


def raise_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def start(*limits):
    args = [os.environ["JOBSRVD"], "--demo", "--listen", "127.0.0.1:0",
            "--log", "none"]
    for limit in limits:
        args += ["--limit", limit]
    server = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)  # should it not come to its stop()
    line = server.stdout.readline()
    assert line.startswith("listening on http://127.0.0.1:"), line
    return server, int(line.rsplit(":", 1)[1])


def stop(server):
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0, server.returncode


def create(port, body):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("POST", "/v1/jobs", json.dumps(body),
                   {"Content-Type": "application/json"})
    answer = client.getresponse()
    text = answer.read()
    assert answer.status == 202, (answer.status, text)
    client.close()
    return json.loads(text)["job_id"]


def watch(port, job, rcvbuf=0):
    sock = socket.socket()
    if rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", port))
    sock.sendall(f"GET /v1/jobs/{job}/stream HTTP/1.1\r\n"
                 "Host: localhost\r\n\r\n".encode())
    return sock


def rss(server):
    with open(f"/proc/{server.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def head_of(sock, part=b"event: state"):
    got = b""
    while part not in got:
        more = sock.recv(4096)
        assert more, got
        got += more
    return got


def idle(n):
    server, port = start(f"max_connections={n + 50}", f"max_streams={n + 40}",
                         f"max_streams_per_job={n + 40}",
                         "heartbeat_ms=600000")
    job = create(port, {"operation": "sleep", "ms": 600000})
    warm = [watch(port, job) for _ in range(100)]
    for sock in warm:
        head_of(sock)
    before, socks = rss(server), []
    for _ in range(n - 100):
        socks.append(watch(port, job))
        head_of(socks[-1])
    time.sleep(0.5)
    each = (rss(server) - before) / (n - 100)
    print(f"{n} idle streams: {each:.0f} bytes each of the server's memory")
    assert each < 4096, each
    begin = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    client.request("GET", "/health")
    assert client.getresponse().status == 200
    print(f"/health answered in {(time.monotonic() - begin) * 1000:.1f} ms")
    client.close()
    stop(server)
    for sock in warm + socks:
        sock.close()


def frozen(n):
    events, rate, size = 30000, 5000, 1000
    server, port = start(f"max_connections={n + 50}", f"max_streams={n + 40}",
                         f"max_streams_per_job={n + 40}", "send_buffer=16384",
                         f"max_bytes_per_job={32 << 20}",
                         f"max_events_per_job={events}")
    job = create(port, {"operation": "flood", "n": events, "rate": rate,
                        "size": size, "burst": 1,
                        "options": {"start": "on_stream"}})
    fast = watch(port, job)  # which starts it
    socks = [watch(port, job, 4096) for _ in range(n)]
    peak, seen, rest, ended = 0, [], b"", False
    deadline = time.monotonic() + 60
    while not ended and time.monotonic() < deadline:
        ready, _, _ = select.select([fast], [], [], 1)
        if ready:
            more = fast.recv(1 << 20)
            assert more, "the fast reader was cut"
            rest += more
            lines = rest.split(b"\n")
            rest = lines.pop()
            for line in lines:
                assert not line.startswith(b"event: gap"), "a gap"
                if line.startswith(b"data: [DONE]"):
                    ended = True
                elif line.startswith(b'data: {"type":"narration"'):
                    seen.append(json.loads(line[6:])["human"].split(" ", 1)[0])
        peak = max(peak, rss(server))
    assert ended, f"no end; {len(seen)} events"
    want = [f"seq={i}" for i in range(events)]
    if seen and seen[0] == "seq=1":
        want = [f"seq={i + 1}" for i in range(events)]
    assert seen == want, (len(seen), seen[:2], seen[-2:])
    print(f"{n} frozen readers, {events * size // 1000000} MB each offered: "
          f"peak memory {peak / 1e6:.1f} MB, the fast reader had all of it")
    assert peak < 64e6 + n * 16384, peak
    stop(server)
    for sock in socks:
        sock.close()


def main():
    room = raise_limit() - 100
    n = min(IDLE, room)
    idle(n)
    frozen(min(FROZEN, room))
    if n < IDLE:
        print(f"a shorter run: {n} of {IDLE} streams, for want of descriptors")
        sys.exit(SHORTER)


main()
