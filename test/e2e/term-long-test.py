# SPDX-License-Identifier: MIT
"""SIGTERM with 1,000 open streams of 100 running jobs: every stream has its
typed end, of jobs that finish in time and of those that are cancelled, and the
daemon is gone with status 0 within 10 seconds."""

import json
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
        return Server(*limits, more=["--config", config.name])


def every_stream_has_its_end():
    with start("max_connections=1200", "max_streams=1100",
               "grace_ms=2000") as server:
        jobs = [server.create(name, **payload)
                for name, payload in (KINDS[i % 3] for i in range(100))]
        for job in jobs:
            while server.call("GET", f"/v1/jobs/{job}")[1]["state"] != (
                    "running"):
                time.sleep(0.01)
        socks = {}
        for i in range(1000):
            sock = server.watch(jobs[i % 100])
            socks[sock] = [read_until(sock, b"event: state"), i % 100]
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
        for got, job in socks.values():
            due = b"data: [DONE]" if job % 3 == 0 else b"data: [CANCELLED]"
            assert got.count(b"event: end\n") == 1, got[-600:]
            assert got.count(due) == 1, got[-600:]
            assert got.endswith(b"\r\n0\r\n\r\n"), got[-100:]
            assert (b'"abandoned":true' in got) == (job % 3 == 2), got[-900:]


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
