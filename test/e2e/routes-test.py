# SPDX-License-Identifier: MIT
"""A running jobsrvd, route by route and problem by problem: each answer is what
its own openapi.json says, and what is promised of it besides."""

import http.client
import json
import os
import re
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "test", "package"))

from contract import Contract, answered  # noqa: E402
from world import Server, run, until  # noqa: E402

NO_JOB = "job-00000000-0000-4000-8000-000000000000"
ID = re.compile(r"job-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class Client:
    """Asks one server and holds every answer against its document."""

    def __init__(self, server, **headers):
        self.server, self.headers = server, headers
        status, _, doc = self.ask("GET", "/v1/openapi.json", check=False)
        assert status == 200, (status, doc)
        self.contract = Contract(doc)
        self.ask("GET", "/v1/openapi.json")

    def ask(self, method, path, body=None, check=True, **headers):
        client = http.client.HTTPConnection("127.0.0.1", self.server.port,
                                            timeout=30)
        headers = {k.replace("_", "-"): v
                   for k, v in {**self.headers, **headers}.items()
                   if v is not None}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            if not isinstance(body, (str, bytes)):
                body = json.dumps(body)
        client.request(method, path, body, headers)
        answer = client.getresponse()
        text = answer.read()
        client.close()
        got = {}
        for name, value in answer.getheaders():
            name = name.lower()
            got[name] = got[name] + ", " + value if name in got else value
        if check:
            self.hold(method, path, answer.status, got, text)
        is_json = "json" in got.get("content-type", "") \
            and "ndjson" not in got["content-type"]
        return (answer.status, got,
                json.loads(text) if is_json and text else text.decode())

    def hold(self, method, path, status, headers, text):
        wrong = self.contract.check(method, path, status, headers, text)
        if status in (429, 503) and "retry-after" not in headers:
            wrong.append("no Retry-After")
        assert not wrong, (method, path, status, wrong)

    def raw(self, text, method="GET", target="/health"):
        with socket.create_connection(("127.0.0.1", self.server.port),
                                      timeout=30) as sock:
            sock.sendall(text if isinstance(text, bytes) else text.encode())
            got = b""
            while more := sock.recv(65536):
                got += more
                answer = answered(got)
                if answer and answer[3]:
                    break
        status, headers, body, _ = answered(got)
        self.hold(method, target, status, headers, body)
        return status, headers, json.loads(body)

    def problem(self, status, code, *args, **kw):
        got, headers, body = self.ask(*args, **kw)
        assert (got, body["code"]) == (status, code), (got, body)
        return headers, body

    def create(self, operation, **members):
        status, _, made = self.ask("POST", "/v1/jobs",
                                   {"operation": operation, **members})
        assert status == 202, made
        return made["job_id"]

    def ended(self, job):
        def look():
            _, _, record = self.ask("GET", f"/v1/jobs/{job}")
            return record if "finished_at" in record else None
        return until("the end", look, 30)


# ---- routes ----

def a_job_is_made(c):
    status, headers, made = c.ask("POST", "/v1/jobs",
                                  {"operation": "sleep", "ms": 60000})
    assert status == 202 and ID.match(made["job_id"]), made
    job = made["job_id"]
    assert list(made)[:4] == ["job_id", "sse_url", "state", "links"], made
    assert headers["location"] == f"/v1/jobs/{job}", headers
    assert made["sse_url"] == f"/v1/jobs/{job}/stream"
    for link in made["links"].values():
        assert link.startswith(f"/v1/jobs/{job}")
    c.problem(415, "unsupported_media_type", "POST", "/v1/jobs", "{}",
              Content_Type="text/plain")
    c.ask("DELETE", f"/v1/jobs/{job}")


def a_record_is_waited_for(c):
    job = c.create("sleep", ms=200)
    state = c.ask("GET", f"/v1/jobs/{job}")[2]["state"]
    while state != "completed":
        status, _, record = c.ask("GET",
                                  f"/v1/jobs/{job}?wait=60&state={state}")
        assert status == 200 and record["state"] != state, record
        state = record["state"]


def a_job_is_streamed(c):
    job = c.create("echo", lines=["a", "b"])
    c.ended(job)
    path = f"/v1/jobs/{job}/stream"
    status, headers, text = c.ask("GET", path)
    assert status == 200 and text.endswith("data: [DONE]\n\n"), text
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    last = re.findall(r"^id: (.*)$", text, re.M)[-1]
    assert c.ask("GET", path, Last_Event_ID=last)[0] == 204
    assert c.ask("GET", path + "?after=" + last)[0] == 204
    status, headers, text = c.ask("GET", path, Accept="application/x-ndjson")
    assert headers["content-type"] == "application/x-ndjson"
    assert json.loads(text.splitlines()[-1])["type"] == "end"
    status, headers, text = c.ask("HEAD", path)
    assert status == 200 and headers["content-type"] == "text/event-stream"
    assert c.ask("GET", path + "?format=text&mode=cute&level=warn")[0] == 200
    assert c.ask("GET", f"/v1/stream?jobs={job}")[0] == 200


def pages_end_with_an_empty_one(c):
    job = c.create("echo", lines=["a", "b"])
    c.ended(job)
    after, seqs = 0, []
    while True:
        status, _, page = c.ask(
            "GET", f"/v1/jobs/{job}/events?after={after}&limit=2")
        assert status == 200
        if not page["events"]:
            break
        seqs += [event["seq"] for event in page["events"]]
        assert page["next_after"] == seqs[-1]
        after = page["next_after"]
    assert page["ended"] and seqs == list(range(1, len(seqs) + 1)), seqs


def cancelling_is_idempotent(c):
    job = c.create("sleep", ms=60000)
    status, _, record = c.ask("POST", f"/v1/jobs/{job}/cancel",
                              {"reason": "enough"})
    assert status in (200, 202), status
    assert record["cancel_reason"]["text"] == "enough", record
    assert c.ended(job)["state"] == "cancelled"
    for method, path in (("DELETE", ""), ("POST", "/cancel")):
        status, _, record = c.ask(method, f"/v1/jobs/{job}{path}")
        assert status == 200 and record["state"] == "cancelled"
    done = c.create("echo", lines=[])
    c.ended(done)
    status, _, record = c.ask("DELETE", f"/v1/jobs/{done}")
    assert status == 200 and record["state"] == "completed"
    c.problem(409, "conflict", "POST", f"/v1/jobs/{done}/answer", "1")
    c.problem(422, "invalid_payload", "POST", f"/v1/jobs/{job}/cancel",
              {"why": "?"})


def a_list_has_pages(c):
    made = [c.create("echo", lines=[], options={"tags": {"k": "v"}})
            for _ in range(5)]
    path, found = "/v1/jobs?tag=k:v&operation=echo&limit=2", []
    cursor = ""
    while cursor is not None:
        status, _, page = c.ask("GET", path + cursor)
        assert status == 200
        found += [record["job_id"] for record in page["jobs"]]
        cursor = "&cursor=" + page["next_cursor"] \
            if "next_cursor" in page else None
    assert found == made[::-1], found
    assert c.ask("GET", "/v1/jobs?state=completed,failed")[0] == 200
    c.problem(400, "bad_cursor", "GET", "/v1/jobs?cursor=x")
    c.problem(400, "bad_request", "GET", "/v1/jobs?state=asleep")


def the_rest_is_there(c):
    status, _, health = c.ask("GET", "/health")
    assert status == 200 and health["version"] and health["boot"]
    assert c.ask("GET", "/ready")[0] == 200
    assert c.ask("GET", "/metrics")[0] == 200
    status, headers, _ = c.ask("GET", "/metrics",
                               Accept="application/openmetrics-text")
    assert headers["content-type"].startswith("application/openmetrics-text")
    assert c.ask("POST", "/v1/jobs/%s/ticket" % c.create("echo", lines=[])
                 )[0] == 200
    c.problem(404, "not_found", "GET", "/v1/nothing")
    c.problem(404, "not_found", "GET", "/")
    headers, _ = c.problem(405, "method_not_allowed", "PUT", "/v1/jobs")
    assert set(headers["allow"].split(", ")) == {"GET", "HEAD", "POST",
                                                 "OPTIONS"}
    status, headers, _ = c.ask("OPTIONS", "/v1/jobs/x")
    assert status == 204 and "DELETE" in headers["allow"]
    for path in ("/health", "/v1/jobs", "/v1/openapi.json", "/metrics"):
        status, headers, text = c.ask("HEAD", path)
        assert status == 200 and text == "" and \
            int(headers["content-length"]) > 0, (path, headers)


def all_jobs_are_streamed(c):
    job = c.create("echo", lines=["a"])
    for accept, end in (("text/event-stream", b"event: end\n"),
                        ("application/x-ndjson", b'"type":"end"')):
        with socket.create_connection(("127.0.0.1", c.server.port),
                                      timeout=30) as sock:
            sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n"
                         b"Accept: %b\r\n\r\n" % accept.encode())
            got = b""
            while end not in got or job.encode() not in got:
                got += sock.recv(65536)
        status, headers, body, whole = answered(got)
        assert status == 200 and not whole
        assert headers["content-type"] == accept
        wrong = c.contract.check("GET", "/v1/events", status, headers, body,
                                 whole)
        assert not wrong, wrong
    assert c.ask("HEAD", "/v1/events")[0] == 200


def what_is_off_is_not_there(c):
    for path in ("/v1/events", "/metrics"):
        c.problem(404, "not_found", "GET", path)


def fields_are_honoured(c):
    body = {"operation": "sleep", "ms": 60000}
    first = c.ask("POST", "/v1/jobs", body, Idempotency_Key="one")
    again = c.ask("POST", "/v1/jobs", body, Idempotency_Key="one")
    assert (first[0], again[0]) == (202, 200)
    assert first[2]["job_id"] == again[2]["job_id"]
    c.problem(422, "idempotency_mismatch", "POST", "/v1/jobs",
              {"operation": "echo", "lines": []}, Idempotency_Key="one")
    status, headers, record = c.ask("POST", "/v1/jobs",
                                    {"operation": "echo", "lines": []},
                                    Prefer="wait=30")
    assert status == 200 and record["state"] == "completed"
    assert headers["preference-applied"] == "wait=30"
    status, headers, text = c.ask("POST", "/v1/jobs",
                                  {"operation": "echo", "lines": ["a"]},
                                  Accept="text/event-stream")
    assert status == 200 and text.endswith("data: [DONE]\n\n")
    assert ID.search(headers["location"])
    _, headers, _ = c.ask("GET", "/health", X_Request_Id="r", X_Correlation_Id
                          ="c")
    assert (headers["x-request-id"], headers["x-correlation-id"]) == ("r", "c")
    c.ask("DELETE", first[1]["location"])


def an_option_that_is_wrong_is_pointed_at(c):
    for options, pointer in (({"no": 1}, "/options/no"),
                             ({"priority": "urgent"}, "/options/priority"),
                             ({"timeout_ms": "1"}, "/options/timeout_ms"),
                             ({"tags": {"k": 1}}, "/options/tags/k"),
                             ([], "/options")):
        before = c.ask("GET", "/v1/jobs")[2]["jobs"][0]["job_id"]
        _, problem = c.problem(422, "invalid_options", "POST", "/v1/jobs",
                               {"operation": "echo", "lines": [],
                                "options": options})
        assert problem["pointer"] == pointer, problem
        assert c.ask("GET", "/v1/jobs")[2]["jobs"][0]["job_id"] == before


# ---- problems ----

def requests_are_refused(c):
    job = c.create("sleep", ms=60000)
    for status, code, request in (
            (400, "bad_request", "GET / HTTP/1.1\r\n\r\n"),
            (400, "bad_request", "GET /\r\n\r\n"),
            (400, "bad_request", "GET / HTTP/1.1\nHost: a\n\n"),
            (505, "version_not_supported", "GET / HTTP/2.0\r\n\r\n"),
            (501, "not_" "implemented",
             "POST /v1/jobs HTTP/1.1\r\nHost: a\r\n"
             "Transfer-Encoding: gzip\r\n\r\n"),
            (414, "uri_too_long",
             "GET /" + "x" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n"),
            (431, "header_too_large",
             "GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * 40000 + "\r\n\r\n"),
            (413, "content_too_large",
             "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
             "application/json\r\nContent-Length: 9999999\r\n\r\n"),
            (417, "expectation_failed",
             "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
             "application/json\r\nExpect: more\r\nContent-Length: 2\r\n\r\n")):
        got, headers, problem = c.raw(request)
        assert (got, problem["code"]) == (status, code), problem
        assert headers["connection"] == "close", headers
    got, _, problem = c.raw("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
                            "Content-Type: application/json\r\n\r\n",
                            "POST", "/v1/jobs")
    assert (got, problem["code"]) == (411, "length_required"), problem

    _, problem = c.problem(400, "bad_json", "POST", "/v1/jobs",
                           '{"operation":\n "echo",}')
    assert (problem["line"], problem["column"]) == (2, 9), problem
    c.problem(403, "forbidden", "GET", "/v1/jobs", Origin="http://evil.org")
    c.problem(421, "misdirected", "GET", "/v1/jobs", Host="evil.org")
    c.problem(404, "unknown_job", "GET", "/v1/jobs/" + NO_JOB)
    c.problem(404, "unknown_job", "GET", "/v1/stream?jobs=" + NO_JOB)
    c.problem(422, "unknown_operation", "POST", "/v1/jobs",
              {"operation": "none"})
    c.problem(422, "invalid_payload", "POST", "/v1/jobs",
              {"operation": "sleep", "ms": "long"})
    for path, code in (("/stream?after=99", "bad_cursor"),
                       ("/stream?after=zz-g1", "bad_cursor"),
                       ("/stream?level=loud", "bad_request"),
                       ("?wait=0", "bad_request"),
                       ("/events?limit=0", "bad_request")):
        _, problem = c.problem(400, code, "GET", f"/v1/jobs/{job}{path}")
        assert problem["job_id"] == job, problem
    _, problem = c.problem(406, "not_acceptable", "GET",
                           f"/v1/jobs/{job}/stream", Accept="image/png")
    assert problem["job_id"] == job
    c.ask("DELETE", f"/v1/jobs/{job}")


def with_server(args, *cases):
    with Server(*args) as server:
        client = Client(server)
        for case in cases:
            case(client)


def every_route_answers_as_it_says():
    with_server(("--metrics", "--all-events"), a_job_is_made,
                a_record_is_waited_for, a_job_is_streamed,
                pages_end_with_an_empty_one, cancelling_is_idempotent,
                a_list_has_pages, the_rest_is_there, all_jobs_are_streamed,
                fields_are_honoured, an_option_that_is_wrong_is_pointed_at)
    with_server((), what_is_off_is_not_there)


def every_request_that_is_wrong_is_told_so():
    with_server((), requests_are_refused)


def limits_say_when_to_come_again():
    limits = ["max_jobs=3", "max_running=1", "max_queued=1", "max_streams=2",
              "max_streams_per_job=1", "retain_ms=1"]
    args = [word for limit in limits for word in ("--limit", limit)]
    with Server("--metrics", *args) as server:
        c = Client(server)
        first = c.create("sleep", ms=60000)
        until("it runs", lambda: c.ask("GET", f"/v1/jobs/{first}")[2]["state"]
              == "running")
        second = c.create("sleep", ms=60000)
        c.problem(429, "queue_full", "POST", "/v1/jobs",
                  {"operation": "sleep", "ms": 1})
        c.create("sleep", ms=1, options={"delay_ms": 60000})
        c.problem(503, "too_many_jobs", "POST", "/v1/jobs",
                  {"operation": "sleep", "ms": 1,
                   "options": {"delay_ms": 60000}})
        streams = []
        for job in (first, second):
            streams.append(http.client.HTTPConnection(
                "127.0.0.1", server.port, timeout=30))
            streams[-1].request("GET", f"/v1/jobs/{job}/stream")
            assert streams[-1].getresponse().status == 200
            _, problem = c.problem(
                *((429, "too_many_watchers") if job == first
                  else (503, "too_many_streams")),
                "GET", f"/v1/jobs/{job}/stream")
            assert problem["job_id"] == job, problem
        for stream in streams:
            stream.close()
        c.ask("DELETE", f"/v1/jobs/{second}")

        def gone():
            status, _, body = c.ask("GET", f"/v1/jobs/{second}")
            return body if status == 410 else None
        problem = until("it is forgotten", gone, 30)
        assert problem["code"] == "expired" and problem["job_id"] == second


def a_token_is_asked_for():
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("open-sesame\n")
        file.flush()
        with Server("--metrics", "--token-file", file.name) as server:
            c = Client(server, Authorization="Bearer open-sesame")
            for path in ("/v1/jobs", "/v1/openapi.json", "/metrics", "/none"):
                headers, _ = c.problem(401, "unauthorized", "GET", path,
                                       Authorization=None)
                assert headers["www-authenticate"] == "Bearer"
            assert c.ask("GET", "/health", Authorization=None)[0] == 200
            status, _, made = c.ask("POST", "/v1/jobs",
                                    {"operation": "echo", "lines": ["a"]})
            assert status == 202 and made["ticket"]
            path = made["sse_url"] + "?ticket=" + made["ticket"]
            assert c.ask("GET", path, Authorization=None)[0] == 200
            c.problem(401, "unauthorized", "GET", made["sse_url"],
                      Authorization=None)


run([every_route_answers_as_it_says, every_request_that_is_wrong_is_told_so,
     limits_say_when_to_come_again, a_token_is_asked_for])
