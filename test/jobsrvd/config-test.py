# SPDX-License-Identifier: MIT
"""Mistakes in the config file and on the command line: each is told with its
place and what was expected, and the daemon does not start."""

import os
import subprocess
import tempfile
import unittest

JOBSRVD = os.environ["JOBSRVD"]


def run(args, folder, **more):
    return subprocess.run([JOBSRVD] + args, cwd=folder, timeout=20,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **more)


def operation(inside):
    """A config with one operation; @ in the text is where the mistake is."""
    return '{\n  "operations": {\n    "run": {\n%s\n    }\n  }\n}\n' % inside


def member(inside):
    return operation('      "argv": ["echo", "${m}"],\n'
                     '      "members": { "m": %s }' % inside)


# (name, config with @ at the expected place, expected message)
MISTAKES = [
    # syntax
    ("nothing", "@", None),
    ("not JSON", "@nonsense", None),
    ("no comma", '{\n  "listen": []\n  @"limits": {}\n}', None),
    ("no closing brace", '{\n  "listen": []\n@', None),
    ("comma too many", '{ "listen": [], @}', None),
    ("single quotes", "{ @'listen': [] }", None),
    ("a comment", "{ @// why\n}", None),
    ("two values", "{} @{}", None),
    ("duplicate name", '{ "limits": {}, @"limits": {} }', None),
    ("bad escape", '{ "listen": ["a@\\q"] }', None),
    ("lone surrogate", '{ "listen": ["@\\ud800"] }', None),
    # the top
    ("an array", "@[]", "expected an object, not an array"),
    ("a string", '@"x"', "expected an object, not a string"),
    ("unknown member", '{\n  "operation": @{}\n}',
     'unknown member "operation": expected one of listen, limits, '
     "allow_hosts, allow_origins, operations, console, log_file, syslog, "
     "journal, socket_mode, socket_owner, trust_proxies, level, prefix, "
     "token_file, metrics, metrics_token_file, lag, all_events, "
     "gzip, cors_credentials, proxy_header"),
    # what is one word
    ("level unknown", '{ "level": @"loud" }',
     "expected trace, debug, info, warn, error, fatal or mute"),
    ("level a number", '{ "level": @3 }',
     "expected a string, not an integer"),
    ("prefix without a slash", '{ "prefix": @"v1" }',
     "expected a path such as /v1, without a slash at its end"),
    ("prefix with a slash at its end", '{ "prefix": @"/v1/" }',
     "expected a path such as /v1, without a slash at its end"),
    ("prefix of a blank", '{ "prefix": @"/v 1" }',
     "expected a path such as /v1, without a slash at its end"),
    ("prefix too long", '{ "prefix": @"/%s" }' % ("v" * 128),
     "expected a path such as /v1, without a slash at its end"),
    ("token_file empty", '{ "token_file": @"" }',
     "expected the path of a file"),
    ("metrics a string", '{ "metrics": @"on" }',
     "expected true or false, not a string"),
    ("lag unknown", '{ "lag": @"drop" }', "expected gap or break"),
    ("cors_credentials a number", '{ "cors_credentials": @1 }',
     "expected true or false, not an integer"),
    ("proxy_header unknown", '{ "proxy_header": @"x-real-ip" }',
     "expected x-forwarded-for or forwarded"),
    ("trust_proxies a string", '{ "trust_proxies": @"10.0.0.1" }',
     "expected an array of strings, not a string"),
    ("trust_proxies with a name", '{ "trust_proxies": ["unix", @"proxy"] }',
     "expected 10.0.0.1, 10.0.0.0/8, 2001:db8::/32 or unix"),
    # socket files
    ("socket_mode a number", '{ "socket_mode": @432 }',
     "expected a string, not an integer"),
    ("socket_mode of letters", '{ "socket_mode": @"rw-rw----" }',
     "expected a mode such as 0660"),
    ("socket_mode too large", '{ "socket_mode": @"1666" }',
     "expected a mode such as 0660"),
    ("socket_mode of nobody", '{ "socket_mode": @"0000" }',
     "expected a mode such as 0660"),
    ("socket_owner unknown", '{ "socket_owner": @"no-such-user" }',
     "expected USER, USER:GROUP or :GROUP that are known here"),
    ("socket_owner empty", '{ "socket_owner": @"" }',
     "expected USER, USER:GROUP or :GROUP that are known here"),
    ("socket_owner without a group", '{ "socket_owner": @"0:" }',
     "expected USER, USER:GROUP or :GROUP that are known here"),
    # files and daemons
    ("log_file a string", '{ "log_file": @"x" }',
     "expected an object, not a string"),
    ("log_file without a path", '{ "log_file": @{ "keep": 3 } }',
     'expected a member "path"'),
    ("log_file with an empty path", '{ "log_file": { "path": @"" } }',
     "expected a text"),
    ("unknown member of log_file", '{ "log_file": { "mode": @7 } }',
     'unknown member "mode": expected one of path, max_bytes, keep, level, '
     "progress"),
    ("log_file that keeps nothing",
     '{ "log_file": { "path": "x", "keep": @0 } }', None),
    ("log_file of no bytes",
     '{ "log_file": { "path": "x", "max_bytes": @0 } }', None),
    ("log_file with an unknown level",
     '{ "log_file": { "path": "x", "level": @"loud" } }',
     "expected trace, debug, info, warn, error, fatal or mute"),
    ("syslog not an object", '{ "syslog": @true }',
     "expected an object, not true"),
    ("syslog with an unknown facility",
     '{ "syslog": { "facility": @"kern" } }',
     "expected user, mail, daemon, auth, syslog, lpr, news, uucp, cron, "
     "authpriv, ftp or local0 to local7"),
    ("syslog with short messages", '{ "syslog": { "max_message": @479 } }',
     None),
    ("journal with a number", '{ "journal": { "path": @1 } }',
     "expected a string, not an integer"),
    ("unknown member of the journal", '{ "journal": { "name": @"x" } }',
     'unknown member "name": expected one of path, identifier, level'),
    # console
    ("console not an object", '{ "console": @"text" }',
     "expected an object, not a string"),
    ("unknown member of the console", '{ "console": { "colour": @true } }',
     'unknown member "colour": expected one of form, voice, level, fields, '
     "progress"),
    ("unknown form", '{ "console": {\n "form": @"loud" } }',
     "expected text, json, brackets, block, logfmt, message or none"),
    ("form a number", '{ "console": { "form": @1 } }',
     "expected a string, not an integer"),
    ("unknown voice", '{ "console": { "voice": @"sad" } }',
     "expected human, cute or story"),
    ("unknown level", '{ "console": { "level": @"loud" } }',
     "expected trace, debug, info, warn, error, fatal or mute"),
    ("fields a number", '{ "console": { "fields": @1 } }',
     "expected true or false, not an integer"),
    ("progress a string", '{ "console": { "progress": @"yes" } }',
     "expected true or false, not a string"),
    ("listen not an array", '{ "listen": @"127.0.0.1:0" }',
     "expected an array of strings, not a string"),
    ("listen not a string", '{ "listen": ["127.0.0.1:0", @7070] }',
     "expected a string, not an integer"),
    ("listen without a port", '{ "listen": [@"127.0.0.1"] }',
     "expected 127.0.0.1:7070, [::1]:7070, unix:PATH or fd:N"),
    ("listen with a big port", '{ "listen": [@"127.0.0.1:65536"] }',
     "expected 127.0.0.1:7070, [::1]:7070, unix:PATH or fd:N"),
    ("host with a port", '{ "allow_hosts": ["a", @"b:80"] }',
     "expected the name of a host, without scheme and port"),
    ("origin wildcard", '{ "allow_origins": [@"*"] }',
     "expected an origin such as https://example.org"),
    # limits
    ("limits not an object", '{ "limits": @[] }',
     "expected an object of numbers, not an array"),
    ("unknown limit", '{ "limits": {\n "max_jobs": 5,\n "max_job": @5 } }',
     'there is no limit "max_job": jobsrvd --help names all'),
    ("limit not a number", '{ "limits": { "max_jobs": @"5" } }',
     "expected a whole number from 1 to 4294967295"),
    ("limit too small", '{ "limits": { "retry_ms": @999 } }',
     "expected a whole number from 1000 to 60000"),
    ("limit too large", '{ "limits": { "max_event_bytes": @8388609 } }',
     "expected a whole number from 1024 to 8388608"),
    ("negative limit", '{ "limits": { "max_running": @-1 } }',
     "expected a whole number from 0 to 4294967295"),
    ("fraction", '{ "limits": { "max_jobs": @1.5 } }',
     "expected a whole number from 1 to 4294967295"),
    # operations
    ("operations not an object", '{ "operations": @null }',
     "expected an object, not null"),
    ("operation not an object", '{ "operations": { "a": @true } }',
     "expected an object, not true"),
    ("bad operation name", '{ "operations": { "a b": @{ "argv": ["x"] } } }',
     "expected an operation's name of 1 to 64 letters, digits, '.', '_' "
     "and '-'"),
    ("unknown operation member",
     operation('      "argv": ["x"],\n      "shell": @true'),
     'unknown member "shell": expected one of argv, members, env, set_env, '
     "cwd, output, timeout_ms, deadline_ms, queue_ms, silence_ms, grace_ms, "
     "retain_ms, retain_failed_ms, retain_cancelled_ms, concurrency, "
     "max_running, weight, priority, group, rate, breaker, retry, on_drain, "
     "on_last_watcher, last_watcher_grace_ms, cancellable"),
    ("no argv", '{ "operations": { "a": @{} } }',
     'expected a member "argv"'),
    ("argv a string", operation('      "argv": @"ls -l"'),
     "expected an array of 1 to 1024 strings"),
    ("argv empty", operation('      "argv": @[]'),
     "expected an array of 1 to 1024 strings"),
    ("argument not a string", operation('      "argv": ["sleep", @5]'),
     "expected a string, not an integer"),
    ("no program", operation('      "argv": [@"", "x"]'),
     "expected the name of a program"),
    ("program by a value",
     operation('      "argv": [@"${m}"], "members": { "m": {} }'),
     'expected the name of a program without "${"'),
    ("U+0000 in an argument", operation('      "argv": ["x", @"a\\u0000b"]'),
     "expected a string without U+0000"),
    ("undeclared name",
     operation('      "argv": ["x",\n        @"--to=${to}"]'),
     '"${to}" is not declared in "members"'),
    ("open brace",
     operation('      "argv": ["x", @"${m"], "members": { "m": {} }'),
     "expected '}' after \"${\""),
    ("empty name", operation('      "argv": ["x", @"${}"]'),
     'expected a name in "${}"'),
    ("unused member",
     operation('      "argv": ["x"],\n      "members": { "m": @{} }'),
     'expected "${m}" somewhere in "argv"'),
    ("env not an array", operation('      "argv": ["x"], "env": @{}'),
     "expected an array of names, not an object"),
    ("env with a value", operation('      "argv": ["x"], "env": [@"A=b"]'),
     "expected the name of a variable"),
    ("env twice", operation('      "argv": ["x"], "env": ["PATH", @"PATH"]'),
     '"PATH" is listed twice'),
    ("env and set_env",
     operation('      "argv": ["x"], "env": [@"A"], "set_env": {"A": "b"}'),
     '"A" is in "set_env" too'),
    ("set_env not a string",
     operation('      "argv": ["x"], "set_env": { "A": @1 }'),
     "expected a string, not an integer"),
    ("set_env an array",
     operation('      "argv": ["x"], "set_env": @["A"]'),
     "expected an object of strings, not an array"),
    ("set_env with a bad name",
     operation('      "argv": ["x"], "set_env": { "A=B": @"c" }'),
     "expected the name of a variable"),
    ("cwd a number", operation('      "argv": ["x"], "cwd": @1'),
     "expected a string, not an integer"),
    ("group false", operation('      "argv": ["x"], "group": @false'),
     "expected a string, not false"),
    ("type a number", member('{ "type": @1 }'),
     "expected a string, not an integer"),
    ("pattern a number", member('{ "pattern": @1.5 }'),
     "expected a string, not a number"),
    ("relative cwd", operation('      "argv": ["x"], "cwd": @"tmp"'),
     "expected an absolute path"),
    ("unknown output", operation('      "argv": ["x"], "output": @"xml"'),
     'expected "auto", "plain", "json" or "bracket"'),
    ("output not a string", operation('      "argv": ["x"], "output": @1'),
     "expected a string, not an integer"),
    ("zero timeout", operation('      "argv": ["x"], "timeout_ms": @0'),
     "expected a whole number from 1 to 316224000000"),
    ("zero concurrency", operation('      "argv": ["x"], "concurrency": @0'),
     "expected a whole number from 1 to 4294967295"),
    *[("zero " + name, operation('      "argv": ["x"], "%s": @0' % name),
       "expected a whole number from 1 to " + most)
      for name, most in [
          ("deadline_ms", "316224000000"), ("queue_ms", "316224000000"),
          ("silence_ms", "316224000000"), ("grace_ms", "316224000000"),
          ("retain_ms", "316224000000"),
          ("retain_failed_ms", "316224000000"),
          ("retain_cancelled_ms", "316224000000"),
          ("last_watcher_grace_ms", "316224000000"),
          ("max_running", "4294967295"), ("weight", "4294967295")]],
    ("unknown policy", operation('      "argv": ["x"], "on_drain": @"wait"'),
     'expected "cancel", "finish" or "leave"'),
    ("concurrency twice",
     operation('      "argv": ["x"], "max_running": 2, "concurrency": @2'),
     '"max_running" says so already'),
    ("unknown priority", operation('      "argv": ["x"], "priority": @"top"'),
     'expected "low", "normal", "high" or "critical"'),
    ("priority a number", operation('      "argv": ["x"], "priority": @1'),
     "expected a string, not an integer"),
    ("unknown last watcher",
     operation('      "argv": ["x"], "on_last_watcher": @"stop"'),
     'expected "continue" or "cancel"'),
    ("cancellable a string",
     operation('      "argv": ["x"], "cancellable": @"no"'),
     "expected true or false, not a string"),
    ("empty group", operation('      "argv": ["x"], "group": @""'),
     "expected a name of 1 to 64 bytes"),
    ("long group",
     operation('      "argv": ["x"], "group": @"%s"' % ("g" * 65)),
     "expected a name of 1 to 64 bytes"),
    ("rate a number", operation('      "argv": ["x"], "rate": @5'),
     "expected an object, not an integer"),
    ("rate without a count",
     operation('      "argv": ["x"], "rate": @{ "per_ms": 5 }'),
     'expected a member "count"'),
    ("zero rate",
     operation('      "argv": ["x"], "rate": { "count": @0 }'),
     "expected a whole number from 1 to 4294967295"),
    ("unknown member of a rate",
     operation('      "argv": ["x"],\n "rate": { "count": 1, "per_s": @1 }'),
     'unknown member "per_s": expected one of count, per_ms'),
    ("breaker without failures",
     operation('      "argv": ["x"], "breaker": @{}'),
     'expected a member "failures"'),
    ("unknown member of a breaker",
     operation('      "argv": ["x"], "breaker": { "fail": @1 }'),
     'unknown member "fail": expected one of failures, trials, open_ms'),
    ("breaker open too long",
     operation('      "argv": ["x"],\n      "breaker":\n'
               '{ "failures": 1, "open_ms": @316224000001 }'),
     "expected a whole number from 1 to 316224000000"),
    ("unknown member of a retry",
     operation('      "argv": ["x"], "retry": { "attempts": @1 }'),
     'unknown member "attempts": expected one of max_attempts, factor, '
     "backoff_ms, max_backoff_ms, jitter"),
    ("too many attempts",
     operation('      "argv": ["x"], "retry": { "max_attempts": @10001 }'),
     "expected a whole number from 1 to 10000"),
    ("factor too large",
     operation('      "argv": ["x"], "retry": { "factor": @101 }'),
     "expected a whole number from 1 to 100"),
    ("unknown jitter",
     operation('      "argv": ["x"], "retry": { "jitter": @"some" }'),
     'expected "equal", "full" or "none"'),
    # members
    ("members an array", operation('      "argv": ["x"], "members": @[]'),
     "expected an object, not an array"),
    ("member a string", member('@"string"'),
     "expected an object, not a string"),
    ("member of the request",
     operation('      "argv": ["x"], "members": { "options": @{} }'),
     '"options" belongs to the request itself'),
    ("unknown type", member('{ "type": @"text" }'),
     'expected "string", "integer", "number" or "boolean"'),
    ("unknown rule", member('{ "regex": @"x" }'),
     'unknown member "regex": expected one of type, enum, min_length, '
     "max_length, minimum, maximum, pattern, default, dash"),
    ("bad pattern", member('{ "pattern": @"[a" }'), None),
    ("pattern of an integer",
     member('{ "type": "integer", "pattern": @"^1" }'),
     '"pattern" says nothing about the type integer'),
    ("minimum of a string", member('{ "minimum": @1 }'),
     '"minimum" says nothing about the type string'),
    ("minimum a string", member('{ "type": "integer", "minimum": @"1" }'),
     "expected an integer, not a string"),
    ("maximum below minimum",
     member('{ "type": "integer", "minimum": 5, "maximum": @4 }'),
     'expected no less than "minimum"'),
    ("max_length below min_length",
     member('{ "min_length": 5, "max_length": @4 }'),
     "expected a whole number from 5 to 32000"),
    ("enum empty", member('{ "enum": @[] }'),
     "expected an array of at least one value"),
    ("enum of another type",
     member('{ "type": "integer", "enum": [1, @"2"] }'),
     "must be an integer, not a string"),
    ("enum with a dash", member('{ "enum": ["a", @"-b"] }'),
     "may not begin with '-'"),
    ("default not allowed",
     member('{ "enum": ["a", "b"], "default": @"c" }'),
     'must be one of ["a", "b"]'),
    ("default too long", member('{ "max_length": 2, "default": @"abc" }'),
     "must have 0 to 2 characters, not 3"),
    ("default below minimum",
     member('{ "type": "number", "minimum": 0.5, "default": @0.25 }'),
     "must be at least 0.5"),
    ("dash a string", member('{ "dash": @"yes" }'),
     "expected true or false, not a string"),
]

# Command lines, and what the complaint says.
USAGE = [
    (["extra"], 'unexpected argument "extra"'),
    (["--nonsense"], 'unknown option "--nonsense"'),
    (["-h"], 'unknown option "-h"'),
    (["--config"], "--config: expected FILE"),
    (["--config", "a", "--config", "b"], "--config is given twice"),
    (["--config", "missing.json"], "missing.json: No such file or directory"),
    (["--config=."], ".: Is a directory"),
    (["--demo=yes"], "--demo takes no value"),
    (["--listen", "7070"], "--listen 7070: expected 127.0.0.1:7070"),
    (["--listen", "localhost:70"], "--listen localhost:70: expected"),
    (["--listen", "unix:"], "--listen unix:: expected"),
    (["--listen", "fd:"], "--listen fd:: expected"),
    (["--listen", "fd:x"], "--listen fd:x: expected"),
    (["--socket-mode", "888"], "--socket-mode 888: expected a mode"),
    (["--socket-mode", "66"], "--socket-mode 66: expected a mode"),
    (["--socket-owner", "-1"], "--socket-owner -1: expected USER"),
    (["--listen", "[::1:7070"], "expected 127.0.0.1:7070, [::1]:7070"),
    (["--listen", "127.0.0.1:70000"], "expected 127.0.0.1:7070"),
    (["--listen", "[]:80"], "expected 127.0.0.1:7070"),
    (["--listen", "[::1]:"], "expected 127.0.0.1:7070"),
    (["--listen", "1" * 64 + ":80"], "expected 127.0.0.1:7070"),
    (["--trust-proxy", "1" * 64], "expected 10.0.0.1, 10.0.0.0/8"),
    (["--allow-host", "http://a"], "expected the name of a host"),
    (["--allow-origin", "https://a/"], "expected an origin such as"),
    (["--limit", "max_jobs"], "--limit max_jobs: expected NAME=VALUE"),
    (["--limit", "max_job=1"], 'there is no limit "max_job"'),
    (["--limit", "max_jobs=x"], "expected a whole number from 1 to"),
    (["--limit", "max_jobs=-1"], "expected a whole number from 1 to"),
    (["--limit", "max_jobs="], "expected a whole number from 1 to"),
    (["--limit", "max_jobs=4294967296"], "expected a whole number from 1 to"),
    (["--limit=retry_ms=60001"], "from 1000 to 60000"),
    (["--limit", "max_bytes_total=99999999999999999999"],
     "expected a whole number from 1 to"),
    (["--log", "loud"], "--log loud: expected text, json, brackets, block, "
     "logfmt, message or none"),
    (["--console=loud"], "--console loud: expected text, json, brackets,"),
    (["--voice", "sad"], "--voice sad: expected human, cute or story"),
    (["--token-file", "missing"], "missing: No such file or directory"),
    (["--metrics-token-file", "missing"], "missing: No such file"),
    (["--metrics=yes"], "--metrics takes no value"),
    (["--level", "loud"], "--level loud: expected trace, debug, info, warn,"),
    (["--lag=drop"], "--lag drop: expected gap or break"),
    (["--prefix", "v1"], "--prefix v1: expected a path such as /v1"),
    (["--proxy-header", "via"], "--proxy-header via: expected x-forwarded"),
    (["--trust-proxy", "proxy"], "--trust-proxy proxy: expected 10.0.0.1"),
    (["--trust-proxy", "10.0.0.0/33"], "expected 10.0.0.1, 10.0.0.0/8"),
    (["--trust-proxy", "::1/129"], "expected 10.0.0.1, 10.0.0.0/8"),
    (["--trust-proxy", "10.0.0.0/"], "expected 10.0.0.1, 10.0.0.0/8"),
    (["--trust-proxy", "[::1]"], "expected 10.0.0.1, 10.0.0.0/8"),
]


class Mistakes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, data, mode=0o600):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(path, mode)

    def refused(self, args):
        got = run(args, self.folder.name)
        self.assertEqual(b"", got.stdout)
        self.assertEqual(2, got.returncode, got.stderr)
        text = got.stderr.decode()
        self.assertTrue(text.startswith("jobsrvd: "), text)
        self.assertEqual(1, text.count("\n"), text)
        return text[len("jobsrvd: "):-1]

    def test_every_mistake_is_told_with_its_place(self):
        for name, marked, message in MISTAKES:
            with self.subTest(name):
                before, text = marked.split("@")
                line = before.count("\n") + 1
                column = len(before) - (before.rfind("\n") + 1) + 1
                self.write("c.json", before + text)
                told = self.refused(["--config", "c.json"])
                place = "c.json:%d:%d: " % (line, column)
                self.assertTrue(told.startswith(place), (place, told))
                if message is not None:
                    self.assertEqual(place + message, told)
                self.assertGreater(len(told), len(place))

    def test_columns_count_characters(self):
        text = '{ "listen": ["unix:/\u00e4\u20ac\U0001d11e", 5] }'
        self.write("c.json", text)
        self.assertEqual("c.json:1:%d: expected a string, not an integer" %
                         (text.index("5") + 1),
                         self.refused(["--config=c.json"]))

    def test_bytes_that_are_not_utf_8_are_refused(self):
        self.write("c.json", b'{\n "listen": ["\xff"] }')
        self.assertTrue(self.refused(["--config", "c.json"])
                        .startswith("c.json:2:"))

    def test_what_is_nested_too_deep_is_refused(self):
        self.write("c.json", "[" * 40 + "]" * 40)
        self.assertTrue(self.refused(["--config", "c.json"])
                        .startswith("c.json:1:"))

    def test_a_complaint_has_no_control_bytes_of_the_file(self):
        self.write("c.json", '{ "a\\u001b[2J\\n": 1 }')
        told = self.refused(["--config", "c.json"])
        self.assertIn('unknown member "a?[2J?"', told)

    def test_an_operation_of_the_demo_is_not_taken_over(self):
        self.write("c.json", '{ "operations": { "echo": {"argv": ["x"]} } }')
        self.assertEqual(
            'c.json:1:27: "echo" is an operation of --demo',
            self.refused(["--demo", "--config", "c.json"]))

    def test_command_lines(self):
        for args, part in USAGE:
            with self.subTest(" ".join(args)):
                self.assertIn(part, self.refused(args))

    def test_token_files(self):
        for data, mode, part in [
            ("", 0o600, "expected a token on the first line"),
            ("\nsecret\n", 0o600, "expected a token on the first line"),
            ("two words\n", 0o600, "visible ASCII"),
            ("secret\n", 0o644, "others may read or write it"),
            ("secret\n", 0o602, "others may read or write it"),
        ]:
            with self.subTest(part):
                self.write("token", data, mode)
                told = self.refused(["--token-file", "token"])
                self.assertIn(part, told)
                self.assertNotIn("secret", told)


class Answers(unittest.TestCase):
    def test_help_names_every_option_and_limit(self):
        got = run(["--help"], "/")
        self.assertEqual(0, got.returncode)
        text = got.stdout.decode()
        for name in ("--config --listen --socket-mode --socket-owner --demo --allow-host --allow-origin "
                     "--limit --token-file --console --voice --log --help "
                     "--version").split():
            self.assertIn(name, text)
        for name in ("max_request_line max_header_bytes max_header_fields "
                     "max_body max_chunk_extension max_trailer_bytes "
                     "max_json_depth max_connections max_streams "
                     "max_streams_per_job head_timeout_ms body_timeout_ms "
                     "silent_timeout_ms keepalive_idle_ms write_stall_ms "
                     "heartbeat_ms max_pipelined max_running max_threads "
                     "max_lost_threads max_jobs max_queued max_text "
                     "max_event_bytes max_result max_events_per_job "
                     "max_bytes_per_job max_bytes_total retain_ms "
                     "retain_failed_ms retain_cancelled_ms queue_ms silence_ms "
                     "max_retained max_retained_completed max_retained_failed "
                     "max_retained_cancelled max_expired max_tags "
                     "retry_ms max_stream_ms max_jobs_per_stream "
                     "fanout_loops").split():
            self.assertRegex(text, r"(?m)(^| )%s( |$)" % name)

    def test_version(self):
        got = run(["--version"], "/")
        self.assertEqual(0, got.returncode)
        self.assertRegex(got.stdout.decode(), r"^jobsrvd \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    unittest.main(verbosity=1)
