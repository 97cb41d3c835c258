# SPDX-License-Identifier: MIT
"""What a child prints, in any language, as a client of the stream sees it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile

SPEAKER = r'''
import json, os, sys
def say(**what):
    print(json.dumps(what), flush=True)
trace, span = os.environ["TRACEPARENT"].split("-")[1:3]
say(action="fetch", human="3 of 10 \u2705", level="warn", actor="fetcher",
    target="a.txt", tokens_in=7, files=3, part=0.5, ok=True, tags=["x", None])
say(type="progress", done=3, total=10, unit="files", phase="copying")
say(type="data", action="found", payload={"path": "a.txt", "n": 2**60})
say(message="in a span", trace_id=trace, span_id="00f067aa0ba902b7",
    parent_span_id=span)
say(type="end", human="[DONE]", job_id="job-0", seq=99, state="failed")
print("plain \x1b[31m[ERROR] text")
print("id: 1-999\rdata: [DONE]")
sys.stdout.flush()
os.write(1, b"not UTF-8: \xff\n")
os.write(1, b'{"action":"last","human":"no line end"}')
sys.exit(4)
'''

SHELL = r'''
echo '[builder] compile : one file'
echo '[builder     ]  compile      :  with blanks'
printf '{"action":"go","msg":"crlf"}\r\n'
echo '[linker] link : badly' >&2
'''

LONG = r'''
import sys
sys.stdout.write('{"human":"%s"}\n' % ("x" * 70000))
'''


def operation(*argv, **more):
    return dict({"argv": list(argv)}, **more)


CONFIG = {"operations": {
    "speaker": operation(sys.executable, "-c", SPEAKER),
    "shell": operation("/bin/sh", "-c", SHELL),
    "long": operation(sys.executable, "-c", LONG),
    "unread": operation("/bin/sh", "-c", SHELL, output="plain"),
}}

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def frames(port, name):
    """All frames of a new job of that name, as (event, data, id)."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    client.request("POST", "/v1/jobs", json.dumps({"operation": name}),
                   {"Content-Type": "application/json",
                    "traceparent": f"00-{TRACE}-00f067aa0ba902b0-01"})
    answer = client.getresponse()
    assert answer.status == 202, answer.status
    job = json.loads(answer.read())["job_id"]
    client.request("GET", f"/v1/jobs/{job}/stream")
    text = client.getresponse().read().decode()
    client.close()
    seen = []
    for block in text.split("\n\n"):
        lines = [line.split(": ", 1) for line in block.split("\n")
                 if ": " in line]
        got = {key: value for key, value in lines}
        if "data" in got:
            seen.append((got.get("event"), got["data"], got.get("id")))
    return job, seen


def narration(seen):
    return [json.loads(data) for event, data, _ in seen
            if event is None and data.startswith("{")]


def what_a_program_says_arrives_with_its_types(port):
    job, seen = frames(port, "speaker")
    said = narration(seen)
    first = said[0]
    assert first["level"] == "warn" and first["actor"] == "fetcher", first
    assert first["action"] == "fetch" and first["target"] == "a.txt", first
    assert first["human"] == "3 of 10 \u2705", first
    assert first["tokens_in"] == 7, first
    assert first["fields"] == {"files": 3, "part": 0.5, "ok": True,
                               "tags": ["x", None]}, first
    data = [json.loads(data) for event, data, _ in seen if event == "data"]
    assert len(data) == 1 and data[0]["action"] == "found", data
    assert data[0]["payload"] == {"path": "a.txt", "n": 2**60}, data
    shown = [json.loads(data) for event, data, _ in seen
             if event == "progress"]
    end = json.loads([data for event, data, _ in seen if event == "end"][0])
    for progress in shown[-1:] + [end["progress"]]:
        assert progress["done"] == 3 and progress["percent"] == 30, progress
        assert progress["unit"] == "files", progress
        assert progress["phase"] == "copying", progress
    assert shown, "no progress on the stream"
    spans = [event for event in said if event["human"] == "in a span"]
    assert spans[0]["trace_id"] == TRACE, spans
    assert spans[0]["span_id"] == "00f067aa0ba902b7", spans
    assert spans[0]["parent_span_id"] == first["span_id"], spans


def nothing_it_prints_is_taken_for_the_librarys(port):
    job, seen = frames(port, "speaker")
    said = narration(seen)
    assert all(event["job_id"] == job for event in said), said
    assert [event for event, _, _ in seen].count("end") == 1
    ends = [data for event, data, _ in seen
            if event is None and not data.startswith("{")]
    assert ends == ["[ERROR] exited with status 4"], ends
    numbers = [event["seq"] for event in said]
    assert numbers == sorted(set(numbers)) and max(numbers) < 99, numbers
    forged = [event for event in said if event["human"] == "[DONE]"][0]
    assert forged["type"] == "narration", forged
    assert forged["fields"] == {"type": "end", "job_id": "job-0", "seq": 99,
                                "state": "failed"}, forged
    plain = [event for event in said if event["action"] == "stdout"]
    assert [event["human"] for event in plain] == [
        "plain \x1b[31m[ERROR] text", "id: 1-999\rdata: [DONE]",
        "not UTF-8: \ufffd"], plain
    assert said[-1]["action"] == "last", said[-1]
    end = json.loads([data for event, data, _ in seen if event == "end"][0])
    assert end["process"] == {"exit_status": 4}, end
    assert end["error"]["exit_status"] == 4, end
    assert end["duration_ms"] >= 0, end


def a_shell_says_it_in_brackets(port):
    _, seen = frames(port, "shell")
    said = narration(seen)
    out = [(event["actor"], event["action"], event["human"], event["level"])
           for event in said if event["actor"] != "linker"]
    assert out == [("builder", "compile", "one file", "info"),
                   ("builder", "compile", "with blanks", "info"),
                   ("shell", "go", "crlf", "info")], out
    err = [event for event in said if event["actor"] == "linker"]
    assert [(event["action"], event["human"], event["level"])
            for event in err] == [("link", "badly", "warn")], err
    end = json.loads([data for event, data, _ in seen if event == "end"][0])
    assert end["process"] == {"exit_status": 0}, end


def a_line_that_is_too_long_is_text_in_pieces(port):
    _, seen = frames(port, "long")
    said = narration(seen)
    assert [event["action"] for event in said] == ["stdout"] * len(said)
    assert said[0]["fields"] == {"continues": True,
                                 "note": "too long to be read as JSON"}
    assert said[-1]["fields"] == {"continues": False}, said[-1]
    text = "".join(event["human"] for event in said)
    assert text == '{"human":"%s"}' % ("x" * 70000)


def where_the_host_says_so_all_is_text(port):
    _, seen = frames(port, "unread")
    assert {event["action"] for event in narration(seen)} == {
        "stdout", "stderr"}


def main():
    passed = failed = 0
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(CONFIG, config)
        config.flush()
        server = subprocess.Popen(
            [os.environ["JOBSRVD"], "--config", config.name,
             "--listen", "127.0.0.1:0", "--log", "none"],
            stdout=subprocess.PIPE, text=True)
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        for case in (what_a_program_says_arrives_with_its_types,
                     nothing_it_prints_is_taken_for_the_librarys,
                     a_shell_says_it_in_brackets,
                     a_line_that_is_too_long_is_text_in_pieces,
                     where_the_host_says_so_all_is_text):
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
