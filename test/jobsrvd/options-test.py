# SPDX-License-Identifier: MIT
"""What jobsrvd can be told: that nothing is left out which the library can be
told, that --help and the man page say so, and that each has its effect."""

import json
import os
import re
import unittest

from daemon import SOURCE_DIR, Case, helped, limits

MAN = os.path.join(SOURCE_DIR, "lib", "jobsrvd", "jobsrvd.8")

# Of the structs, what is not for whoever runs a daemon.
NOT_OPTIONS = {"size", "alloc", "clock", "data", "zoneinfo", "random",
               "random_data"}
# What has an option of another name.
OTHER_NAMES = {"allow_hosts": "--allow-host",
               "allow_origins": "--allow-origin",
               "trust_proxies": "--trust-proxy",
               "bearer_token": "--token-file",
               "metrics_token": "--metrics-token-file"}


def fields_of(header, struct):
    """{name: (type, comment)} of an options struct."""
    path = os.path.join(SOURCE_DIR, "include", "jobsrv", header)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = re.search(r"typedef struct %s \{(.*?)\n\} " % struct, text,
                     re.S).group(1)
    found = {}
    for match in re.finditer(
            r"^  ([\w ]+?[ *]+(?:const \*)?)(\w+);\s*(?:/\*(.*?)\*/)?", text,
            re.M | re.S):
        comment = re.sub(r"\s+", " ", match.group(3) or "").strip()
        found[match.group(2)] = (match.group(1).strip(), comment)
    return found


def number(text):
    """What "0: 8 KiB; past it" says, as the number or word that it is."""
    words = re.match(r"0: ([^;]*?)(?:;|$)", text).group(1)
    digits = re.match(r"([\d,]*\d)(?: (KiB|MiB))?(?![\d/])", words)
    if digits:
        value = int(digits.group(1).replace(",", ""))
        return str(value << {None: 0, "KiB": 10, "MiB": 20}[digits.group(2)])
    if re.match(r"no(ne|)\b", words):
        return "none"
    return re.sub(r"^only ", "", re.match(r"[^,.]*", words).group(0))


def manual():
    with open(MAN, encoding="utf-8") as file:
        return file.read().replace("\\-", "-")


class Complete(unittest.TestCase):
    def setUp(self):
        self.fields = {**fields_of("loop.h", "jobsrv_options_s"),
                       **fields_of("sse.h", "jobsrv_sse_options_s")}

    def test_every_setting_of_the_library_is_an_option(self):
        self.assertGreater(len(self.fields), 60)
        known, text = limits(), helped()
        for name, (kind, _) in self.fields.items():
            with self.subTest(name):
                if name in NOT_OPTIONS:
                    continue
                if kind.startswith("uint"):
                    self.assertIn(name, known)
                    continue
                option = OTHER_NAMES.get(name, "--" + name.replace("_", "-"))
                self.assertRegex(text, r"(?m)^  %s\b" % option)
        self.assertLessEqual(set(known), set(self.fields))

    def test_the_defaults_told_are_those_of_the_headers(self):
        for name, told in limits().items():
            with self.subTest(name):
                self.assertEqual(number(self.fields[name][1]), told)

    def test_the_man_page_has_them_too(self):
        text = manual()
        for name, told in limits().items():
            with self.subTest(name):
                self.assertIn('\n.BR %s " (%s)"\n' % (name, told), text)
        for option in re.findall(r"(?m)^  (--[\w-]+)", helped()):
            with self.subTest(option):
                self.assertRegex(text, r"(?m)^\.\w+ .*%s\b" % option)

    def test_the_man_page_has_no_limit_that_is_not_there(self):
        section = manual().split(".SH LIMITS")[1].split(".SH")[0]
        self.assertEqual(sorted(limits()),
                         sorted(re.findall(r'(?m)^\.BR (\w+) "', section)))


class Effects(Case):
    """Each from the command line and from the config file."""

    def both(self, args, config):
        path = self.path("c.json", json.dumps(config))
        for given in args, ["--config", path]:
            daemon = self.start("--demo", "--log=none", *given)
            yield daemon
            self.assertEqual(0, daemon.stop(), daemon.told())

    def headers(self, daemon, method, path, **headers):
        client = daemon.connect()
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        answer.read()
        client.close()
        return answer

    def test_prefix(self):
        for daemon in self.both(["--prefix", "/a/b"], {"prefix": "/a/b"}):
            self.assertEqual(200, daemon.call("GET", "/a/b/jobs")[0])
            self.assertEqual(404, daemon.call("GET", "/v1/jobs")[0])
            self.assertEqual(200, daemon.call("GET", "/health")[0])

    def test_cors_credentials(self):
        origin = "https://app.example"
        name = "Access-Control-Allow-Credentials"
        for daemon in self.both(
                ["--allow-origin", origin, "--cors-credentials"],
                {"allow_origins": [origin], "cors_credentials": True}):
            self.assertEqual("true", self.headers(
                daemon, "GET", "/v1/jobs", Origin=origin).getheader(name))
        for daemon in self.both(
                ["--allow-origin", origin],
                {"allow_origins": [origin], "cors_credentials": False}):
            self.assertIsNone(self.headers(
                daemon, "GET", "/v1/jobs", Origin=origin).getheader(name))

    def test_level(self):
        for daemon in self.both(["--level=warn"], {"level": "warn"}):
            job = daemon.submit("echo", lines=["a line"])
            daemon.until(job, "completed")
            self.assertFalse([d for _, _, d in daemon.stream(job)
                              if "a line" in d])

    def test_lag(self):
        # A reader that is far behind: with "break" its stream just ends.
        for policy in "gap", "break":
            for daemon in self.both(
                    ["--lag", policy, "--limit", "send_buffer=4096",
                     "--limit", "max_bytes_per_job=4096"],
                    {"lag": policy, "limits": {"send_buffer": 4096,
                                               "max_bytes_per_job": 4096}}):
                text = self.far_behind(daemon)
                self.assertEqual(policy == "gap",
                                 "event: gap" in text, text[-300:])
                self.assertEqual(policy == "gap",
                                 "[DONE]" in text, text[-300:])

    def far_behind(self, daemon):
        job = daemon.submit("flood", n=2000, size=16384,
                            options={"start": "on_stream"})
        client = daemon.connect()
        client.request("GET", "/v1/jobs/%s/stream" % job)
        answer = client.getresponse()
        daemon.until(job, "completed")
        text = answer.read().decode()
        client.close()
        return text

    def test_fanout_loops(self):
        def threads(daemon):
            return len(os.listdir("/proc/%d/task" % daemon.process.pid))

        # a sanitizer may have a thread of its own as soon as there is a second
        with_one = [threads(d) for d in self.both(
            ["--limit", "fanout_loops=1"], {"limits": {"fanout_loops": 1}})]
        for daemon in self.both(["--limit", "fanout_loops=3"],
                                {"limits": {"fanout_loops": 3}}):
            self.assertEqual(with_one[0] + 2, threads(daemon))
            job = daemon.submit("echo", lines=["a line"])
            self.assertTrue([d for _, _, d in daemon.stream(job)
                             if "a line" in d])

    def test_metrics(self):
        for daemon in self.both(["--metrics"], {"metrics": True}):
            self.assertEqual(200, self.headers(daemon, "GET",
                                               "/metrics").status)
        for daemon in self.both([], {"metrics": False}):
            self.assertEqual(404, self.headers(daemon, "GET",
                                               "/metrics").status)

    def test_all_events(self):
        for daemon in self.both(["--all-events"], {"all_events": True}):
            self.assertEqual(200, self.headers(daemon, "HEAD",
                                               "/v1/events").status)
        for daemon in self.both([], {"all_events": False}):
            self.assertEqual(404, self.headers(daemon, "HEAD",
                                               "/v1/events").status)

    def test_gzip(self):
        given = {"Accept-Encoding": "gzip"}
        for daemon in self.both(["--gzip"], {"gzip": True}):
            if daemon.port is None:
                self.assertIn("was built with zlib", daemon.told())
                self.skipTest("built without zlib")
            job = daemon.submit("echo", lines=[])
            answer = self.headers(daemon, "GET", "/v1/jobs/%s/stream" % job,
                                  **given)
            self.assertEqual("gzip", answer.getheader("Content-Encoding"))
        for daemon in self.both([], {"gzip": False}):
            job = daemon.submit("echo", lines=[])
            answer = self.headers(daemon, "GET", "/v1/jobs/%s/stream" % job,
                                  **given)
            self.assertIsNone(answer.getheader("Content-Encoding"))

    def test_tokens(self):
        token = self.path("token", "s3cret")
        other = self.path("other", "scr4pe")
        for daemon in self.both(
                ["--token-file", token, "--metrics-token-file", other],
                {"token_file": token, "metrics_token_file": other}):
            for path, bearer, status in [
                    ("/v1/jobs", None, 401), ("/v1/jobs", "scr4pe", 401),
                    ("/v1/jobs", "s3cret", 200), ("/metrics", "scr4pe", 200),
                    ("/metrics", "s3cret", 200), ("/metrics", None, 401)]:
                given = ({"Authorization": "Bearer " + bearer}
                         if bearer else {})
                self.assertEqual(status, self.headers(
                    daemon, "GET", path, **given).status, (path, bearer))

    def test_the_command_line_counts_before_the_file(self):
        token = self.path("token", "s3cret")
        config = self.path("c.json", json.dumps(
            {"prefix": "/file", "token_file": "/not/there"}))
        daemon = self.start("--log=none", "--config", config,
                            "--prefix=/line", "--token-file", token)
        self.assertEqual(401, self.headers(daemon, "GET", "/line/jobs").status)
        self.assertEqual(0, daemon.stop())

    # ---- behind a proxy ----

    def clients(self, daemon, *headers):
        """What access records say of the clients of these requests."""
        for given in headers:
            self.assertEqual(200, self.headers(daemon, "GET", "/v1/jobs",
                                               **given).status)
        self.assertEqual(0, daemon.stop())
        records = [json.loads(line) for line in daemon.told().splitlines()]
        records = [r["fields"] for r in records if r.get("action") == "access"]
        self.assertEqual(len(headers), len(records))
        for record in records:
            self.assertTrue(record["peer"].startswith("127.0.0.1:"))
        return [record.get("client") for record in records]

    FORWARDED = ({"X-Forwarded-For": "203.0.113.9, 198.51.100.7"},
                 {"Forwarded": "for=\"[2001:db8::7]:80\""}, {})

    def behind(self, args, config):
        path = self.path("c.json", json.dumps(config))
        for given in args, ["--config", path]:
            daemon = self.start("--log=json", *given)
            yield self.clients(daemon, *self.FORWARDED)

    def test_proxies_are_believed_when_they_are_named(self):
        for got in self.behind(["--trust-proxy", "127.0.0.0/8"],
                               {"trust_proxies": ["127.0.0.0/8"]}):
            self.assertEqual(["198.51.100.7", None, None], got)
        for got in self.behind(
                ["--trust-proxy=10.0.0.1", "--trust-proxy=127.0.0.1",
                 "--proxy-header=forwarded"],
                {"trust_proxies": ["10.0.0.1", "127.0.0.1"],
                 "proxy_header": "forwarded"}):
            self.assertEqual([None, "2001:db8::7", None], got)
        for got in self.behind([], {"trust_proxies": ["10.0.0.0/8"]}):
            self.assertEqual([None, None, None], got)


if __name__ == "__main__":
    unittest.main(verbosity=0)
