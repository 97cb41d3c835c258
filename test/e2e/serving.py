# SPDX-License-Identifier: MIT
"""A running jobsrvd and what it costs, for the tests beside this file."""

import http.client
import json
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import time


def raise_limit():
    """All descriptors that this process may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def _look(port, pid, every, pipe):
    worst = count = peak = 0
    while True:
        begin = time.monotonic()
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            client.request("GET", "/health")
            status = client.getresponse().status
        except OSError as error:
            status = repr(error)
        client.close()
        if status != 200:
            pipe.send((status, count, peak))
            return
        worst = max(worst, time.monotonic() - begin)
        peak = max(peak, resident(pid))
        count += 1
        if pipe.poll(every):
            break
    pipe.send((worst, count, peak))


class Health:
    """Asks for /health all the time, from another process, and tells what it
    took: the slowest answer, the memory, the share of a processor, which may
    be `busy` at most."""

    def __init__(self, server, within=1.0, busy=1.0):
        self.server, self.within, self.busy = server, within, busy

    def __enter__(self):
        self.pipe, other = multiprocessing.Pipe()
        self.memory = self.server.memory()
        self.cpu, self.begin = self.server.cpu(), time.monotonic()
        self.process = multiprocessing.Process(
            target=_look,
            args=(self.server.port, self.server.pid, 0.05, other))
        self.process.start()
        return self

    def __exit__(self, kind, error, trace):
        share = (self.server.cpu() - self.cpu) / (time.monotonic() -
                                                  self.begin)
        self.pipe.send(None)
        self.worst, self.count, self.peak = self.pipe.recv()
        self.process.join()
        if kind is not None:
            return
        assert isinstance(self.worst, float), self.worst
        print(f"  /health: {self.count} answers, the slowest after "
              f"{self.worst * 1000:.0f} ms; {share * 100:.0f}% of a "
              f"processor; {self.peak >> 20} MiB at most, "
              f"{(self.peak - self.memory) >> 10} KiB more than before")
        assert self.count > 0 and self.worst < self.within, self.worst
        assert share <= self.busy, share


class Server:
    def __init__(self, *limits, more=(), nofile=0):
        args = [os.environ["JOBSRVD"], "--demo", "--listen", "127.0.0.1:0",
                "--log", "none", *more]
        for limit in limits:
            args += ["--limit", limit]
        if nofile:
            args = ["prlimit", f"--nofile={nofile}:{nofile}", *args]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE,
                                        text=True)
        self.pid = self.process.pid
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        self.port = int(line.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.process.kill()
            self.process.wait()
            return
        self.terminate()
        assert self.wait(20) == 0, self.process.returncode

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds):
        return self.process.wait(seconds)

    def memory(self):
        return resident(self.pid)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def back_to(self, descriptors, seconds=10):
        deadline = time.monotonic() + seconds
        while self.descriptors() > descriptors:
            assert time.monotonic() < deadline, (self.descriptors(),
                                                 descriptors)
            time.sleep(0.05)

    def connect(self, rcvbuf=0):
        sock = socket.socket()
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", self.port))
        return sock

    def call(self, method, path, body=None):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        client.request(method, path,
                       json.dumps(body) if body is not None else None,
                       {"Content-Type": "application/json"})
        answer = client.getresponse()
        text = answer.read()
        client.close()
        return answer.status, json.loads(text) if text else None

    def create(self, operation, **payload):
        status, record = self.call("POST", "/v1/jobs",
                                   {"operation": operation, **payload})
        assert status == 202, (status, record)
        return record["job_id"]

    def watch(self, job, rcvbuf=0, version="1.1"):
        sock = self.connect(rcvbuf)
        sock.sendall(f"GET /v1/jobs/{job}/stream HTTP/{version}\r\n"
                     "Host: localhost\r\n\r\n".encode())
        return sock


def read_until(sock, part):
    got = b""
    while part not in got:
        more = sock.recv(1 << 16)
        assert more, got[-300:]
        got += more
    return got


def read_all(sock):
    got = b""
    while True:
        more = sock.recv(1 << 16)
        if not more:
            return got
        got += more


def run(*cases):
    failed = 0
    for case in cases:
        begin = time.monotonic()
        print(case.__name__, flush=True)
        try:
            case()
        except Exception as error:  # one that fails does not hide the next
            failed += 1
            print(f"  FAILED: {error!r}")
        print(f"  {time.monotonic() - begin:.1f} s", flush=True)
    raise SystemExit(failed != 0)
