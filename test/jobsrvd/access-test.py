# SPDX-License-Identifier: MIT
"""The access log: one record for each request and each stream that is over, in
every log that jobsrvd has, and nothing in it that a client has to keep."""

import http.client
import json
import os
import socket
import threading
import unittest

from daemon import Case, PATIENCE

TOKEN = "s3cret-t0ken"
SECRETS = {
    "token": TOKEN,
    "wrong": "wr0ng-t0ken",
    "query": "qu3ry-s3cret",
    "cookie": "c00kie-s3cret",
    "basic": "dXNlcjpwYXNz",
    "scrape": "scr4pe-t0ken",
    "path": "p4th-s3cret",
    "forwarded": "f0rwarded-s3cret",
}
LAYOUTS = ("text", "json", "brackets", "block", "logfmt", "message")


class Drain(threading.Thread):
    """Reads a datagram socket until it is told to stop."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.texts = []
        self.start()

    def run(self):
        while True:
            text = self.socket.recv(1 << 17)
            if text == b"stop":
                return
            self.texts.append(text.decode("utf-8", "replace"))

    def stop(self, path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"stop", path)
        self.join(PATIENCE)
        self.socket.close()
        return self.texts


class Access(Case):
    def serve(self, layout):
        paths = {name: self.path(name) for name in ("log", "syslog", "journal")}
        config = self.path("c.json", json.dumps({
            "log_file": {"path": paths["log"], "level": "trace"},
            "syslog": {"path": paths["syslog"], "level": "trace"},
            "journal": {"path": paths["journal"], "level": "trace"},
            "console": {"form": layout, "level": "trace", "fields": True},
            "level": "trace"}))
        for path in paths.values():
            if os.path.exists(path):
                os.unlink(path)
        drains = {name: Drain(paths[name]) for name in ("syslog", "journal")}
        daemon = self.start(
            "--demo", "--config", config, "--token-file",
            self.path("token", TOKEN), "--metrics-token-file",
            self.path("scrape", SECRETS["scrape"]))
        return daemon, paths, drains

    def ask(self, daemon, method, path, body=None, **headers):
        client = http.client.HTTPConnection("127.0.0.1", daemon.port,
                                            timeout=PATIENCE)
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        client.request(method, path, body=body, headers=headers)
        answer = client.getresponse()
        text = answer.read().decode()
        client.close()
        return answer.status, text

    def work(self, daemon):
        """Every place where a secret can be. Returns the statuses in order."""
        bearer = {"Authorization": "Bearer " + TOKEN,
                  "Cookie": "session=" + SECRETS["cookie"]}
        got = []

        def ask(*given, **headers):
            status, text = self.ask(daemon, *given, **headers)
            got.append(status)
            return text

        job = json.loads(ask("POST", "/v1/jobs?x=" + SECRETS["query"],
                             {"operation": "echo", "lines": []},
                             **bearer))["job_id"]
        daemon_path = "/v1/jobs/" + job
        ticket = json.loads(ask("POST", daemon_path + "/ticket", {},
                                **bearer))["ticket"]
        ask("GET", daemon_path + "/stream?ticket=" + ticket)
        ask("GET", daemon_path + "/stream?ticket=%sx" % ticket)
        ask("GET", daemon_path, Authorization="Bearer " + SECRETS["wrong"])
        ask("GET", daemon_path, Authorization="Basic " + SECRETS["basic"])
        ask("GET", "/v1/jobs/" + SECRETS["path"], **bearer)
        ask("GET", "/" + SECRETS["path"], **bearer)
        ask("GET", "/v1/jobs?limit=1", **bearer, **{
            "X-Forwarded-For": SECRETS["forwarded"],
            "Forwarded": "for=" + SECRETS["forwarded"]})
        ask("GET", "/metrics", Authorization="Bearer " + SECRETS["scrape"])
        return got, ticket

    def raw(self, daemon):
        """What cannot be read as a request is told of as well."""
        with socket.create_connection(("127.0.0.1", daemon.port),
                                      PATIENCE) as client:
            client.sendall(("GET /%s HTTP/9.9\r\n\r\n"
                            % SECRETS["query"]).encode())
            while client.recv(4096):
                pass

    def test_no_log_has_what_a_client_has_to_keep(self):
        for layout in LAYOUTS:
            daemon, paths, drains = self.serve(layout)
            statuses, ticket = self.work(daemon)
            self.raw(daemon)
            self.assertEqual(0, daemon.stop())
            logs = {"console": daemon.told()}
            with open(paths["log"], encoding="utf-8") as file:
                logs["log_file"] = file.read()
            for name, drain in drains.items():
                logs[name] = "\n".join(drain.stop(paths[name]))
            self.assertEqual([202, 200, 200, 401, 401, 401, 404, 404, 200,
                              200], statuses)
            for name, text in logs.items():
                with self.subTest(layout + " " + name):
                    self.assertIn("/v1/jobs/{id}/stream", text)
                    self.assertIn("stream over: done", text)
                    for what, secret in {**SECRETS, "ticket": ticket}.items():
                        self.assertNotIn(secret, text, what)
            self.check_records(logs["log_file"], statuses + [505])

    def check_records(self, text, statuses):
        events = [json.loads(line) for line in text.splitlines()]
        told = [e for e in events if e.get("actor") == "http"]
        access = [e for e in told if e["action"] == "access"]
        ends = [e for e in told if e["action"] == "stream_end"]
        self.assertEqual(statuses, [e["fields"]["status"] for e in access])
        self.assertEqual(len(told), len(access) + len(ends))
        self.assertEqual(1, len(ends))
        self.assertEqual("done", ends[0]["fields"]["reason"])
        self.assertGreater(ends[0]["fields"]["bytes"], 0)
        for event in access:
            self.assertEqual({"method", "route", "status", "bytes", "peer"},
                             set(event["fields"]))
            self.assertGreaterEqual(event["duration_ms"], 0)
        self.assertEqual("/v1/jobs/{id}/ticket", access[1]["fields"]["route"])
        self.assertEqual("-", access[7]["fields"]["route"])


if __name__ == "__main__":
    unittest.main(verbosity=0)
