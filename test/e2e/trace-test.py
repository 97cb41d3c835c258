# SPDX-License-Identifier: MIT
"""A trace through a running jobsrvd: from the request's headers to the events
on the stream, the record, and the environment of the program it runs."""

import http.client
import json
import os
import re
import signal
import subprocess
import tempfile

from shutil import which

TRACE = "0123456789abcdef0011223344556677"
SPAN = "00f067aa0ba902b7"
PARENT = "00-%s-%s-01" % (TRACE, SPAN)
CONFIG = {"operations": {"env": {"argv": ["/usr/bin/env"]}}}

passed = failed = 0


def request(port, method, path, headers, body):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    client.request(method, path, body, headers)
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return text, {k.lower() for k, _ in answer.getheaders()}


def create(port, headers):
    headers = dict(headers, **{"Content-Type": "application/json"})
    body = '{"operation":"env"}'
    if not which("curl"):
        text, _ = request(port, "POST", "/v1/jobs", headers, body)
    else:
        args = ["curl", "-sS", "-m", "15", "-d", body]
        for name, value in headers.items():
            args += ["-H", "%s: %s" % (name, value)]
        text = subprocess.run(
            args + ["http://127.0.0.1:%d/v1/jobs" % port], check=True,
            capture_output=True, text=True).stdout
    return json.loads(text)["job_id"]


def run(port, headers):
    """The record, what the program has printed, and its events."""
    job = create(port, headers)
    text, _ = request(port, "GET", "/v1/jobs/%s/stream" % job, {}, None)
    frames = [json.loads(line[6:]) for line in text.splitlines()
              if line.startswith("data: {")]
    said = [f for f in frames if f.get("action") == "stdout"]
    env = dict(f["human"].split("=", 1) for f in said)
    record = next(f for f in frames if f["type"] == "end")
    return job, record, env, said


def a_trace_goes_all_the_way(port):
    job, record, env, said = run(port, {
        "traceparent": PARENT, "tracestate": "a=1,b=2",
        "X-Correlation-Id": "cor", "X-Request-Id": "req"})
    assert record["trace_id"] == TRACE, record
    assert record["parent_span_id"] == SPAN, record
    assert said
    for event in said:
        assert event["trace_id"] == TRACE, event
        assert re.fullmatch("[0-9a-f]{16}", event["span_id"]), event
        assert event["span_id"] != SPAN, event
    assert env["TRACEPARENT"] == "00-%s-%s-01" % (TRACE, said[0]["span_id"])
    assert env["TRACESTATE"] == "a=1,b=2", env
    assert env["JOBSRV_JOB_ID"] == job, env
    assert env["JOBSRV_CORRELATION_ID"] == "cor", env
    assert env["JOBSRV_REQUEST_ID"] == "req", env


def what_is_not_sampled_stays_so(port):
    _, _, env, _ = run(port, {"traceparent": PARENT[:-2] + "00"})
    assert env["TRACEPARENT"].endswith("-00"), env
    assert TRACE in env["TRACEPARENT"], env
    assert "TRACESTATE" not in env, env


def without_one_it_is_the_jobs_own(port):
    for headers in ({}, {"traceparent": PARENT.upper(), "tracestate": "a=1"}):
        job, record, env, said = run(port, headers)
        own = job[4:].replace("-", "")
        assert re.fullmatch("00-%s-[0-9a-f]{16}-01" % own, env["TRACEPARENT"])
        assert "TRACESTATE" not in env, env
        assert "trace_id" not in record, record
        assert all("trace_id" not in event for event in said)


def an_answer_has_none(port):
    text, names = request(port, "GET", "/v1/jobs", {"traceparent": PARENT},
                          None)
    assert text and not {"traceparent", "tracestate"} & names, names


def main():
    global passed, failed
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(CONFIG, config)
        config.flush()
        server = subprocess.Popen(
            [os.environ["JOBSRVD"], "--config", config.name,
             "--listen", "127.0.0.1:0", "--log", "none"],
            stdout=subprocess.PIPE, text=True)
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        for case in (a_trace_goes_all_the_way, what_is_not_sampled_stays_so,
                     without_one_it_is_the_jobs_own, an_answer_has_none):
            try:
                case(port)
                passed += 1
            except Exception as error:
                print(f"FAILED {case.__name__}: {error!r}")
                failed += 1
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0, server.returncode
    print(f"{passed} passed, {failed} failed")
    raise SystemExit(failed != 0)


main()
