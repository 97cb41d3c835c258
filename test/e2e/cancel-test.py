# SPDX-License-Identifier: MIT
"""Cancelling through a running jobsrvd: the end comes when the work has really
stopped, or has been given up."""

import http.client
import json
import os
import signal
import subprocess
import tempfile
import time

CONFIG = {
    "operations": {
        # the shell and its child both ignore SIGTERM
        "nest": {
            "argv": ["/bin/sh", "-c",
                     "trap '' TERM; sleep 300 & echo grandchild $!; wait"],
            "grace_ms": 300,
        },
        "polite": {"argv": ["/bin/sleep", "300"]},
        "one": {"argv": ["/bin/sleep", "300"], "concurrency": 1},
    },
    "limits": {"grace_ms": 700},
}

passed = failed = 0


def call(port, method, path, body=None):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    client.request(method, path,
                   json.dumps(body) if body is not None else None, headers)
    answer = client.getresponse()
    text = answer.read()
    client.close()
    return answer.status, json.loads(text) if text else None


def create(port, **body):
    status, record = call(port, "POST", "/v1/jobs", body)
    assert status == 202, (status, record)
    return record["job_id"]


def wait_state(port, job, *states, seconds=8):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _, record = call(port, "GET", f"/v1/jobs/{job}")
        if record["state"] in states:
            return record
        time.sleep(0.02)
    raise AssertionError(f"{record['state']}, not {states}: {record}")


def stream(port, job):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    client.request("GET", f"/v1/jobs/{job}/stream")
    answer = client.getresponse()
    assert answer.status == 200, answer.status
    text = answer.read().decode()
    client.close()
    return text


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def first_words(port, job, word):
    """The pid a child has printed behind a word."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", f"/v1/jobs/{job}/stream")
    answer = client.getresponse()
    text = b""
    while word.encode() not in text or b"\n\n" not in text.split(
            word.encode(), 1)[1]:
        text += answer.read1(4096)
    client.close()
    return int(text.decode().split(word, 1)[1].split('"')[0].split()[0])


def a_process_and_its_deaf_grandchild_are_gone_at_the_end(port):
    job = create(port, operation="nest")
    pid = first_words(port, job, "grandchild ")
    assert alive(pid)
    begin = time.monotonic()
    status, record = call(port, "DELETE", f"/v1/jobs/{job}")
    assert status == 202 and record["cancel_requested"] is True, record
    assert record["state"] == "running", record
    record = wait_state(port, job, "cancelled")
    assert not alive(pid)
    assert time.monotonic() - begin >= 0.3, "before the grace"
    assert record["cancel_reason"]["code"] == "requested"
    assert "abandoned" not in record, record
    status, again = call(port, "DELETE", f"/v1/jobs/{job}")
    assert status == 200 and again["state"] == "cancelled"


def a_polite_process_stops_at_once(port):
    job = create(port, operation="polite")
    wait_state(port, job, "running")
    begin = time.monotonic()
    status, _ = call(port, "POST", f"/v1/jobs/{job}/cancel",
                     {"reason": "no longer needed"})
    assert status == 202, status
    record = wait_state(port, job, "cancelled")
    assert time.monotonic() - begin < 0.6
    assert record["cancel_reason"]["text"] == "no longer needed", record
    text = stream(port, job)
    assert text.rstrip().endswith("data: [CANCELLED]"), text[-200:]
    assert text.count("event: end") == 1


def a_spinning_thread_stops(port):
    job = create(port, operation="spin")
    wait_state(port, job, "running")
    call(port, "DELETE", f"/v1/jobs/{job}")
    record = wait_state(port, job, "cancelled")
    assert "abandoned" not in record, record


def a_sleep_stops(port):
    job = create(port, operation="sleep", ms=300000)
    wait_state(port, job, "running")
    call(port, "DELETE", f"/v1/jobs/{job}")
    wait_state(port, job, "cancelled", seconds=0.5)


def a_queued_job_ends_at_once(port):
    first = create(port, operation="one")
    second = create(port, operation="one")
    wait_state(port, first, "running")
    status, record = call(port, "DELETE", f"/v1/jobs/{second}")
    assert status == 200, status
    assert record["state"] == "cancelled" and "started_at" not in record
    call(port, "DELETE", f"/v1/jobs/{first}")
    wait_state(port, first, "cancelled")


def a_stuck_job_is_given_up_after_the_grace(port):
    job = create(port, operation="stuck")
    wait_state(port, job, "running")
    begin = time.monotonic()
    status, _ = call(port, "DELETE", f"/v1/jobs/{job}")
    assert status == 202, status
    record = wait_state(port, job, "cancelled")
    assert record["abandoned"] is True, record
    assert time.monotonic() - begin >= 0.65


def main():
    global passed, failed
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(CONFIG, config)
        config.flush()
        server = subprocess.Popen(
            [os.environ["JOBSRVD"], "--config", config.name, "--demo",
             "--listen", "127.0.0.1:0", "--log", "none"],
            stdout=subprocess.PIPE, text=True)
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        for case in (a_process_and_its_deaf_grandchild_are_gone_at_the_end,
                     a_polite_process_stops_at_once, a_spinning_thread_stops,
                     a_sleep_stops, a_queued_job_ends_at_once,
                     a_stuck_job_is_given_up_after_the_grace):
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
