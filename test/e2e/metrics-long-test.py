# SPDX-License-Identifier: MIT
"""GET /metrics of a jobsrvd that has run jobs, read by those for whom it is
made: promtool's check, and the strict parser of OpenMetrics that the Python
client of Prometheus has."""

import http.client
import json
import os
import subprocess
import tempfile

from world import Server, need, run, until

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# As odd as a name can be, and more of them than have figures of their own.
NAMES = ["le", "__name__", "NaN", "-Inf", "0", "...", "-", "_", "a-b.c",
         "HELP", "x" * 64] + ["op-%d" % i for i in range(140)]

PARSER = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    families[family.name] = [family.type, family.unit, [
        [s.name, s.labels, s.value] for s in family.samples]]
json.dump(families, sys.stdout)
"""

# What has to be there, with its type and labels beside `le`.
WANTED = {
    "jobsrv_build": ("info", {"version"}),
    "jobsrv_jobs": ("gauge", {"state"}),
    "jobsrv_jobs_submitted": ("counter", {"operation"}),
    "jobsrv_jobs_finished": ("counter", {"operation", "outcome"}),
    "jobsrv_job_queue_seconds": ("histogram", {"operation"}),
    "jobsrv_job_run_seconds": ("histogram", {"operation"}),
    "jobsrv_cancel_latency_seconds": ("histogram", {"operation"}),
    "jobsrv_events": ("counter", {"kind"}),
    "jobsrv_events_dropped": ("counter", {"reason"}),
    "jobsrv_events_trimmed": ("counter", set()),
    "jobsrv_sink_events_dropped": ("counter", set()),
    "jobsrv_memory_bytes": ("gauge", {"pool"}),
    "jobsrv_loop_lag_seconds": ("histogram", set()),
    "jobsrv_watchers": ("gauge", set()),
    "jobsrv_watcher_lag_events": ("gauge", set()),
    "jobsrv_watchers_behind": ("gauge", {"events"}),
    "jobsrv_stream_bytes": ("counter", set()),
    "jobsrv_stream_ends": ("counter", {"reason"}),
    "jobsrv_http_requests": ("counter", {"method", "route", "code"}),
    "jobsrv_http_request_duration_seconds": ("histogram",
                                             {"method", "route"}),
    "jobsrv_http_connections": ("gauge", set()),
    "process_cpu_seconds": ("counter", set()),
    "process_resident_memory_bytes": ("gauge", set()),
    "process_open_fds": ("gauge", set()),
    "process_max_fds": ("gauge", set()),
    "process_start_time_seconds": ("gauge", set()),
}


def scrape(server, accept, expected):
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    client.request("GET", "/metrics", headers={"Accept": accept})
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    assert answer.status == 200, (answer.status, text)
    assert answer.getheader("Content-Type") == expected
    return text


def promtool(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60)
    assert done.returncode == 0 and not done.stdout, done.stdout


def families_of(text):
    done = subprocess.run(["/usr/bin/python3", "-c", PARSER], input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def values(families, family, **labels):
    return [value for name, given, value in families[family][2]
            if all(given.get(k) == v for k, v in labels.items())]


def check_both(server):
    promtool(scrape(server, "text/plain", TEXT))
    return families_of(scrape(server, OPEN, OPEN))


def work(server):
    """One job for each way to end, a stream for each form, a few refusals."""
    done = server.create("echo", lines=["one", "two"])
    failed = server.create("fail", message="no")
    spun = server.create("spin")
    until("it runs", lambda: server.call(
        "GET", "/v1/jobs/" + spun)[2]["state"] == "running")
    assert server.call("DELETE", "/v1/jobs/" + spun)[0] in (200, 202)
    for job in done, failed, spun:
        until("its end", lambda: server.call(
            "GET", "/v1/jobs/" + job)[2]["state"] in
            ("completed", "failed", "cancelled"))
    server.call("GET", "/v1/jobs/none")
    server.call("GET", "/nothing\"here")
    return done, failed, spun


def a_server_that_has_done_nothing_is_read():
    with Server("--metrics") as server:
        families = check_both(server)
        for name, (kind, labels) in WANTED.items():
            assert families[name][0] == kind, (name, families[name][0])
            for _, given, _ in families[name][2]:
                assert set(given) - {"le"} == labels, (name, given)


def what_was_done_is_counted_and_read():
    with Server("--metrics") as server:
        ids = work(server)
        families = check_both(server)
        for outcome, operation in (("completed", "echo"), ("failed", "fail"),
                                   ("cancelled", "spin")):
            assert values(families, "jobsrv_jobs_finished", outcome=outcome,
                          operation=operation) == [1], outcome
        assert values(families, "jobsrv_http_requests", method="POST",
                      route="/v1/jobs", code="2xx") == [3]
        assert values(families, "jobsrv_http_requests", route="(none)",
                      code="4xx") == [1]
        assert 2 < values(families, "process_open_fds")[0] < 100
        text = scrape(server, "text/plain", TEXT)
        for job in ids:
            assert job not in text
        assert "nothing" not in text


def odd_names_of_operations_are_read():
    operations = {name: {"argv": ["true"], "env": ["PATH"]} for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"operations": operations}, file)
        with Server("--metrics", "--config", config, "--limit",
                    "max_running=4") as server:
            for name in NAMES:
                server.create(name)
            until("all ends", lambda: sum(values(
                families_of(scrape(server, OPEN, OPEN)),
                "jobsrv_jobs_finished")) == len(NAMES), 60)
            families = check_both(server)
            given = {labels["operation"] for _, labels, _ in
                     families["jobsrv_jobs_submitted"][2]}
            assert "(other)" in given and len(given) == 129, len(given)
            assert set(NAMES[:11]) <= given
            assert sum(values(families, "jobsrv_jobs_submitted")) == len(NAMES)


need("promtool")
run([a_server_that_has_done_nothing_is_read,
     what_was_done_is_counted_and_read,
     odd_names_of_operations_are_read])
