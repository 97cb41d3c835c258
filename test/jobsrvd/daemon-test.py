# SPDX-License-Identifier: MIT
"""The built daemon, driven from outside: addresses, operations of --demo and of
a config file, tokens, limits, signals and exit statuses."""

import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest

from daemon import (Case, Daemon, JOBSRVD, PATIENCE, SOURCE_DIR, Unix,
                    frames_of, narration)


class WithDaemon(unittest.TestCase):
    args = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="jobsrvd-test.")
        cls.daemon = Daemon(*cls.arguments())

    @classmethod
    def tearDownClass(cls):
        status = cls.daemon.stop()
        told = cls.daemon.told()
        cls.daemon.close()
        shutil.rmtree(cls.folder)
        if status != 0:
            raise AssertionError("status %d: %s" % (status, told[-4000:]))

    @classmethod
    def arguments(cls):
        return cls.args

    def pointer(self, operation, **payload):
        body = self.daemon.refuse(operation, **payload)
        return body["pointer"], body["detail"]


class Demo(WithDaemon):
    args = ("--demo", "--log", "none", "--limit", "grace_ms=300",
            "--limit", "max_bytes_per_job=8388608")

    def test_echo_says_its_lines(self):
        lines = ["one", "two  words", "", "\u00fcml\u00e4ut \"quoted\"", "[DONE]"]
        frames = self.daemon.stream(self.daemon.submit("echo", lines=lines))
        self.assertEqual(lines, narration(frames, "echo"))
        self.assertEqual("[DONE]", frames[-1][2])
        self.assertEqual("end", frames[-2][0])

    def test_count_counts_in_its_interval(self):
        started = time.monotonic()
        job = self.daemon.submit("count", n=5, interval_ms=20)
        frames = self.daemon.stream(job)
        self.assertGreaterEqual(time.monotonic() - started, 0.08)
        self.assertEqual(["%d of 5" % i for i in range(1, 6)],
                         narration(frames, "count"))
        self.assertEqual({"counted": 5}, self.daemon.record(job)["result"])

    def test_count_without_an_interval_counts_every_turn(self):
        frames = self.daemon.stream(self.daemon.submit("count", n=1000))
        self.assertEqual(1000, len(narration(frames, "count")))

    def test_count_to_nothing_completes(self):
        frames = self.daemon.stream(self.daemon.submit("count", n=0))
        self.assertEqual([], narration(frames, "count"))
        self.assertEqual("[DONE]", frames[-1][2])

    def test_sleep_takes_its_time(self):
        started = time.monotonic()
        job = self.daemon.submit("sleep", ms=100)
        self.assertEqual("[DONE]", self.daemon.stream(job)[-1][2])
        self.assertGreaterEqual(time.monotonic() - started, 0.1)
        self.assertEqual({"slept_ms": 100}, self.daemon.record(job)["result"])

    def test_fail_fails_with_its_message(self):
        job = self.daemon.submit("fail", message="no such luck")
        self.assertEqual("[ERROR] no such luck",
                         self.daemon.stream(job)[-1][2])
        error = self.daemon.record(job)["error"]
        self.assertEqual("failed", error["code"])
        self.assertEqual("no such luck", error["message"])

    def test_progress_ends_with_its_last_value(self):
        job = self.daemon.submit("progress", total=10, step_ms=5)
        frames = self.daemon.stream(job)
        seen = [json.loads(data) for event, id_, data in frames
                if event == "progress" and id_ is None]
        self.assertTrue(seen)
        self.assertEqual(10, seen[-1]["done"])
        self.assertEqual(10, self.daemon.record(job)["progress"]["total"])

    def test_data_sends_its_value(self):
        for value in [{"a": [1, 2.5, None, True]}, [], "text", 0, None]:
            with self.subTest(value):
                job = self.daemon.submit("data", value=value)
                sent = [json.loads(data)["payload"] for event, _, data
                        in self.daemon.stream(job) if event == "data"]
                self.assertEqual([value], sent)

    def test_flood_pads_and_numbers(self):
        job = self.daemon.submit("flood", n=2000, rate=0, burst=64, size=200)
        texts = narration(self.daemon.stream(job), "flood")
        self.assertEqual(2000, len(texts))
        last = 0
        for i, text in enumerate(texts):
            match = re.fullmatch(r"seq=(\d+) ts=(\d+) x*", text)
            self.assertIsNotNone(match, text)
            self.assertEqual(i + 1, int(match.group(1)))
            self.assertGreaterEqual(int(match.group(2)), last)
            self.assertEqual(200, len(text))
            last = int(match.group(2))

    def test_flood_keeps_its_rate(self):
        started = time.monotonic()
        job = self.daemon.submit("flood", n=500, rate=2000, burst=10)
        self.assertEqual(500, len(narration(self.daemon.stream(job), "flood")))
        took = time.monotonic() - started
        self.assertGreaterEqual(took, 0.23)
        self.assertEqual({"sent": 500}, self.daemon.record(job)["result"])

    def test_what_runs_stops_when_it_is_asked_to(self):
        for operation, payload in [("sleep", {"ms": 60000}),
                                   ("count", {"n": 9, "interval_ms": 60000}),
                                   ("count", {"n": 1000000000}),
                                   ("progress", {"total": 9, "step_ms": 60000}),
                                   ("flood", {"n": 1000000000, "rate": 100}),
                                   ("flood", {"n": 1000000000, "size": 1000}),
                                   ("spin", {})]:
            with self.subTest(operation):
                job = self.daemon.submit(operation, **payload)
                self.daemon.until(job, "running")
                started = time.monotonic()
                status, _ = self.daemon.call("DELETE", "/v1/jobs/" + job)
                self.assertIn(status, (200, 202))
                record = self.daemon.until(job, "cancelled")
                self.assertLess(time.monotonic() - started, 5)
                self.assertFalse(record.get("abandoned", False))
                self.assertEqual("[CANCELLED]",
                                 self.daemon.stream(job)[-1][2])

    def test_stuck_is_abandoned_after_the_grace(self):
        job = self.daemon.submit("stuck")
        self.daemon.until(job, "running")
        status, record = self.daemon.call("DELETE", "/v1/jobs/" + job)
        self.assertEqual(202, status)
        self.assertEqual("running", record["state"])
        self.assertTrue(self.daemon.until(job, "cancelled")["abandoned"])

    def test_attempts_can_time_out(self):
        job = self.daemon.submit("sleep", ms=60000,
                                 options={"timeout_ms": 50})
        self.assertEqual("attempt_timeout",
                         self.daemon.until(job, "failed")["error"]["code"])

    def test_payloads_are_checked_member_by_member(self):
        for operation, payload, pointer, detail in [
            ("echo", {}, "/lines", "is missing"),
            ("echo", {"lines": "x"}, "/lines",
             "must be an array of strings, not a string"),
            ("echo", {"lines": ["a", 5]}, "/lines/1",
             "must be a string, not an integer"),
            ("echo", {"lines": ["a\u0000b"]}, "/lines/0",
             "must be a string without U+0000"),
            ("echo", {"lines": [], "more": 1}, "/more", "unknown member"),
            ("echo", {"lines": [], "a/b~c": 1}, "/a~1b~0c", "unknown member"),
            ("count", {"n": -1}, "/n", "must be 0 to 1000000000"),
            ("count", {"n": 1.5}, "/n", "must be an integer, not a number"),
            ("count", {"n": 1, "interval_ms": 86400001}, "/interval_ms",
             "must be 0 to 86400000"),
            ("sleep", {}, "/ms", "is missing"),
            ("sleep", {"ms": True}, "/ms", "must be an integer, not true"),
            ("fail", {"message": None}, "/message",
             "must be a string, not null"),
            ("spin", {"n": 1}, "/n", "unknown member"),
            ("stuck", {"n": 1}, "/n", "unknown member"),
            ("progress", {"total": 0}, "/total", "must be 1 to 1000000000"),
            ("data", {}, "/value", "is missing"),
            ("flood", {"n": 1, "burst": 0}, "/burst", "must be 1 to 65536"),
            ("flood", {"n": 1, "size": 65537}, "/size", "must be 0 to 65536"),
        ]:
            with self.subTest((operation, payload)):
                at, told = self.pointer(operation, **payload)
                self.assertEqual(pointer, at)
                self.assertIn(detail, told)

    def test_an_operation_that_is_not_there_is_unknown(self):
        status, body = self.daemon.call("POST", "/v1/jobs", {"operation": "x"})
        self.assertEqual((422, "unknown_operation"), (status, body["code"]))

    def test_many_jobs_at_once_come_to_their_ends(self):
        jobs = [self.daemon.submit("count", n=10, interval_ms=i % 3)
                for i in range(100)]
        for job in jobs:
            self.assertEqual("[DONE]", self.daemon.stream(job)[-1][2])


SHOW = ["/bin/sh", "-c", 'for a; do printf "<%s>\\n" "$a"; done', "sh"]

CONFIG = {
    "operations": {
        "show": {
            "argv": SHOW + ["${text}", "--text=${text}", "[${text}${text}]",
                            "$${text}", "$text", "${n}/${x}/${b}"],
            "members": {
                "text": {},
                "n": {"type": "integer", "default": 7},
                "x": {"type": "number", "default": 0.1},
                "b": {"type": "boolean", "default": False},
            },
        },
        "dash": {
            "argv": SHOW + ["${text}", "${n}"],
            "members": {
                "text": {"dash": True, "default": "-"},
                "n": {"type": "integer", "dash": True, "default": -1},
            },
        },
        "strict": {
            "argv": ["echo", "${word}", "${size}", "${ratio}", "${count}"],
            "members": {
                "word": {"pattern": "^[a-z]+$", "min_length": 2,
                         "max_length": 5, "default": "abc"},
                "size": {"enum": ["small", "large"], "default": "small"},
                "ratio": {"type": "number", "minimum": 0.5, "maximum": 2,
                          "default": 1},
                "count": {"type": "integer", "minimum": 1, "maximum": 3,
                          "enum": [1, 3], "default": 1},
            },
            "env": ["PATH"],
        },
        "env": {
            "argv": ["env"],
            "env": ["PATH", "JOBSRVD_SEEN", "JOBSRVD_UNSET"],
            "set_env": {"FIXED": "a b=c"},
        },
        "cwd": {"argv": ["/bin/pwd"], "cwd": "/usr"},
        "one": {"argv": ["/bin/sleep", "${s}"], "concurrency": 1,
                "members": {"s": {"type": "number"}}},
        "short": {"argv": ["/bin/sleep", "60"], "timeout_ms": 100},
        "status": {"argv": ["/bin/sh", "-c", "echo oops >&2; exit 3"]},
        "missing": {"argv": ["/nonexistent/program"]},
        "kept": {"argv": ["/bin/sleep", "0.5"], "on_drain": "finish"},
    },
}


class Programs(WithDaemon):
    @classmethod
    def arguments(cls):
        path = os.path.join(cls.folder, "config.json")
        with open(path, "w") as file:
            json.dump(CONFIG, file)
        return ("--config", path, "--log", "none")

    @classmethod
    def setUpClass(cls):
        os.environ["JOBSRVD_SEEN"] = "seen"
        os.environ["JOBSRVD_HIDDEN"] = "hidden"
        super().setUpClass()

    def said(self, operation, **payload):
        frames = self.daemon.stream(self.daemon.submit(operation, **payload))
        self.assertEqual("[DONE]", frames[-1][2])
        return narration(frames, "stdout")

    def test_a_value_is_one_argument_whatever_it_holds(self):
        for text in ["plain", "two words", "", "it's", '"', "$(id)", "`id`",
                     "a;b|c&d>e<f", "*", "$HOME", "${n}", "\\", "a\tb",
                     "\u20ac\U0001d11e", "x" * 4000]:
            with self.subTest(text[:20]):
                self.assertEqual(
                    ["<%s>" % text, "<--text=%s>" % text,
                     "<[%s%s]>" % (text, text), "<${text}>", "<$text>",
                     "<7/0.1/false>"], self.said("show", text=text))

    def test_numbers_are_written_as_they_were_meant(self):
        self.assertEqual("<5/1e+300/true>",
                         self.said("show", text="", n=5, x=1e300, b=True)[-1])
        self.assertEqual("<9223372036854775807/3/false>",
                         self.said("show", text="", n=2**63 - 1, x=3)[-1])

    def test_a_leading_dash_has_to_be_declared(self):
        for payload, pointer in [({"text": "-rf"}, "/text"),
                                 ({"text": "-"}, "/text"),
                                 ({"text": "a", "n": -1}, "/n"),
                                 ({"text": "a", "x": -0.5}, "/x"),
                                 ({"text": "a", "x": -0.0}, "/x")]:
            with self.subTest(payload):
                at, told = self.pointer("show", **payload)
                self.assertEqual(pointer, at)
                self.assertIn("may not begin with '-'", told)
        self.assertEqual(["<-rf>", "<-3>"],
                         self.said("dash", text="-rf", n=-3))
        self.assertEqual(["<->", "<-1>"], self.said("dash"))

    def test_members_are_refused_by_name(self):
        for payload, pointer, detail in [
            ({}, "/text", "is missing"),
            ({"text": "a", "more": 1}, "/more", "unknown member"),
            ({"text": 5}, "/text", "must be a string, not an integer"),
            ({"text": None}, "/text", "must be a string, not null"),
            ({"text": ["a"]}, "/text", "must be a string, not an array"),
            ({"text": "a", "n": 1.0}, "/n", "must be an integer"),
            ({"text": "a", "n": "1"}, "/n", "must be an integer"),
            ({"text": "a", "x": "1"}, "/x", "must be a number"),
            ({"text": "a", "b": 1}, "/b", "must be true or false"),
            ({"text": "a\u0000b"}, "/text", "must be a string without U+0000"),
            ({"text": "x" * 32001}, "/text", "must have 0 to 32000 characters"),
        ]:
            with self.subTest(str(payload)[:40]):
                at, told = self.pointer("show", **payload)
                self.assertEqual(pointer, at)
                self.assertIn(detail, told)

    def test_declared_rules_hold(self):
        for payload, detail in [
            ({"word": "a"}, "must have 2 to 5 characters, not 1"),
            ({"word": "abcdef"}, "must have 2 to 5 characters, not 6"),
            ({"word": "a1c"}, "must match the pattern"),
            ({"word": "abc\n"}, "must match the pattern"),
            ({"size": "medium"}, 'must be one of ["small", "large"]'),
            ({"ratio": 0.4}, "must be at least 0.5"),
            ({"ratio": 2.1}, "must be at most 2"),
            ({"count": 0}, "must be one of [1, 3]"),
            ({"count": 2}, "must be one of [1, 3]"),
        ]:
            with self.subTest(payload):
                at, told = self.pointer("strict", **payload)
                self.assertEqual("/" + next(iter(payload)), at)
                self.assertIn(detail, told)
        self.assertEqual(["abc small 1 1"], self.said("strict"))
        self.assertEqual(
            ["zz large 0.5 3"],
            self.said("strict", word="zz", size="large", ratio=0.5, count=3))

    def test_only_the_listed_environment_is_handed_on(self):
        own = ("TRACEPARENT=", "JOBSRV_JOB_ID=", "JOBSRV_CORRELATION_ID=",
               "JOBSRV_REQUEST_ID=")
        said = self.said("env")
        self.assertEqual({"PATH=" + os.environ["PATH"], "JOBSRVD_SEEN=seen",
                          "FIXED=a b=c"},
                         {line for line in said if not line.startswith(own)})
        self.assertEqual(3 + len(own), len(said))

    def test_a_folder_can_be_given(self):
        self.assertEqual(["/usr"], self.said("cwd"))

    def test_concurrency_is_bounded(self):
        first = self.daemon.submit("one", s=60)
        second = self.daemon.submit("one", s=0)
        self.daemon.until(first, "running")
        record = self.daemon.record(second)
        self.assertEqual(("queued", 1),
                         (record["state"], record["queue_position"]))
        self.daemon.call("DELETE", "/v1/jobs/" + first)
        self.daemon.until(first, "cancelled")
        self.daemon.until(second, "completed")

    def test_a_program_may_take_too_long(self):
        record = self.daemon.until(self.daemon.submit("short"), "failed")
        self.assertEqual("attempt_timeout", record["error"]["code"])

    def test_the_exit_status_is_the_outcome(self):
        job = self.daemon.submit("status")
        frames = self.daemon.stream(job)
        self.assertEqual(["oops"], narration(frames, "stderr"))
        self.assertEqual(3, self.daemon.record(job)["error"]["exit_status"])

    def test_a_program_that_is_not_there_fails_its_job(self):
        record = self.daemon.until(self.daemon.submit("missing"), "failed")
        self.assertEqual("spawn_failed", record["error"]["code"])


class Alone(Case):

    def test_several_addresses_are_told_in_order(self):
        path = self.path("socket")
        daemon = self.start("--demo", "--log=none", "--listen", "unix:" + path,
                            "--listen", "127.0.0.1:0", addresses=3)
        self.assertEqual("listening on unix:%s\n" % path, daemon.lines[0])
        self.assertEqual(2, len(set(daemon.ports)), daemon.lines)
        self.assertEqual(0o600, stat.S_IMODE(os.stat(path).st_mode))
        status, body = daemon.call("POST", "/v1/jobs",
                                   {"operation": "echo", "lines": ["x"]},
                                   via=Unix(path))
        self.assertEqual(202, status)
        for port in daemon.ports:
            daemon.port = port
            self.assertEqual(body["job_id"],
                             daemon.record(body["job_id"])["job_id"])
        self.assertEqual(0, daemon.stop())
        self.assertFalse(os.path.exists(path))

    def test_addresses_of_the_command_line_replace_those_of_the_file(self):
        config = self.path("c.json", '{"listen": ["unix:%s"]}' %
                           self.path("file"))
        daemon = self.start("--config", config, listen=False)
        self.assertEqual("listening on unix:%s\n" % self.path("file"),
                         daemon.lines[0])
        self.assertEqual(0, daemon.stop())
        daemon = self.start("--config", config)
        self.assertIsNotNone(daemon.port)
        self.assertFalse(os.path.exists(self.path("file")))
        self.assertEqual(0, daemon.stop())

    def test_a_port_in_use_is_told(self):
        daemon = self.start("--log", "none")
        other = subprocess.run(
            [JOBSRVD, "--listen", "127.0.0.1:%d" % daemon.port],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(1, other.returncode)
        self.assertEqual(b"", other.stdout)
        self.assertEqual("jobsrvd: cannot listen on 127.0.0.1:%d: "
                         "address already in use\n" % daemon.port,
                         other.stderr.decode())
        self.assertEqual(0, daemon.stop())

    def test_a_token_is_asked_for(self):
        token = self.path("token", "s3cret.token\r\nnot this\n")
        daemon = self.start("--demo", "--log=none", "--token-file", token)
        body = {"operation": "echo", "lines": []}
        for header in [None, "Bearer s3cret", "Bearer s3cret.token2",
                       "Basic s3cret.token", "Bearer not this"]:
            with self.subTest(header):
                status, answer = daemon.call(
                    "POST", "/v1/jobs", body,
                    {"Authorization": header} if header else None)
                self.assertEqual((401, "unauthorized"),
                                 (status, answer["code"]))
        status, _ = daemon.call("POST", "/v1/jobs", body,
                                {"Authorization": "Bearer s3cret.token"})
        self.assertEqual(202, status)
        self.assertEqual(200, daemon.call("GET", "/health")[0])
        self.assertEqual(0, daemon.stop())

    def scrape(self, daemon, token=None):
        client = daemon.connect()
        headers = {"Authorization": "Bearer " + token} if token else {}
        client.request("GET", "/metrics", headers=headers)
        answer = client.getresponse()
        text = answer.read().decode()
        client.close()
        return answer.status, text

    def test_metrics_are_there_when_they_are_asked_for(self):
        daemon = self.start("--demo", "--log=none")
        self.assertEqual(404, self.scrape(daemon)[0])
        self.assertEqual(0, daemon.stop())
        daemon = self.start("--demo", "--log=none", "--metrics")
        daemon.until(daemon.submit("echo", lines=[]), "completed")
        status, text = self.scrape(daemon)
        self.assertEqual(200, status)
        self.assertIn('\njobsrv_jobs_finished_total{operation="echo",'
                      'outcome="completed"} 1\n', text)
        for name in ("start_time_seconds", "cpu_seconds_total", "open_fds",
                     "resident_memory_bytes", "virtual_memory_bytes",
                     "max_fds"):
            value = re.search(r"^process_%s (\S+)$" % name, text, re.M)
            self.assertIsNotNone(value, (name, text))
            self.assertGreater(float(value.group(1)), 0)
        started = re.search(r"^process_start_time_seconds (\S+)$", text, re.M)
        self.assertAlmostEqual(time.time(), float(started.group(1)), delta=60)
        self.assertEqual(0, daemon.stop())

    def test_a_token_may_be_good_for_metrics_alone(self):
        token = self.path("token", "s3cret")
        other = self.path("other", "scr4pe\n")
        daemon = self.start("--demo", "--log=none", "--token-file", token,
                            "--metrics-token-file", other)
        self.assertEqual(401, self.scrape(daemon)[0])
        self.assertEqual(401, self.scrape(daemon, "scr4p")[0])
        self.assertEqual(200, self.scrape(daemon, "scr4pe")[0])
        self.assertEqual(200, self.scrape(daemon, "s3cret")[0])
        self.assertEqual(401, daemon.call("GET", "/v1/jobs", None, {
            "Authorization": "Bearer scr4pe"})[0])
        self.assertEqual(0, daemon.stop())

    def test_hosts_and_origins_can_be_allowed(self):
        config = self.path("c.json", '{"allow_hosts": ["one.example"]}')
        daemon = self.start("--demo", "--log=none", "--config", config,
                            "--allow-host=two.example",
                            "--allow-origin", "https://app.example")
        job = daemon.submit("echo", lines=[])
        for headers, expected in [
            ({"Host": "one.example"}, 200),
            ({"Host": "two.example:80"}, 200),
            ({"Host": "three.example"}, 421),
            ({"Origin": "https://app.example"}, 200),
            ({"Origin": "https://other.example"}, 403),
        ]:
            with self.subTest(headers):
                self.assertEqual(expected, daemon.call(
                    "GET", "/v1/jobs/" + job, None, headers)[0])
        self.assertEqual(0, daemon.stop())

    def test_limits_of_the_command_line_come_before_those_of_the_file(self):
        config = self.path("c.json",
                           '{"limits": {"max_body": 100, "max_tags": 1}}')
        small = self.start("--demo", "--log=none", "--config", config)
        body = {"operation": "echo", "lines": ["x" * 200]}
        self.assertEqual(413, small.call("POST", "/v1/jobs", body)[0])
        self.assertEqual(0, small.stop())
        large = self.start("--demo", "--log=none", "--config", config,
                           "--limit", "max_body=1000")
        self.assertEqual(202, large.call("POST", "/v1/jobs", body)[0])
        body = {"operation": "echo", "lines": [],
                "options": {"tags": {"a": "1", "b": "2"}}}
        self.assertEqual(422, large.call("POST", "/v1/jobs", body)[0])
        self.assertEqual(0, large.stop())

    def test_the_library_takes_both_ends_of_every_range(self):
        # Out of range on both sides, the complaint tells the range.
        names = subprocess.run([JOBSRVD, "--help"], stdout=subprocess.PIPE,
                               timeout=PATIENCE).stdout.decode()
        names = names[names.index("Limits, with"):].splitlines()[2:]
        names = [line.split()[0] for line in names]
        self.assertGreater(len(names), 30)
        least, most = [], []
        for name in names:
            told = subprocess.run([JOBSRVD, "--limit", name + "=x"],
                                  stderr=subprocess.PIPE, timeout=PATIENCE)
            ends = re.search(r"from (\d+) to (\d+)", told.stderr.decode())
            least += ["--limit", "%s=%s" % (name, ends.group(1))]
            most += ["--limit", "%s=%s" % (name, ends.group(2))]
        for limits in least, most:
            daemon = self.start("--log=none", *limits)
            self.assertIsNotNone(daemon.port, daemon.told())
            self.assertEqual(0, daemon.stop())

    def test_narration_goes_to_standard_error_as_asked(self):
        for form in "text", "json", "none":
            with self.subTest(form):
                daemon = self.start("--demo", "--log", form)
                job = daemon.submit("echo", lines=["a line \u001b[31m"])
                daemon.until(job, "completed")
                self.assertEqual(0, daemon.stop())
                told = daemon.told()
                self.assertNotIn("\u001b", told)
                if form == "none":
                    self.assertEqual("", told)
                elif form == "text":
                    self.assertIn("a line \\x1b[31m", told)
                else:
                    events = [json.loads(line) for line in told.splitlines()]
                    self.assertIn("a line \u001b[31m",
                                  [e.get("human") for e in events])
                    self.assertIn("end", [e["type"] for e in events])

    def test_the_console_has_the_layout_and_voice_it_is_asked_for(self):
        config = self.path("console.json", json.dumps({"console": {
            "form": "brackets", "voice": "story", "level": "info",
            "fields": True, "progress": True}}))
        for args, want in [
                (["--console=brackets", "--voice=cute"],
                 r"^\[spin      \] spin           : round and round"),
                (["--console", "logfmt"],
                 r"^time=\S+ type=narration job_id=\S+ seq=\d+ level=info "
                 r'actor=spin action=spin human="spinning until'),
                (["--console=message", "--voice=story"],
                 r'^"I shall spin", said'),
                (["--console=block"],
                 r"^\w+ +spin +\nspinning until"),
                (["--config", config], r'spin           : "I shall'),
                (["--config", config, "--voice=human", "--console=text"],
                 r"Z info  \.\.\.\w{6} spin spin: spinning until")]:
            with self.subTest(" ".join(args)):
                daemon = self.start("--demo", *args)
                daemon.until(daemon.submit("spin"), "running")
                daemon.until(daemon.submit("progress", total=2),
                             "completed")
                self.assertEqual(0, daemon.stop())
                told = daemon.told()
                self.assertRegex(told, re.compile(want, re.M))
                self.assertEqual("--config" in args,
                                 "2 of 2" in told, told)

    def test_the_console_s_level_is_the_config_s(self):
        config = self.path("mute.json", '{ "console": { "level": "warn" } }')
        daemon = self.start("--demo", "--config", config)
        daemon.until(daemon.submit("fail", message="no"), "failed")
        self.assertEqual(0, daemon.stop())
        self.assertNotIn("info", daemon.told())

    def lines_of(self, path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertTrue(text == "" or text.endswith("\n"))
        return [json.loads(line) for line in text.splitlines()]

    def test_a_log_file_has_one_object_a_line(self):
        path = self.path("jobs.log", "{}\n")
        config = self.path("log.json", json.dumps(
            {"log_file": {"path": "not/this/one", "progress": True}}))
        daemon = self.start("--demo", "--console=none", "--config", config,
                            "--log-file", path)
        daemon.until(daemon.submit("echo", lines=["a\nb \u001b"]), "completed")
        daemon.until(daemon.submit("progress", total=2), "completed")
        self.assertEqual(0, daemon.stop())
        events = self.lines_of(path)[1:]
        self.assertIn("a\nb \u001b", [e.get("human") for e in events])
        self.assertEqual({"state", "narration", "progress", "end"},
                         {e["type"] for e in events})
        self.assertEqual("", daemon.told())

    def test_sighup_opens_the_log_file_again(self):
        path = self.path("hup.log", "")
        daemon = self.start("--demo", "--log-file=" + path)
        daemon.until(daemon.submit("echo", lines=["first"]), "completed")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:  # another thread writes it
            with open(path, encoding="utf-8") as file:
                if "first" in file.read():
                    break
            time.sleep(0.01)
        os.rename(path, path + ".old")
        daemon.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while not os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.01)
        daemon.until(daemon.submit("echo", lines=["second"]), "completed")
        self.assertEqual(0, daemon.stop())
        self.assertIn("first",
                      [e.get("human") for e in self.lines_of(path + ".old")])
        told = [e.get("human") for e in self.lines_of(path)]
        self.assertIn("second", told)
        self.assertNotIn("first", told)

    def test_a_log_file_is_moved_away_by_size(self):
        path = self.path("size.log", "")
        config = self.path("size.json", json.dumps({"log_file": {
            "path": path, "max_bytes": 2000, "keep": 2, "level": "info"}}))
        daemon = self.start("--demo", "--config", config)
        daemon.until(daemon.submit("flood", n=100, size=100), "completed")
        self.assertEqual(0, daemon.stop())
        for name in path, path + ".1", path + ".2":
            self.assertLessEqual(len(self.lines_of(name)), 20)
            self.assertLessEqual(os.path.getsize(name), 2000)
        self.assertFalse(os.path.exists(path + ".3"))

    def test_a_full_log_file_is_told_once_and_stops_no_job(self):
        daemon = self.start("--demo", "--console=none",
                            "--log-file=/dev/full")
        daemon.until(daemon.submit("echo", lines=["a"]), "completed")
        deadline = time.monotonic() + PATIENCE
        while not daemon.told() and time.monotonic() < deadline:
            time.sleep(0.01)
        daemon.until(daemon.submit("echo", lines=["b"]), "completed")
        self.assertEqual(0, daemon.stop())
        self.assertEqual("jobsrvd: /dev/full: no space left on device; "
                         "trying on\n", daemon.told())

    def test_a_log_file_that_cannot_be_opened_is_told(self):
        for path, what in ((self.folder, "directory"),
                           (self.folder + "/no/log", "no such file")):
            done = subprocess.run(
                [JOBSRVD, "--listen", "127.0.0.1:0", "--log-file", path],
                capture_output=True, timeout=PATIENCE, check=False)
            self.assertEqual(1, done.returncode)
            self.assertIn("cannot log to " + path, done.stderr.decode())
            self.assertIn(what, done.stderr.decode())

    def test_syslog_and_the_journal_get_what_is_said(self):
        paths = [os.path.join(self.folder, name)
                 for name in ("syslog.sock", "journal.sock")]
        sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                   for _ in paths]
        for end, path in zip(sockets, paths):
            end.bind(path)
            end.settimeout(PATIENCE)
            self.addCleanup(end.close)
        config = self.path("daemons.json", json.dumps({
            "syslog": {"path": paths[0], "facility": "user",
                       "app_name": "app", "sd_id": "mine@1",
                       "max_message": 4000, "level": "info"},
            "journal": {"path": paths[1], "identifier": "me",
                        "level": "info"}}))
        daemon = self.start("--demo", "--config", config, "--syslog=local3",
                            "--journal")
        job = daemon.submit("echo", lines=["x" * 5000])
        daemon.until(job, "completed")
        self.assertEqual(0, daemon.stop())

        def until(end, part):
            while True:
                message = end.recv(65536)
                if part in message:
                    return message

        said = until(sockets[0], b'action="echo"')
        self.assertLessEqual(len(said), 4000)
        self.assertTrue(said.startswith(b"<158>1 "), said)
        self.assertIn(b" app ", said)
        self.assertIn(b"[mine@1 ", said)
        self.assertIn(job.encode(), said)
        said = until(sockets[1], b"JOBSRV_ACTION=echo\n")
        self.assertIn(b"SYSLOG_IDENTIFIER=me\n", said)
        self.assertIn(b"MESSAGE=" + b"x" * 5000 + b"\n", said)
        self.assertIn(b"JOBSRV_JOB_ID=" + job.encode() + b"\n", said)

    def test_mistakes_of_the_log_options_are_told(self):
        for args, what in (
                (["--syslog=kern"], "--syslog=kern: expected user, mail"),
                (["--syslog", "local0"], 'unexpected argument "local0"'),
                (["--journal=x"], "--journal takes no value"),
                (["--log-file="], "--log-file: expected a path")):
            done = subprocess.run([JOBSRVD] + args, capture_output=True,
                                  timeout=PATIENCE, check=False)
            self.assertEqual(2, done.returncode)
            self.assertIn(what, done.stderr.decode())

    def colours(self, **environment):
        """Whether a daemon whose standard error is a terminal uses them."""
        master, slave = os.openpty()
        env = {name: value for name, value in os.environ.items()
               if name not in ("NO_COLOR", "TERM", "CLICOLOR_FORCE")}
        env.update(environment)
        process = subprocess.Popen(
            [JOBSRVD, "--demo", "--listen", "127.0.0.1:0"], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        self.addCleanup(process.kill)
        port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
        client = http.client.HTTPConnection("127.0.0.1", port,
                                            timeout=PATIENCE)
        client.request("POST", "/v1/jobs", '{"operation":"echo","lines":["a"]}',
                       {"Content-Type": "application/json"})
        status = client.getresponse().status
        client.close()
        process.terminate()
        self.assertEqual(202, status)
        told = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end has gone
                part = b""
            if not part:
                break
            told += part
        os.close(master)
        self.assertEqual(0, process.wait(PATIENCE))
        process.stdout.close()
        self.assertIn(b"echo", told)
        return b"\x1b[" in told

    def test_colour_follows_the_terminal_and_its_user(self):
        self.assertTrue(self.colours())
        self.assertTrue(self.colours(TERM="xterm", NO_COLOR=""))
        self.assertFalse(self.colours(NO_COLOR="0"))
        self.assertFalse(self.colours(NO_COLOR="1", CLICOLOR_FORCE="1"))
        self.assertFalse(self.colours(TERM="dumb"))
        self.assertFalse(self.colours(TERM="dumb", CLICOLOR_FORCE="1"))

    def test_signals_drain(self):
        for number in signal.SIGTERM, signal.SIGINT:
            with self.subTest(number):
                daemon = self.start("--demo", "--log=none")
                job = daemon.submit("sleep", ms=60000)
                client = daemon.connect()
                client.request("GET", "/v1/jobs/%s/stream" % job)
                answer = client.getresponse()
                started = time.monotonic()
                self.assertEqual(0, daemon.stop(number))
                self.assertLess(time.monotonic() - started, 10)
                frames = frames_of(answer.read().decode())
                client.close()
                self.assertEqual("[CANCELLED]", frames[-1][2])
                self.assertEqual("shutdown", json.loads(frames[-2][2])
                                 ["cancel_reason"]["code"])

    def test_a_drain_lets_go_of_what_is_stuck_in_ten_seconds(self):
        daemon = self.start("--demo", "--log=none", "--limit",
                            "grace_ms=60000")
        for _ in range(3):
            daemon.until(daemon.submit("stuck"), "running")
        started = time.monotonic()
        self.assertEqual(0, daemon.stop())
        self.assertLess(time.monotonic() - started, 10)

    def test_a_drain_waits_for_what_is_to_finish(self):
        config = self.path("c.json", json.dumps(CONFIG))
        daemon = self.start("--config", config, "--log=json")
        job = daemon.submit("kept")
        daemon.until(job, "running")
        self.assertEqual(0, daemon.stop())
        ends = [json.loads(line) for line in daemon.told().splitlines()]
        ends = [event for event in ends if event["type"] == "end"]
        self.assertEqual(["completed"], [event["state"] for event in ends])

    def test_further_signals_hurry(self):
        config = self.path("c.json", json.dumps(
            {"operations": {"kept": {"argv": ["/bin/sleep", "60"],
                                     "on_drain": "finish"}}}))
        daemon = self.start("--demo", "--config", config, "--log=none",
                            "--limit", "grace_ms=60000")
        daemon.until(daemon.submit("kept"), "running")
        daemon.until(daemon.submit("stuck"), "running")
        started = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:  # the drain has begun when no new work is taken
                if daemon.call("GET", "/ready")[0] == 503:
                    break
            except OSError:
                break
        daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(0, daemon.process.wait(PATIENCE))
        self.assertLess(time.monotonic() - started, 5)

    def test_descriptors_are_raised_for_the_connections_asked_for(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for most, expected, told in [(min(hard, 4096), "1064", False),
                                     (300, "300", True)]:
            with self.subTest(most):
                daemon = self.start(
                    "--log=none", "--limit=max_connections=1000",
                    preexec_fn=lambda: resource.setrlimit(
                        resource.RLIMIT_NOFILE, (128, most)))
                self.assertIsNotNone(daemon.port)
                with open("/proc/%d/limits" % daemon.process.pid) as limits:
                    line = [line for line in limits if "open files" in line][0]
                self.assertEqual(expected, line.split()[3])
                self.assertEqual(0, daemon.stop())
                self.assertEqual(told, "needs 1064 descriptors; the hard "
                                 "limit is 300" in daemon.told())

    def test_it_runs_with_its_standard_descriptors_closed(self):
        path = self.path("socket")
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', JOBSRVD,
             "--demo", "--listen", "unix:" + path])
        try:
            deadline = time.monotonic() + PATIENCE
            client = Unix(path)
            while client.sock is None and time.monotonic() < deadline:
                try:
                    client.connect()
                except OSError:
                    client.close()
                    time.sleep(0.01)
            client.request("POST", "/v1/jobs", body=json.dumps(
                {"operation": "echo", "lines": ["x"] * 100}),
                headers={"Content-Type": "application/json"})
            self.assertEqual(202, client.getresponse().status)
            client.close()
            for fd in "012":
                self.assertEqual("/dev/null", os.readlink(
                    "/proc/%d/fd/%s" % (process.pid, fd)))
            process.terminate()
            self.assertEqual(0, process.wait(PATIENCE))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def test_the_shipped_config_does_what_it_says(self):
        os.mkdir(self.path("tree"))
        for i in range(50):
            self.path("tree/file %d" % i, "content %d\n" % i)
        daemon = self.start("--log=none", "--config", os.path.join(
            SOURCE_DIR, "lib", "jobsrvd", "checksum.json"))
        job = daemon.submit("checksum", path=self.path("tree"))
        lines = narration(daemon.stream(job), "stdout")
        expected = subprocess.run(
            ["sha256sum"] + [self.path("tree/file %d" % i) for i in range(50)],
            stdout=subprocess.PIPE, timeout=PATIENCE).stdout.decode()
        self.assertEqual(sorted(expected.splitlines()), sorted(lines))
        body = daemon.refuse("checksum", path="relative")
        self.assertEqual("/path", body["pointer"])
        job = daemon.submit("wait")
        daemon.until(job, "running")
        daemon.call("DELETE", "/v1/jobs/" + job)
        daemon.until(job, "cancelled")
        self.assertEqual(0, daemon.stop())


if __name__ == "__main__":
    unittest.main(verbosity=1)
