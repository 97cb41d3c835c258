# SPDX-License-Identifier: MIT
"""SIGTERM with 1,000 open streams of 100 running jobs: every stream has its
typed end, of jobs that finish in time and of those that are cancelled, be it of
one job, of many or of all, and the daemon is gone with status 0 within 10
seconds."""

import json
import re
import select
import sys
import tempfile
import time

from serving import Server, raise_limit, read_until, run

SHORTER = 77


CONFIG = {"operations": {"kept": {"argv": ["/bin/sleep", "3"],
                                  "on_drain": "finish"}}}
KINDS = [("kept", {}), ("sleep", {"ms": 600000}), ("stuck", {})]


def start(*limits):
    """Reads the config before this returns."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(CONFIG, config)
        config.flush()
        return Server(*limits,
                      more=["--config", config.name, "--all-events"])


STREAMS = 1000


def open_streams(server, jobs):
    """{socket: [what it has read, the numbers of its jobs]}."""
    socks = {}
    for i in range(STREAMS):
        if i % 100 == 99:
            path, of = "/v1/events", list(range(len(jobs)))
        elif i % 10 == 8:
            of = [(i + k) % len(jobs) for k in range(4)]
            path = "/v1/stream?jobs=" + ",".join(jobs[n] for n in of)
        else:
            of = [i % len(jobs)]
            path = f"/v1/jobs/{jobs[of[0]]}/stream"
        sock = server.connect()
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                     .encode())
        socks[sock] = [read_until(sock, b"event: state"), of]
    return socks


def judge(jobs, got, of):
    """Each job's end once; a marker is of one job's stream alone."""
    assert got.count(b"event: end\n") == len(of), got[-600:]
    assert got.endswith(b"\r\n0\r\n\r\n"), got[-100:]
    ends = [json.loads(line[6:]) for line in re.findall(
        rb"event: end\n(?:id: \S+\n)?(data: .*)\n", got)]
    assert {e["job_id"] for e in ends} == {jobs[n] for n in of}, ends
    for end in ends:
        kind = jobs.index(end["job_id"]) % 3
        assert end["state"] == ("completed" if kind == 0 else "cancelled"), end
        assert end.get("abandoned", False) == (kind == 2), end
    due = b"data: [DONE]" if of[0] % 3 == 0 else b"data: [CANCELLED]"
    assert got.count(b"\ndata: [") == (len(of) == 1), got[-600:]
    assert got.count(due) == (len(of) == 1), got[-600:]


def every_stream_has_its_end():
    with start("max_connections=1200", "max_streams=1100",
               "grace_ms=2000") as server:
        jobs = [server.create(name, **payload)
                for name, payload in (KINDS[i % 3] for i in range(100))]
        for job in jobs:
            while server.call("GET", f"/v1/jobs/{job}")[1]["state"] != (
                    "running"):
                time.sleep(0.01)
        socks = open_streams(server, jobs)
        begin = time.monotonic()
        server.terminate()
        open_ones = set(socks)
        while open_ones and time.monotonic() - begin < 12:
            for sock in select.select(list(open_ones), [], [], 1)[0]:
                more = sock.recv(1 << 16)
                if more:
                    socks[sock][0] += more
                else:
                    open_ones.remove(sock)
        assert not open_ones, len(open_ones)
        status = server.wait(12)
        took = time.monotonic() - begin
        assert status == 0, status
        print(f"  gone after {took:.1f} s")
        assert took < 10, took
        for got, of in socks.values():
            judge(jobs, got, of)


def new_work_is_refused_meanwhile():
    with start() as server:
        job = server.create("kept")
        sock = server.watch(job)
        read_until(sock, b'"state":"running"')
        server.terminate()
        deadline = time.monotonic() + 5
        while server.call("GET", "/ready")[0] != 503:
            assert time.monotonic() < deadline
        status, problem = server.call("POST", "/v1/jobs",
                                      {"operation": "sleep", "ms": 1})
        assert (status, problem["code"]) == (503, "draining"), problem
        assert server.call("GET", f"/v1/jobs/{job}")[0] == 200
        read_until(sock, b"data: [DONE]")
        assert server.wait(10) == 0


if raise_limit() < 1300:
    print("not enough descriptors")
    sys.exit(SHORTER)
run(every_stream_has_its_end, new_work_is_refused_meanwhile)
