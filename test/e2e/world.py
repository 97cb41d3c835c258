# SPDX-License-Identifier: MIT
"""What the end-to-end tests with foreign clients share: jobsrvd as a process,
a TCP proxy that cuts, a reader of event streams, and an end within bounds that
leaves no process behind."""

import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import traceback

BOUND = 110  # seconds for all of a test, cleaning up included
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER

os.environ["PATH"] += ":/usr/sbin"  # where daemons are


def need(*programs):
    """Names what is missing and fails: nothing here is skipped."""
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        print("missing: " + ", ".join(missing)
              + "; `sh cmake/check.sh --long` installs it")
        raise SystemExit(1)


def until(what, look, seconds=10):
    """What `look` returns once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        got = look()
        if got:
            return got
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)


# ---- processes ----

def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def end_children():
    """Whatever is below us; orphans come to us, as we are their subreaper."""
    deadline = time.monotonic() + 5
    while children() and time.monotonic() < deadline:
        for pid in children():
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
    return not children()


def stop(number, _):
    if number == signal.SIGALRM:
        raise TimeoutError(f"not over in {BOUND} s")
    raise TimeoutError("told to stop")


def run(cases):
    """Runs functions without arguments and ends the program."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.alarm(BOUND)
    passed, failed = 0, []
    try:
        for case in cases:
            begun = time.monotonic()
            try:
                case()
                passed += 1
                print(f"ok     {case.__name__} "
                      f"({time.monotonic() - begun:.1f} s)", flush=True)
            except TimeoutError:
                raise
            except Exception:
                failed.append(case.__name__)
                print(f"FAILED {case.__name__}")
                traceback.print_exc()
    except TimeoutError as late:
        print(f"FAILED {case.__name__}: {late}")
        failed.append(case.__name__)
    finally:
        signal.alarm(0)
        if not end_children():
            print("FAILED processes are left")
            failed.append("processes")
    print(f"{passed} passed, {len(failed)} failed", flush=True)
    os._exit(1 if failed else 0)  # threads of proxies may be in a read


class Server:
    """A jobsrvd with the demo operations; its records go to `log`."""

    def __init__(self, *args):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [os.environ["JOBSRVD"], "--demo", "--listen", "127.0.0.1:0",
             "--log", "json", "--limit", "retry_ms=1000", *args],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        self.port = int(line.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def records(self):
        with open(f"/proc/self/fd/{self.log.fileno()}") as log:
            return [json.loads(line) for line in log if line[:1] == "{"]

    def call(self, method, path, body=None, **headers):
        return call(self.port, method, path, body, **headers)

    def create(self, operation, **members):
        status, _, made = self.call("POST", "/v1/jobs",
                                    {"operation": operation, **members})
        assert status == 202, made
        return made["job_id"]

    def jobs(self, **headers):
        return self.call("GET", "/v1/jobs", **headers)[2]["jobs"]


def call(port, method, path, body=None, **headers):
    """Returns (status, headers, what the JSON says)."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    client.request(method, path, body, headers)
    answer = client.getresponse()
    text = answer.read()
    client.close()
    return answer.status, answer.headers, json.loads(text) if text else None


def packed(port):
    """How many pieces of streams have been compressed."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/metrics")
    text = client.getresponse().read().decode()
    client.close()
    return int(re.search(
        r'^jobsrv_stream_gzip_pieces_total\{how="made"\} (\d+)', text,
        re.M)[1])


# ---- streams ----

class Events:
    """Reads text/event-stream as WHATWG HTML 9.2.6 says: feed() lines."""

    def __init__(self):
        self.list = []  # of [event, data, last id]
        self.last_id = self.id = ""
        self.event, self.data = "", []

    def feed(self, line):
        if line == "":
            self.last_id = self.id
            if self.data:
                self.list.append([self.event or "message",
                                  "\n".join(self.data), self.last_id])
            self.event, self.data = "", []
            return
        name, _, value = line.partition(":")
        value = value[1:] if value[:1] == " " else value
        if name == "event":
            self.event = value
        elif name == "data":
            self.data.append(value)
        elif name == "id" and "\0" not in value:
            self.id = value

    def cut(self):
        """The connection is gone: what was not complete has not been."""
        self.event, self.data, self.id = "", [], self.last_id


def logged(events):
    """Without what is for one watcher at one moment: the opening record and
    the latest progress."""
    return [e for e in events if e[0] not in ("state", "progress")
            or '"seq":' in e[1]]


def seqs(events):
    return [json.loads(e[1])["seq"] for e in events if '"seq":' in e[1]]


# ---- a proxy ----

HEAD = re.compile(rb"((?:GET|POST|DELETE|OPTIONS|HEAD) \S+) HTTP/1.1\r\n"
                  rb"(.*?)\r\n\r\n", re.S)


class Proxy:
    """Carries bytes to `target`, a port, and cuts when told to. A GET of
    /page is answered by itself: a page of that origin."""

    PAGE = (b"<!doctype html><meta charset=utf-8><title>page</title>"
            b"<body></body>")

    def __init__(self, target=None):
        self.target = target
        self.heads = []  # of what went up: (line, {name: value})
        self.cuts = []   # (needle, bytes more, is a reset), one a connection
        self.splits = False  # characters of UTF-8 come in several pieces
        self.socks = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()

    def cut(self):
        for sock in list(self.socks):
            self.close(sock)

    def close(self, sock, reset=False):
        self.socks.discard(sock)
        try:
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RD)  # wakes who reads
                sock.close()
            else:
                sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def accept(self):
        while True:
            try:
                down, _ = self.listener.accept()
            except OSError:
                return
            down.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socks.add(down)
            threading.Thread(target=self.serve, args=(down,),
                             daemon=True).start()

    def serve(self, down):
        up = None
        try:
            while True:
                more = down.recv(65536)
                if not more:
                    break
                if more.startswith(b"GET /page"):
                    down.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
                        b"Connection: close\r\nContent-Length: %d\r\n\r\n%b"
                        % (len(self.PAGE), self.PAGE))
                    break
                for line, rest in HEAD.findall(more):
                    fields = (f.split(": ", 1)
                              for f in rest.decode().split("\r\n"))
                    self.heads.append((line.decode(),
                                       {k.lower(): v for k, v in fields}))
                if up is None:
                    up = socket.create_connection(("127.0.0.1", self.target))
                    up.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.socks.add(up)
                    threading.Thread(target=self.back, args=(up, down),
                                     daemon=True).start()
                up.sendall(more)
        except OSError:
            pass
        self.close(up or down)
        if up is None:
            down.close()

    def back(self, up, down):
        tail, reset = b"", False
        try:
            while True:
                more = up.recv(65536)
                if not more:
                    break
                cut = self.cuts[0] if self.cuts else None
                at = (tail + more).find(cut[0]) if cut else -1
                if at >= 0:
                    self.cuts.pop(0)
                    reset = cut[2]
                    at += len(cut[0]) + cut[1] - len(tail)
                    down.sendall(more[:max(at, 0)])
                    if reset:
                        time.sleep(0.1)  # or it takes what is unread along
                    break
                tail = (tail + more)[-100:]
                if not self.splits:
                    down.sendall(more)
                    continue
                for piece in re.split(rb"(?=[\x80-\xbf])", more):
                    down.sendall(piece)
                    time.sleep(0.002)  # so that it is read by itself
        except OSError:
            pass
        self.close(up)
        self.close(down, reset)
