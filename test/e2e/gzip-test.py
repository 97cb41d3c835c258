# SPDX-License-Identifier: MIT
"""Compressed streams as curl and Python read them, against the same as it is."""

import http.client
import json
import os
import signal
import subprocess
import zlib


passed = failed = 0


class Stream:
    """Of a job, read as it comes; what it holds is looked at at once."""

    def __init__(self, port, job, headers):
        self.client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.client.request("GET", f"/v1/jobs/{job}/stream", headers=headers)
        self.answer = self.client.getresponse()
        self.coding = self.answer.getheader("Content-Encoding")
        self.inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.text = b""

    def take(self):
        """The next that comes; False at the end."""
        data = self.answer.read1(1 << 16)
        if data:
            self.text += self.inflate.decompress(data) if self.coding else data
        return bool(data)

    def whole(self):
        while self.take():
            pass
        self.client.close()
        if self.coding:
            assert self.inflate.eof and not self.inflate.unused_data
        return self.text


def create(port, operation, **payload):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.request("POST", "/v1/jobs",
                   json.dumps({"operation": operation, **payload}),
                   {"Content-Type": "application/json"})
    job = json.loads(client.getresponse().read())["job_id"]
    client.close()
    return job


def curl(port, job, *args):
    return subprocess.run(
        ["curl", "-sS", "-N", "-m", "30", *args,
         f"http://127.0.0.1:{port}/v1/jobs/{job}/stream"],
        check=True, capture_output=True).stdout


def frames(text):
    """All but the opening one, which tells how it is now."""
    return text.split(b"\n\n")[1:]


def all_read_the_same(port):
    job = create(port, "count", n=300)
    packed = Stream(port, job, {"Accept-Encoding": "gzip"})
    as_it_is = Stream(port, job, {"Accept-Encoding": "identity"})
    assert (packed.coding, as_it_is.coding) == ("gzip", None)
    assert packed.answer.getheader("Vary") == "Accept, Accept-Encoding"
    want = as_it_is.whole()
    assert b"\ndata: [DONE]\n\n" in want
    assert frames(packed.whole()) == frames(want)
    assert frames(curl(port, job, "--compressed")) == frames(want)
    raw = curl(port, job, "-H", "Accept-Encoding: gzip")
    assert raw[:3] == b"\x1f\x8b\x08" and len(raw) < len(want) / 2, len(raw)
    old = curl(port, job, "--compressed", "--http1.0")
    assert frames(old) == frames(want)


def nothing_is_held_back(port):
    job = create(port, "spin")
    stream = Stream(port, job, {"Accept-Encoding": "gzip"})
    # the job goes on until it is told to stop, and this is had before
    while b'"state":"running"' not in stream.text:
        assert stream.take(), stream.text
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.request("DELETE", "/v1/jobs/" + job)
    assert client.getresponse().read()
    client.close()
    assert stream.whole().endswith(b"data: [CANCELLED]\n\n"), stream.text


def a_list_of_lines_is_compressed_too(port):
    job = create(port, "count", n=20)
    packed = Stream(port, job, {"Accept-Encoding": "gzip",
                                "Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in packed.whole().splitlines()]
    assert packed.coding == "gzip" and lines[-1]["type"] == "end", lines[-1]


def start(*args):
    server = subprocess.Popen(
        [os.environ["JOBSRVD"], "--demo", "--listen", "127.0.0.1:0", "--log",
         "none", *args], stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    if not line:
        assert server.wait(15) == 1, server.returncode
        print("built without zlib")
        raise SystemExit(77)
    return server, int(line.rsplit(":", 1)[1])


def stop(server):
    server.send_signal(signal.SIGTERM)
    assert server.wait(15) == 0, server.returncode


def it_is_off_by_itself():
    server, port = start()
    stream = Stream(port, create(port, "count", n=3),
                    {"Accept-Encoding": "gzip"})
    assert stream.coding is None and b"[DONE]" in stream.whole()
    stop(server)


def run(case, *args):
    global passed, failed
    try:
        case(*args)
        passed += 1
    except Exception as error:
        print(f"FAILED {case.__name__}: {error!r}")
        failed += 1


def main():
    server, port = start("--gzip")
    for case in (all_read_the_same, nothing_is_held_back,
                 a_list_of_lines_is_compressed_too):
        run(case, port)
    stop(server)
    run(it_is_off_by_itself)
    print(f"{passed} passed, {failed} failed")
    raise SystemExit(failed != 0)


main()
