# SPDX-License-Identifier: MIT
"""The built daemon as a process, for the tests in this folder."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

JOBSRVD = os.environ["JOBSRVD"]
SOURCE_DIR = os.environ["SOURCE_DIR"]
PATIENCE = 20  # seconds for anything


def run(args):
    """A jobsrvd that does not get as far as to listen."""
    return subprocess.run([JOBSRVD] + args, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)


def helped():
    return run(["--help"]).stdout.decode()


def limits():
    """{name: default} as --help has it."""
    text = helped()
    lines = text[text.index("Limits, with"):].splitlines()[2:]
    return dict(line.split(None, 1) for line in lines)


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


class Daemon:
    """A running jobsrvd; its first line has been read when it is there."""

    def __init__(self, *args, addresses=1, listen=True, preexec_fn=None):
        args = list(args)
        if listen:
            args += ["--listen", "127.0.0.1:0"]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [JOBSRVD] + args, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.log, preexec_fn=preexec_fn)
        killer = threading.Timer(PATIENCE, self.process.kill)
        killer.start()
        self.lines = [self.process.stdout.readline().decode()
                      for _ in range(addresses)]
        killer.cancel()
        found = [re.fullmatch(r"listening on http://(.*):(\d+)\n", line)
                 for line in self.lines]
        self.ports = [int(match.group(2)) for match in found if match]
        self.port = self.ports[0] if self.ports else None

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port,
                                          timeout=PATIENCE)

    def call(self, method, path, body=None, headers=None, via=None):
        client = via or self.connect()
        headers = dict(headers or {})
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        if body is not None:
            headers["Content-Type"] = "application/json"
        client.request(method, path, body=body, headers=headers)
        answer = client.getresponse()
        text = answer.read()
        client.close()
        return answer.status, json.loads(text) if text else None

    def submit(self, operation, **payload):
        status, body = self.call("POST", "/v1/jobs",
                                 {"operation": operation, **payload})
        if status != 202:
            raise AssertionError((status, body))
        return body["job_id"]

    def refuse(self, operation, **payload):
        status, body = self.call("POST", "/v1/jobs",
                                 {"operation": operation, **payload})
        if status != 422 or body["code"] != "invalid_payload":
            raise AssertionError((status, body))
        return body

    def record(self, job):
        return self.call("GET", "/v1/jobs/" + job)[1]

    def stream(self, job):
        """Reads to the end: a list of (event, id, data)."""
        client = self.connect()
        client.request("GET", "/v1/jobs/%s/stream" % job)
        answer = client.getresponse()
        if answer.status != 200:
            raise AssertionError((answer.status, answer.read()))
        frames = frames_of(answer.read().decode())
        client.close()
        return frames

    def until(self, job, state):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            record = self.record(job)
            if record["state"] == state:
                return record
            time.sleep(0.01)
        raise AssertionError(record)

    def told(self):
        self.log.seek(0)
        return self.log.read().decode()

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.stdout.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


def frames_of(text):
    frames = []
    for block in text.split("\n\n"):
        event, id_, data = None, None, None
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "event":
                event = value
            elif name == "id":
                id_ = value
            elif name == "data":
                data = value
        if data is not None:
            frames.append((event, id_, data))
    return frames


def narration(frames, action=None):
    """The texts of unnamed frames, the marker aside."""
    events = [json.loads(data) for event, _, data in frames[:-1]
              if event is None]
    return [event["human"] for event in events
            if action is None or event["action"] == action]


class Case(unittest.TestCase):
    """Each case starts its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="jobsrvd-test.")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def start(self, *args, **more):
        daemon = Daemon(*args, **more)
        self.addCleanup(daemon.close)
        return daemon

    def path(self, name, text=None, mode=0o600):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w") as file:
                file.write(text)
            os.chmod(path, mode)
        return path
