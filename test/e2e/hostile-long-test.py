# SPDX-License-Identifier: MIT
"""Clients that mean no good, hundreds at a time. Whatever they do, /health is
answered within a second all the time, memory stays within bounds, no processor
is burnt, and when they have gone, so have their descriptors."""

import multiprocessing
import re
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
        with Health(server, busy=0.3):
            socks = [server.connect() for _ in range(200)]
            for sock in socks[100:]:
                sock.sendall(posts)
            begin, ended, at = time.monotonic(), [], 0
            while len(ended) < 200 and time.monotonic() - begin < 20:
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
            print(f"  told to leave after {took:.1f} s")
            assert 2.5 < took < 15, took
            for sock in socks:
                sock.setblocking(True)
                sock.settimeout(5)
                got = read_until(sock, b"\r\n\r\n")
                assert got.startswith(b"HTTP/1.1 408 "), got
                sock.close()
        server.back_to(before)
        assert server.memory() < memory + (8 << 20)


EVENTS, SIZE, RATE = 100000, 1000, 10000  # 100 MB


def _read_it_all(port, job, pipe):
    """Tells how many it got, and of them how many in their order."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(f"GET /v1/jobs/{job}/stream HTTP/1.0\r\n\r\n".encode())
        rest, said, right, ended = b"", 0, 0, False
        while not ended:
            more = sock.recv(1 << 20)
            if not more:
                break
            whole, _, rest = (rest + more).rpartition(b"\n\n")
            for number in re.findall(rb'"human":"seq=(\d+) ', whole):
                said += 1
                right += int(number) == said
            ended = b"data: [DONE]" in whole + rest
    pipe.send((said, right, ended))


def many_that_do_not_read():
    """200 of a stream of 100 MB; one that does has all of it, and new jobs
    live meanwhile."""
    with Server("max_connections=300", "send_buffer=16384",
                f"max_bytes_per_job={32 << 20}",
                f"max_events_per_job={EVENTS}",
                "write_stall_ms=15000") as server:
        before = server.descriptors()
        job = server.create("flood", n=EVENTS, rate=RATE, size=SIZE,
                            burst=RATE // 1000)
        pipe, other = multiprocessing.Pipe()
        fast = multiprocessing.Process(target=_read_it_all,
                                       args=(server.port, job, other))
        fast.start()
        socks = [server.watch(job, 4096) for _ in range(200)]
        slowest, jobs = 0.0, 0
        with Health(server, busy=0.9) as health:
            while server.call("GET", f"/v1/jobs/{job}")[1]["state"] in (
                    "queued", "running"):
                begin = time.monotonic()
                other = server.create("echo", lines=["there"])
                got = read_until(server.watch(other), b"data: [DONE]")
                assert b'"there"' in got
                slowest = max(slowest, time.monotonic() - begin)
                jobs += 1
                time.sleep(0.05)
            said, right, ended = pipe.recv()
        fast.join()
        assert server.call("GET", f"/v1/jobs/{job}")[1]["state"] == "completed"
        print(f"  {jobs} jobs through the flood, the slowest in "
              f"{slowest * 1000:.0f} ms; the fast reader got {said} events")
        assert (said, right, ended) == (EVENTS, EVENTS, True)
        assert jobs > 10 and slowest < 2, (jobs, slowest)
        assert health.peak <= 64 << 20, health.peak
        server.back_to(before + 2, 30)  # all of them cut
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
        with Health(server, busy=0.3):
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
        print(f"  {each:.0f} bytes each; {idle * 100:.0f}% of a processor "
              "while they are there")
        assert each < 4096, each
        assert idle < 0.2, idle
        server.back_to(before)


def many_that_reset():
    with Server("max_connections=400") as server:
        before = server.descriptors()
        job = server.create("flood", n=400000, rate=2000, size=200)
        with Health(server, busy=0.9):
            for _ in range(10):
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
        with Health(server, busy=0.9):
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


def no_more_than_there_are_descriptors_for():
    """Started with few: those for whom there are none are told so."""
    with Server("max_connections=5000", nofile=200) as server:
        before = server.descriptors()
        health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with server.connect() as inside:
            def look():
                begin = time.monotonic()
                inside.sendall(health)
                read_until(inside, b'"boot"')
                return time.monotonic() - begin

            slowest, cpu = look(), server.cpu()
            begin, told, served, kept = time.monotonic(), 0, 0, []
            for _ in range(500):
                sock = server.connect()
                sock.sendall(health)
                answer = read_until(sock, b"\r\n\r\n")
                if answer.startswith(b"HTTP/1.1 200 "):
                    served += 1
                    kept.append(sock)
                else:
                    told += 1
                    assert answer.startswith(b"HTTP/1.1 503 "), answer
                    assert b"\r\nRetry-After: " in answer, answer
                    assert b"too_many_connections" in answer + read_all(sock)
                    sock.close()
                slowest = max(slowest, look())
            time.sleep(1)  # with nobody who asks
            share = (server.cpu() - cpu) / (time.monotonic() - begin)
            print(f"  {served} served, {told} told to come again; the slowest "
                  f"answer after {slowest * 1000:.0f} ms; "
                  f"{share * 100:.0f}% of a processor")
            assert served == 200 - 64 - 1 and told == 500 - served, served
            assert slowest < 1 and share < 0.5, (slowest, share)
            for sock in kept:
                sock.close()
        server.back_to(before)
        assert server.call("GET", "/health")[0] == 200


if raise_limit() < 2200:
    print("not enough descriptors")
    sys.exit(SHORTER)
run(many_that_trickle, many_that_do_not_read, many_that_say_nothing,
    many_that_reset, many_that_end_their_side, no_descriptors_left,
    no_more_than_there_are_descriptors_for)
