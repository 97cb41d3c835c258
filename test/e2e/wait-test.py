# SPDX-License-Identifier: MIT
"""curl against a running jobsrvd: waiting for the end, and one job of a request
that is sent twice."""

import json
import os
import signal
import subprocess
import tempfile
import time

CONFIG = {"operations": {
    "nap": {"argv": ["/bin/sleep", "0.5"]},
    "long": {"argv": ["/bin/sleep", "60"]},
}}

passed = failed = 0


def curl(port, path, *args):
    got = subprocess.run(
        ["curl", "-sS", "-m", "20", "-i", *args,
         "http://127.0.0.1:%d%s" % (port, path)],
        check=True, capture_output=True, text=True).stdout
    head, _, body = got.partition("\n\n")
    return int(head.split()[1]), head.lower(), json.loads(body)


def create(port, operation, *headers):
    args = ["-d", json.dumps({"operation": operation})]
    for header in ("Content-Type: application/json", *headers):
        args += ["-H", header]
    return curl(port, "/v1/jobs", *args)


def the_end_comes_with_the_answer(port):
    status, head, record = create(port, "nap", "Prefer: wait=30")
    assert status == 200, status
    assert "preference-applied: wait=30" in head, head
    assert record["state"] == "completed", record


def who_waits_too_short_gets_the_job(port):
    begin = time.monotonic()
    status, _, made = create(port, "long", "Prefer: wait=1")
    assert status == 202 and made["state"] == "running", made
    assert time.monotonic() - begin >= 0.99
    status, _, _ = curl(port, "/v1/jobs/" + made["job_id"], "-X", "DELETE")
    assert status in (200, 202), status


def a_record_is_waited_for(port):
    _, _, made = create(port, "nap")
    path = "/v1/jobs/%s?wait=60&state=running" % made["job_id"]
    status, _, record = curl(port, path)
    if record["state"] == "queued":  # it was looked at that early
        status, _, record = curl(port, path)
    assert status == 200 and record["state"] == "completed", record


def twice_is_once(port):
    first = create(port, "nap", "Idempotency-Key: 7c1")
    second = create(port, "nap", "Idempotency-Key: 7c1")
    assert (first[0], second[0]) == (202, 200)
    assert first[2]["job_id"] == second[2]["job_id"]
    status, _, problem = create(port, "long", "Idempotency-Key: 7c1")
    assert status == 422, problem
    assert problem["code"] == "idempotency_mismatch", problem


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
        for case in (the_end_comes_with_the_answer,
                     who_waits_too_short_gets_the_job, a_record_is_waited_for,
                     twice_is_once):
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
