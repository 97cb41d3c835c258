# SPDX-License-Identifier: MIT
"""What a config file says about how the jobs of an operation run."""

import importlib.util
import json
import os
import time
import unittest

spec = importlib.util.spec_from_file_location(
    "daemon_test",
    os.path.join(os.path.dirname(os.path.abspath(__file__)),
                 "daemon-test.py"))
daemon_test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(daemon_test)

SLEEP = ["/bin/sleep", "60"]

CONFIG = {
    "limits": {"max_running": 8, "max_retained_failed": 1000},
    "operations": {
        "again": {"argv": ["/bin/false"],
                  "retry": {"max_attempts": 3, "backoff_ms": 1, "factor": 1,
                            "max_backoff_ms": 1, "jitter": "none"}},
        "slow": {"argv": ["/bin/false"],
                 "retry": {"max_attempts": 2, "backoff_ms": 60000,
                           "jitter": "none"}},
        "capped": {"argv": ["/bin/false"],
                   "retry": {"max_attempts": 2, "backoff_ms": 60000,
                             "max_backoff_ms": 1}},
        "silent": {"argv": SLEEP, "silence_ms": 50},
        "late": {"argv": SLEEP, "max_running": 1, "queue_ms": 50},
        "heavy": {"argv": SLEEP, "max_running": 3, "weight": 2},
        "ours": {"argv": SLEEP, "group": "g"},
        "theirs": {"argv": SLEEP, "group": "g"},
        "rated": {"argv": ["/bin/true"],
                  "rate": {"count": 1, "per_ms": 60000}},
        "broken": {"argv": ["/bin/false"],
                   "breaker": {"failures": 1, "open_ms": 60000}},
        "brief": {"argv": ["/bin/false"], "retain_failed_ms": 1},
        "brief-cancel": {"argv": SLEEP, "retain_cancelled_ms": 1},
        "kept": {"argv": ["/bin/true"], "retain_failed_ms": 1,
                 "retain_cancelled_ms": 1},
        "stays": {"argv": SLEEP, "cancellable": False, "timeout_ms": 2000,
                  "grace_ms": 100},
        "watched": {"argv": SLEEP, "on_last_watcher": "cancel"},
        "graced": {"argv": SLEEP, "on_last_watcher": "cancel",
                   "last_watcher_grace_ms": 60000},
        "low": {"argv": SLEEP, "priority": "low", "group": "p"},
        "high": {"argv": SLEEP, "priority": "high", "group": "p"},
    },
}


class Policies(daemon_test.WithDaemon):
    @classmethod
    def arguments(cls):
        path = os.path.join(cls.folder, "config.json")
        with open(path, "w") as file:
            json.dump(CONFIG, file)
        return ("--config", path, "--log", "none")

    def setUp(self):
        self.made = []

    def tearDown(self):
        for job in self.made:
            self.daemon.call("DELETE", "/v1/jobs/" + job)

    def submit(self, operation):
        self.made.append(self.daemon.submit(operation))
        return self.made[-1]

    def state(self, job):
        return self.daemon.record(job)["state"]

    def failed(self, job):
        record = self.daemon.until(job, "failed")
        return record["error"]["code"], record["attempt"]

    def gone(self, job):
        deadline = time.monotonic() + daemon_test.PATIENCE
        while time.monotonic() < deadline:
            if self.daemon.call("GET", "/v1/jobs/" + job)[0] == 410:
                return True
            time.sleep(0.01)
        return False

    def test_a_failed_attempt_is_followed_by_others(self):
        self.assertEqual(3, self.failed(self.submit("again"))[1])
        self.assertEqual(2, self.failed(self.submit("capped"))[1])

    def test_but_not_before_its_delay(self):
        self.daemon.until(self.submit("slow"), "retrying")

    def test_one_that_says_nothing_has_failed(self):
        self.assertEqual("silence", self.failed(self.submit("silent"))[0])

    def test_one_that_waits_too_long_has_failed(self):
        self.daemon.until(self.submit("late"), "running")
        self.assertEqual("queue_timeout",
                         self.failed(self.submit("late"))[0])

    def test_weights_count_against_the_cap(self):
        self.daemon.until(self.submit("heavy"), "running")
        second = self.submit("heavy")
        time.sleep(0.05)
        self.assertEqual("queued", self.state(second))

    def test_one_of_a_group_runs_at_a_time(self):
        self.daemon.until(self.submit("ours"), "running")
        second = self.submit("theirs")
        time.sleep(0.05)
        self.assertEqual("queued", self.state(second))

    def test_the_higher_priority_goes_first(self):
        busy = self.submit("low")
        self.daemon.until(busy, "running")
        low, high = self.submit("low"), self.submit("high")
        self.daemon.call("DELETE", "/v1/jobs/" + busy)
        self.daemon.until(high, "running")
        self.assertEqual("queued", self.state(low))

    def test_starts_have_a_rate(self):
        self.daemon.until(self.submit("rated"), "completed")
        second = self.submit("rated")
        time.sleep(0.05)
        self.assertEqual("queued", self.state(second))

    def test_a_breaker_opens(self):
        self.assertEqual("exit_status", self.failed(self.submit("broken"))[0])
        self.assertEqual("circuit_open",
                         self.failed(self.submit("broken"))[0])

    def test_each_outcome_is_kept_for_its_time(self):
        self.assertTrue(self.gone(self.submit("brief")))
        job = self.submit("brief-cancel")
        self.daemon.call("DELETE", "/v1/jobs/" + job)
        self.assertTrue(self.gone(job))
        job = self.submit("kept")
        self.daemon.until(job, "completed")
        time.sleep(0.05)
        self.assertEqual("completed", self.state(job))

    def test_a_cancel_may_be_refused(self):
        job = self.submit("stays")
        self.daemon.until(job, "running")
        status, body = self.daemon.call("DELETE", "/v1/jobs/" + job)
        self.assertEqual((409, "not_cancellable"), (status, body["code"]))
        self.daemon.until(job, "failed")

    def watch_once(self, operation):
        job = self.submit(operation)
        client = self.daemon.connect()
        client.request("GET", "/v1/jobs/%s/stream" % job)
        client.getresponse().close()
        client.close()
        return job

    def test_the_last_watcher_takes_it_along(self):
        self.daemon.until(self.watch_once("watched"), "cancelled")

    def test_but_not_before_its_grace(self):
        job = self.watch_once("graced")
        time.sleep(0.1)
        self.assertEqual("running", self.state(job))


if __name__ == "__main__":
    unittest.main(verbosity=1)
