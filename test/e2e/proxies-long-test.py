# SPDX-License-Identifier: MIT
"""jobsrvd behind nginx and HAProxy, configured with the lines of the README:
each event is through before the next one is told, streams are resumed after a
cut on either side, and who asks is told."""

import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import time
import zlib
from datetime import datetime
from pathlib import Path

from world import (Events, Proxy, Server, call, logged, need, run, seqs,
                   until)

README = (Path(os.environ["SOURCE_DIR"]) / "README.md").read_text()
HOST = "jobs.example"

NGINX = """
daemon off;
worker_processes 1;
pid %(dir)s/pid;
error_log %(dir)s/error.log;
%(user)s
events { }
http {
  access_log %(dir)s/access.log;
  client_body_temp_path %(dir)s;
  proxy_temp_path %(dir)s;
  fastcgi_temp_path %(dir)s;
  uwsgi_temp_path %(dir)s;
  scgi_temp_path %(dir)s;
  gzip on;
  gzip_types *;
  log_format ids "$status id=$upstream_http_x_request_id";
  server {
    listen 127.0.0.1:%(port)d;
    access_log %(dir)s/ids.log ids;
    %(lines)s
  }
}
"""

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s

%(lines)s
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def readme_lines(language, upstream):
    (lines,) = re.findall(rf"```{language}\n(.*?)```", README, re.S)
    assert lines.count("127.0.0.1:7070") == 1, lines
    return lines.replace("127.0.0.1:7070", f"127.0.0.1:{upstream}")


class Nginx:
    def __init__(self, upstream):
        self.dir = tempfile.TemporaryDirectory()
        self.port = free_port()
        conf = Path(self.dir.name) / "conf"
        conf.write_text(NGINX % {
            "dir": self.dir.name, "port": self.port,
            # workers of another user could not see the folder
            "user": "user root;" if os.getuid() == 0 else "",
            "lines": readme_lines("nginx", upstream)})
        self.process = subprocess.Popen(
            ["nginx", "-p", self.dir.name, "-c", str(conf),
             "-e", self.dir.name + "/error.log"])
        listening(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.dir.cleanup()

    def logged_ids(self):
        return (Path(self.dir.name) / "ids.log").read_text()


class Haproxy:
    def __init__(self, upstream):
        self.dir = tempfile.TemporaryDirectory()
        self.port = free_port()
        conf = Path(self.dir.name) / "conf"
        lines = readme_lines("haproxy", upstream)
        assert "bind :80\n" in lines
        conf.write_text(HAPROXY % {"lines": lines.replace(
            "bind :80\n", f"bind 127.0.0.1:{self.port}\n")})
        self.process = subprocess.Popen(
            ["haproxy", "-db", "-q", "-f", str(conf)])
        listening(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()  # it would wait for streams
        self.process.wait(10)
        self.dir.cleanup()


def listening(proxy):
    def look():
        assert proxy.process.poll() is None, "the proxy does not run"
        try:
            socket.create_connection(("127.0.0.1", proxy.port)).close()
            return True
        except OSError:
            return False
    until("the proxy listens", look)


class Chain:
    """client -> down -> the proxy -> up -> jobsrvd; down and up are ours."""

    def __init__(self, kind, *args):
        self.server = Server("--allow-host", HOST, *args)
        self.up = Proxy(self.server.port)
        self.proxy = kind(self.up.port)
        self.down = Proxy(self.proxy.port)
        self.port = self.down.port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for part in (self.down, self.proxy, self.up, self.server):
            part.__exit__()

    def create(self, operation, **members):
        status, _, made = call(self.port, "POST", "/v1/jobs",
                               {"operation": operation, **members}, Host=HOST)
        assert status == 202, made
        return made["job_id"]

    def connect(self, job, events):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Host": HOST}
        if events.last_id:
            headers["Last-Event-ID"] = events.last_id
        client.request("GET", f"/v1/jobs/{job}/stream", headers=headers)
        return client, client.getresponse()


def follow(chain, job):
    """All that is heard until 204: (events, connections)."""
    events, connections = Events(), 0
    while True:
        client, answer = chain.connect(job, events)
        if answer.status == 204:
            return events.list, connections
        assert answer.status == 200, (answer.status, answer.read())
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["content-encoding"] is None
        connections += 1
        try:
            while line := answer.readline():
                if line.endswith(b"\n"):
                    events.feed(line[:-1].decode())
        except (OSError, http.client.HTTPException):
            pass
        client.close()
        events.cut()


def events_of(answer):
    """Each as soon as it is whole."""
    events = Events()
    while line := answer.readline():
        events.feed(line[:-1].decode())
        while events.list:
            yield events.list.pop(0)


def live(kind):
    """The program has nothing to say but what comes through a pipe, and that
    is given to it when what it said before has come through the proxy."""
    with tempfile.TemporaryDirectory() as folder:
        pipe, config = folder + "/pipe", folder + "/config"
        os.mkfifo(pipe)
        Path(config).write_text(json.dumps({"operations": {"told": {
            "argv": ["/bin/cat", pipe], "output": "plain"}}}))
        with Chain(kind, "--config", config) as chain:
            job = chain.create("told")
            client, answer = chain.connect(job, Events())
            events, took = events_of(answer), []
            # not for longer than this test: it opens when the program does
            with open(pipe, "w", encoding="ascii", buffering=1) as say:
                for n in range(50):
                    # one of a few bytes, one of more than a buffer's worth
                    text = f"event {n} " + "x" * (n % 5 * 3000)
                    before = time.monotonic()
                    say.write(text + "\n")
                    for name, data, _ in events:
                        if name == "message":
                            break
                    took.append(time.monotonic() - before)
                    assert json.loads(data)["human"] == text, data
            rest = list(events)
            assert rest[-1][:2] == ["message", "[DONE]"], rest
            client.close()
    took.sort()
    print(f"{kind.__name__}: told and heard in {took[25] * 1000:.1f} ms, at "
          f"most {took[-1] * 1000:.1f} ms")


def cuts(kind):
    with Chain(kind) as chain:
        job = chain.create("count", n=60, interval_ms=20)
        chain.down.cuts = [(b'"human":"10 of 60', 3, False),
                           (b'"human":"30 of 60', 3, True)]
        chain.up.cuts = [(b'"human":"20 of 60', 3, False),
                         (b'"human":"40 of 60', 3, True)]
        heard, connections = follow(chain, job)
        got = logged(heard)
        assert connections == 5, connections
        assert not chain.down.cuts and not chain.up.cuts
        assert seqs(got) == list(range(1, 64)), seqs(got)
        assert got[-1][:2] == ["message", "[DONE]"], got[-1]


def ids(kind):
    with Chain(kind) as chain:
        # of the client's own choice
        status, headers, made = call(
            chain.port, "POST", "/v1/jobs", {"operation": "count", "n": 1},
            Host=HOST, X_Request_Id="of-the-client.7")
        assert status == 202 and headers["x-request-id"] == "of-the-client.7"
        heard, _ = follow(chain, made["job_id"])
        (said,) = [json.loads(e[1]) for e in heard if '"human"' in e[1]]
        assert said["request_id"] == "of-the-client.7", said

        # made here
        status, headers, made = call(
            chain.port, "POST", "/v1/jobs", {"operation": "count", "n": 1},
            Host=HOST)
        given = headers["x-request-id"]
        assert len(given) == 32, headers
        heard, _ = follow(chain, made["job_id"])
        (said,) = [json.loads(e[1]) for e in heard if '"human"' in e[1]]
        assert said["request_id"] == given, (said, given)
        if kind is Nginx:
            until("the proxy's log has both", lambda: all(
                "202 id=" + i in chain.proxy.logged_ids()
                for i in (given, "of-the-client.7")))

        # whatever the client says of itself, the proxy knows better
        status, _, _ = call(chain.port, "GET", "/v1/jobs", Host=HOST,
                            X_Forwarded_For="192.0.2.66")
        assert status == 200
        told = accesses(chain)
        assert len(told) == 7, told
        assert {r["forwarded_for"] for r in told} == {"127.0.0.1"}, told
        (line, head) = chain.up.heads.pop()
        assert "127.0.0.1" in head["x-forwarded-for"], head
        # each head as the server got it
        for line, head in chain.up.heads:
            assert head["x-forwarded-for"] == "127.0.0.1", (line, head)
            assert head["host"] == HOST, (line, head)


def accesses(chain):
    return [r["fields"] for r in chain.server.records()
            if r.get("action") == "access"]


def clients(kind):
    """Another address of this machine is who asks, once it is believed."""
    for trusted in (), ("--trust-proxy", "127.0.0.1"):
        with Chain(kind, *trusted) as chain:
            sock = socket.create_connection(("127.0.0.1", chain.proxy.port),
                                            timeout=20,
                                            source_address=("127.0.0.77", 0))
            sock.sendall(f"GET /v1/jobs HTTP/1.1\r\nHost: {HOST}\r\n"
                         "Connection: close\r\n"
                         "X-Forwarded-For: 192.0.2.66\r\n\r\n".encode())
            while sock.recv(65536):
                pass
            sock.close()
            (told,) = until("its record", lambda: accesses(chain))
            assert told["peer"].startswith("127.0.0.1"), told
            assert told.get("client") == (
                "127.0.0.77" if trusted else None), told


def origins(kind):
    with Chain(kind) as chain:
        for origin, host, want in ((f"https://{HOST}", HOST, 202),
                                   (f"http://{HOST}", HOST, 202),
                                   (f"http://{HOST}:8080", HOST + ":8080",
                                    202),
                                   ("https://evil.example", HOST, 403),
                                   ("null", HOST, 403),
                                   ("https://evil.example", "evil.example",
                                    421)):
            status, _, problem = call(
                chain.port, "POST", "/v1/jobs",
                {"operation": "count", "n": 1}, Host=host, Origin=origin)
            assert status == want, (origin, host, status, problem)


def leaving(kind):
    # HAProxy finds out when it writes
    with Chain(kind, "--limit", "heartbeat_ms=1000") as chain:
        job = chain.create("sleep", ms=60000)
        client, answer = chain.connect(job, Events())
        assert answer.readline() == b"event: state\n"
        client.close()
        answer.close()
        until("the server knows that the client has gone", lambda: [
            r for r in chain.server.records()
            if r.get("action") == "stream_end"
            and r["fields"]["reason"] == "client_gone"])


def compressed(kind):
    with Chain(kind, "--gzip") as chain:
        job = chain.create("count", n=20, interval_ms=50)
        client = http.client.HTTPConnection("127.0.0.1", chain.port,
                                            timeout=20)
        client.request("GET", f"/v1/jobs/{job}/stream", headers={
            "Host": HOST, "Accept-Encoding": "gzip"})
        answer = client.getresponse()
        assert answer.headers["content-encoding"] == "gzip", answer.headers
        inflate, text = zlib.decompressobj(16 + zlib.MAX_WBITS), b""
        while b'"human":"1 of 20"' not in text:
            text += inflate.decompress(answer.read1(1 << 16))
        status, _, record = call(chain.port, "GET", "/v1/jobs/" + job,
                                 Host=HOST)
        assert (status, record["state"]) == (200, "running"), record
        while part := answer.read1(1 << 16):
            text += inflate.decompress(part)
        client.close()
        assert inflate.eof and text.endswith(b"data: [DONE]\n\n"), text
        said = re.findall(rb'"human":"(\d+) of 20"', text)
        assert said == [b"%d" % i for i in range(1, 21)], said


def both(case):
    """The case as one behind nginx and one behind HAProxy."""
    def one(kind):
        def named():
            case(kind)
        named.__name__ = f"{case.__name__}_behind_{kind.__name__.lower()}"
        return named
    return [one(Nginx), one(Haproxy)]


def each_event_is_through_before_the_next_is_told(kind):
    live(kind)


def cut_on_either_side_it_is_resumed(kind):
    cuts(kind)


def request_id_and_client_are_carried(kind):
    ids(kind)


def who_asks_is_whom_a_trusted_proxy_names(kind):
    clients(kind)


def origin_and_host_are_compared(kind):
    origins(kind)


def compressed_it_comes_as_it_is_told(kind):
    compressed(kind)


def a_client_that_leaves_is_noticed(kind):
    leaving(kind)


need("nginx", "haproxy")
run([one for case in (each_event_is_through_before_the_next_is_told,
                      cut_on_either_side_it_is_resumed,
                      request_id_and_client_are_carried,
                      who_asks_is_whom_a_trusted_proxy_names,
                      origin_and_host_are_compared,
                      compressed_it_comes_as_it_is_told,
                      a_client_that_leaves_is_noticed)
     for one in both(case)])
