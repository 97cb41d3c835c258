# SPDX-License-Identifier: MIT
"""Clients that mean no good, hundreds at a time. Whatever they do, /health is
answered within a second, and when they have gone, so have their memory and
descriptors."""

import resource
import socket
import struct
import sys
import time

from serving import Health, Server, raise_limit, read_all, read_until, run

SHORTER = 77


def many_that_trickle():
    with Server("head_timeout_ms=3000", "body_timeout_ms=3000",
                "max_connections=300") as server:
        before, memory = server.descriptors(), server.memory()
        heads = (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 500)
        posts = (b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                 b"application/json\r\nContent-Length: 900\r\n\r\n")
        with Health(server):
            socks = [server.connect() for _ in range(200)]
            for sock in socks[100:]:
                sock.sendall(posts)
            begin, ended, at = time.monotonic(), [], 0
            while len(ended) < 200 and time.monotonic() - begin < 8:
                for i, sock in enumerate(socks):
                    if i in ended:
                        continue
                    try:
                        sock.send(heads[at:at + 1] if i < 100 else b" ")
                        sock.setblocking(False)
                        sock.recv(1, socket.MSG_PEEK)
                        ended.append(i)  # told, in good time
                    except BlockingIOError:
                        pass
                    except OSError:
                        ended.append(i)
                at += 1
                time.sleep(0.1)
            took = time.monotonic() - begin
            assert len(ended) == 200, len(ended)
            assert 2.5 < took < 7, took
            for sock in socks:
                sock.setblocking(True)
                sock.settimeout(5)
                got = read_until(sock, b"\r\n\r\n")
                assert got.startswith(b"HTTP/1.1 408 "), got
                sock.close()
        server.back_to(before)
        assert server.memory() < memory + (8 << 20)


def many_that_do_not_read():
    """200 of a 100 MB stream, and new jobs live meanwhile."""
    with Server("max_connections=300", "send_buffer=16384",
                "write_stall_ms=4000") as server:
        before = server.descriptors()
        job = server.create("flood", n=100000, rate=20000, size=1000, burst=20)
        socks = [server.watch(job, 4096) for _ in range(200)]
        memory, peak, slowest, jobs = server.memory(), 0, 0.0, 0
        with Health(server):
            while server.call("GET", f"/v1/jobs/{job}")[1]["state"] in (
                    "queued", "running"):
                begin = time.monotonic()
                other = server.create("echo", lines=["there"])
                got = read_until(server.watch(other), b"data: [DONE]")
                assert b'"there"' in got
                slowest = max(slowest, time.monotonic() - begin)
                peak = max(peak, server.memory())
                jobs += 1
                time.sleep(0.05)
        assert server.call("GET", f"/v1/jobs/{job}")[1]["state"] == "completed"
        print(f"  {jobs} jobs through the flood, the slowest in "
              f"{slowest * 1000:.0f} ms; {(peak - memory) >> 10} KiB more")
        assert jobs > 10 and slowest < 2, (jobs, slowest)
        assert peak < memory + (16 << 20), (memory, peak)
        server.back_to(before + 2, 15)  # all of them cut
        for sock in socks:
            sock.close()


def many_that_say_nothing():
    """1,000 that never ask and 1,000 that have asked once."""
    with Server("max_connections=2100", "silent_timeout_ms=4000",
                "keepalive_idle_ms=4000") as server:
        before = server.descriptors()
        for sock in [server.connect() for _ in range(50)]:
            sock.close()
        server.back_to(before)
        memory = server.memory()
        with Health(server):
            socks = [server.connect() for _ in range(2000)]
            for sock in socks[1000:]:
                sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for sock in socks[1000:]:
                read_until(sock, b'"boot"')
            most = server.memory()
            idle = server.cpu()
            time.sleep(1)
            idle = server.cpu() - idle
            for sock in socks:
                assert read_all(sock) == b""
                sock.close()
        each = (most - memory) / 2000
        print(f"  {each:.0f} bytes each; {idle * 100:.0f}% of a processor")
        assert each < 4096, each
        assert idle < 0.2, idle
        server.back_to(before)


def many_that_reset():
    with Server("max_connections=400") as server:
        before = server.descriptors()
        job = server.create("flood", n=400000, rate=2000, size=200)
        with Health(server):
            for _ in range(3):
                socks = [server.watch(job) for _ in range(100)]
                for sock in socks:
                    read_until(sock, b"flood")
                for sock in socks:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    struct.pack("ii", 1, 0))
                    sock.close()
        server.back_to(before + 1)
        assert server.call("DELETE", f"/v1/jobs/{job}")[0] in (200, 202)


def many_that_end_their_side():
    """An answer is still sent; a watcher has left."""
    with Server("max_connections=400") as server:
        before = server.descriptors()
        job = server.create("sleep", ms=600000)
        with Health(server):
            askers = [server.connect() for _ in range(150)]
            for sock in askers:
                sock.sendall(f"GET /v1/jobs/{job} HTTP/1.1\r\n"
                             "Host: localhost\r\n\r\n".encode())
                sock.shutdown(socket.SHUT_WR)
            for sock in askers:
                assert f'"job_id":"{job}"'.encode() in read_all(sock)
                sock.close()
            watchers = [server.watch(job) for _ in range(150)]
            for sock in watchers:
                read_until(sock, b"event: state")
                sock.shutdown(socket.SHUT_WR)
            for sock in watchers:
                read_all(sock)
                sock.close()
        server.back_to(before)
        server.call("DELETE", f"/v1/jobs/{job}")


def no_descriptors_left():
    """Those who are in are served, the rest waits, and nothing spins."""
    with Server("max_connections=300") as server:
        before = server.descriptors()
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        inside = server.connect()
        health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        inside.sendall(health)
        read_until(inside, b'"boot"')
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE,
                         (server.descriptors() + 5, hard))
        waiting = [server.connect() for _ in range(100)]
        for sock in waiting:
            sock.sendall(health)
        time.sleep(0.3)
        cpu, slowest = server.cpu(), 0.0
        end = time.monotonic() + 3
        while time.monotonic() < end:
            begin = time.monotonic()
            inside.sendall(health)
            read_until(inside, b'"boot"')
            slowest = max(slowest, time.monotonic() - begin)
            time.sleep(0.1)
        cpu = (server.cpu() - cpu) / 3
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
        begin = time.monotonic()
        for sock in waiting:
            read_until(sock, b'"boot"')
            sock.close()
        took = time.monotonic() - begin
        inside.close()
        print(f"  {cpu * 100:.0f}% of a processor meanwhile, the slowest "
              f"answer after {slowest * 1000:.0f} ms; all in {took:.2f} s "
              "once there were some")
        assert cpu < 0.2, cpu
        assert slowest < 1 and took < 2, (slowest, took)
        server.back_to(before)


if raise_limit() < 2200:
    print("not enough descriptors")
    sys.exit(SHORTER)
run(many_that_trickle, many_that_do_not_read, many_that_say_nothing,
    many_that_reset, many_that_end_their_side, no_descriptors_left)
