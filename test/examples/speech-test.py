# SPDX-License-Identifier: MIT
"""A speech server, before and after it has jobs.

At most 60 lines may differ; both are built and driven by curl.
"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(os.environ["SOURCE_DIR"]) / "test" / "examples"
sys.path.insert(0, str(HERE.parent / "package"))
from tally import check, finish  # noqa: E402

BUILD = Path(os.environ["BUILD_DIR"])
INCLUDE = HERE.parent.parent / "include"
CC = os.environ.get("CC", "cc")
MOST_CHANGED = 60
WORDS = ["one small step", "for a library", "one giant leap", "for a daemon"]


def run(*command, seconds=30):
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=seconds)


def curl(*arguments):
    return run("curl", "-sS", "--max-time", 20, *arguments).stdout


def build(name, folder, *link):
    program = folder / name
    got = run(CC, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow",
              "-Wpedantic", "-Werror", "-I", INCLUDE, HERE / (name + ".c"),
              HERE / "speech_model.c", *link, "-pthread", "-o", program)
    check(name + " compiles without a warning",
          got.stdout.splitlines() if got.returncode else [])
    return program


def start(program):
    """Returns the process and its port, once somebody listens there."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen([str(program), str(port)],
                               stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except OSError:
            time.sleep(0.05)
    return process, port


def until(question, seconds=15):
    """Asks until the answer is true; returns the last one."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.02)


def drive_before(program, short):
    process, port = start(program)
    try:
        url = "http://127.0.0.1:%d/inference?file=" % port
        check("before: the whole text comes at the end",
              [] if json.loads(curl("-X", "POST", url + str(short)))
              == {"text": " ".join(WORDS)} else ["another answer"])
        got = curl("-X", "POST", url + str(short) + ".not")
        check("before: a file that is not there fails",
              [] if got == "cannot transcribe that" else [got])
    finally:
        process.kill()
        process.wait()


def drive_after(program, short, long):
    process, port = start(program)
    root = "http://127.0.0.1:%d" % port

    def post(path):
        body = json.dumps({"operation": "transcribe", "file": str(path)})
        return json.loads(curl("-H", "Content-Type: application/json", "-d",
                               body, root + "/v1/jobs"))

    def record(job):
        return json.loads(curl(root + job["links"]["self"]))

    def events(text, name):
        return [json.loads(data) for data in re.findall(
            r"^event: %s\n(?:\w+: .*\n)*?data: (.*)$" % name, text, re.M)]

    try:
        # one that is let finish
        job = post(short)
        text = curl("-N", root + job["sse_url"])
        at = [text.find('"human":"%s"' % words) for words in WORDS]
        check("after: each segment is told when it is there",
              [] if -1 not in at and at == sorted(at) else [text])
        done = [e["progress"]["done"] if "progress" in e else e["done"]
                for e in events(text, "progress")]
        check("after: the stream has progress, which only grows",
              [] if done and done == sorted(done) else [str(done), text])
        check("after: the stream ends once, and well",
              [] if text.count("\ndata: [DONE]\n") == 1 else [text[-400:]])
        got = record(job)
        check("after: the result is in the record",
              [] if got["state"] == "completed"
              and got["result"] == {"text": " ".join(WORDS)} else [str(got)])
        check("after: who comes late gets the same story",
              [] if all(w in curl("-N", root + job["sse_url"])
                        for w in WORDS) else ["it is not there"])

        # one that is stopped half-way, while another waits for the model
        job = post(long)
        waiting = post(short)
        stream = subprocess.Popen(
            ["curl", "-sSN", "--max-time", "60", root + job["sse_url"]],
            stdout=subprocess.PIPE, text=True)
        until(lambda: record(job).get("progress", {}).get("done", 0) > 0)
        check("after: who waits for the model is seen to wait",
              [] if record(waiting)["state"] == "queued"
              else [str(record(waiting))])
        asked = time.monotonic()
        curl("-X", "DELETE", root + job["links"]["self"])
        text = stream.communicate(timeout=30)[0]
        check("after: it stops within five seconds",
              [] if time.monotonic() - asked < 5
              else ["%f s" % (time.monotonic() - asked)])
        check("after: its watchers are told",
              [] if text.endswith("\ndata: [CANCELLED]\n\n") else [text[-300:]])
        check("after: it had begun, and did not finish",
              [] if 0 < text.count('"action":"segment"') < 900
              else ["%d segments" % text.count('"action":"segment"')])
        got = record(job)
        check("after: its record says cancelled, and why",
              [] if got["state"] == "cancelled" and "result" not in got
              and got["cancel_reason"]["code"] == "requested" else [str(got)])
        got = until(lambda: record(waiting)["state"] == "completed"
                    and record(waiting))
        check("after: the next one has the model at once",
              [] if got and got["result"]["text"] == " ".join(WORDS)
              else [str(record(waiting))])

        # and those that fail
        for what, path, code in (("a missing file", str(short) + ".not",
                                  "no_speech"),):
            job = post(path)
            text = curl("-N", root + job["sse_url"])
            check("after: %s fails with its code" % what,
                  [] if record(job)["error"]["code"] == code
                  and "data: [ERROR] cannot transcribe that" in text
                  else [text])
    finally:
        process.kill()
        process.wait()


changed = [line for line in run("diff", HERE / "speech_before.c",
                                HERE / "speech_after.c").stdout.splitlines()
           if line.startswith(("<", ">"))]
check("lines were changed", [] if changed else ["none"])
check("at most %d lines are changed" % MOST_CHANGED,
      [] if len(changed) <= MOST_CHANGED else ["%d" % len(changed)])
print("%d lines added and removed" % len(changed))

with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
    folder = Path(scratch)
    short, long = folder / "short.txt", folder / "long.txt"
    short.write_text("\n".join(WORDS) + "\n")
    long.write_text("words without end\n" * 900)
    before = build("speech_before", folder, HERE / "tiny_http.c")
    after = build("speech_after", folder, "-L", BUILD, "-ljobsrv-sse",
                  "-ljobsrv", "-luv", "-Wl,-rpath,%s" % BUILD)
    if before.exists():
        drive_before(before, short)
    if after.exists():
        drive_after(after, short, long)

finish()
