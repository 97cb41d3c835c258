# SPDX-License-Identifier: MIT
"""A host whose jobs are told on a console, in a file of JSON lines, and in a
stream each: at most 40 lines, shown in the README, built and run."""
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(os.environ["SOURCE_DIR"])
HERE = SOURCE / "test" / "examples"
sys.path.insert(0, str(HERE.parent / "package"))
from tally import check, finish  # noqa: E402

BUILD = Path(os.environ["BUILD_DIR"])
CC = os.environ.get("CC", "cc")
MOST_LINES = 40
PATIENCE = 20


def build(folder):
    program = folder / "told"
    got = subprocess.run(
        [CC, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow",
         "-Wpedantic", "-Werror", "-I", str(SOURCE / "include"),
         str(HERE / "told.c"), "-L", str(BUILD), "-ljobsrv-sse", "-ljobsrv",
         "-luv", "-Wl,-rpath,%s" % BUILD, "-o", str(program)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=60)
    check("it compiles without a warning",
          got.stdout.splitlines() if got.returncode else [])
    return program


def curl(path, *arguments):
    return subprocess.run(
        ["curl", "-sS", "-N", "--max-time", str(PATIENCE), "--retry", "5",
         "--retry-delay", "1", "--retry-connrefused", "--unix-socket",
         str(path), *arguments],
        stdout=subprocess.PIPE, text=True, check=False,
        timeout=3 * PATIENCE).stdout


def use(program, folder):
    address, lines = folder / "s", folder / "told.jsonl"
    host = subprocess.Popen([str(program), "unix:%s" % address, str(lines)],
                            stderr=subprocess.PIPE, text=True)
    try:
        job = json.loads(curl(address, "-d", '{"operation":"count"}', "-H",
                              "Content-Type: application/json",
                              "http://localhost/v1/jobs"))["job_id"]
        stream = curl(address, "http://localhost/v1/jobs/%s/stream" % job)
        host.send_signal(signal.SIGTERM)
        console = host.communicate(timeout=PATIENCE)[1]
    finally:
        host.kill()
        host.wait()
    check("it drains and ends", [] if host.returncode == 0
          else ["status %d" % host.returncode])
    check("the stream tells its owner all",
          [] if "3 of 3 sheep" in stream and "hunter2" in stream
          and stream.endswith("\ndata: [DONE]\n\n") else [stream])
    check("the console tells people",
          [] if " ...%s count count: 3 of 3\n" % job[-6:] in console
          and "end: completed\n" in console else [console])
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    events = [e for e in events if "job_id" in e]
    check("the file tells programs",
          [] if [e["seq"] for e in events] == list(range(1, len(events) + 1))
          and "2 of 3" in [e.get("human") for e in events]
          and events[-1]["type"] == "end" else [lines.read_text()])
    check("who shares them sees no secret",
          [] if "hunter2" not in console + lines.read_text()
          and "password=[REDACTED]" in console else [console])


source = (HERE / "told.c").read_text()
check("it has at most %d lines" % MOST_LINES,
      [] if source.count("\n") <= MOST_LINES
      else ["%d" % source.count("\n")])
shown = source.split("\n", 1)[1]
check("the README shows it",
      [] if "```c\n" + shown + "```\n" in (SOURCE / "README.md").read_text()
      else ["another text"])
with tempfile.TemporaryDirectory() as scratch:
    made = build(Path(scratch))
    if made.exists():
        use(made, Path(scratch))
finish()
