# SPDX-License-Identifier: MIT
"""What the README shows an operation say is compiled, and said."""
import json
import os
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

MAIN = r"""
#include "said.c"
#include <uv.h>

int main(void) {
  jobsrv_console_options_t json = { .size = sizeof(json), .fd = 1,
                                    .form = JOBSRV_CONSOLE_JSON };
  jobsrv_operation_t op = { .size = sizeof(op), .name = "copy",
                            .style = JOBSRV_THREAD, .run = copy };
  jobsrv_spec_t spec = { .size = sizeof(spec), .operation = "copy" };
  jobsrv_sink_options_t how = { .size = sizeof(how), .progress = 1 };
  jobsrv_t *srv;
  json.sink = &how;
  if (jobsrv_new(&srv, uv_default_loop(), NULL) ||
      jobsrv_console_add(srv, &json, NULL) || jobsrv_operation_add(srv, &op) ||
      jobsrv_submit(srv, &spec, NULL, NULL))
    return 1;
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  jobsrv_close(srv, NULL, NULL);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
"""


def build(folder):
    program = folder / "said"
    (folder / "main.c").write_text(MAIN)
    got = subprocess.run(
        [CC, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow",
         "-Wpedantic", "-Wconversion", "-Werror", "-I", str(HERE),
         "-I", str(SOURCE / "include"), str(folder / "main.c"),
         "-L", str(BUILD), "-ljobsrv", "-luv", "-Wl,-rpath,%s" % BUILD,
         "-o", str(program)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, timeout=60)
    check("it compiles without a warning",
          got.stdout.splitlines() if got.returncode else [])
    return program


def use(program):
    got = subprocess.run([str(program)], stdout=subprocess.PIPE, text=True,
                         check=False, timeout=30)
    check("it ends well", [] if got.returncode == 0 else [str(got.returncode)])
    events = [json.loads(line) for line in got.stdout.splitlines()]
    said = {}
    for event in events:
        if event["type"] in ("narration", "data"):
            said.setdefault(event["action"], []).append(event)

    def has(action, count, **members):
        found = said.get(action, [])
        wrong = [] if len(found) == count else ["%d of it" % len(found)]
        for name, value in members.items():
            if found and found[0].get(name) != value:
                wrong.append("%s is %r" % (name, found[0].get(name)))
        check("it says " + action, wrong)

    has("begin", 1, human="3 files to copy", level="info", fn_name="copy")
    has("slow", 2, level="warn", human="number 1 takes long")
    has("copied", 1, human="3 files", cute="3 treats in the bag")
    has("check", 1, target="disk 1", fields={"bytes": 4096, "cached": False})
    has("list", 1, table=[{"name": "a.c", "bytes": 7}])
    has("done", 1, payload={"files": 3})
    has("detail", 0)
    progress = [e for e in events if e["type"] == "progress"]
    check("its progress is told", [] if progress
          and progress[-1]["done"] == 3 and progress[-1]["percent"] == 90
          and progress[-1]["unit"] == "files" else [str(progress)])
    check("it ends", [] if events[-1]["type"] == "end"
          and events[-1]["state"] == "completed" else [got.stdout])


shown = (HERE / "said.c").read_text().split("\n\n", 1)[1]
check("the README shows it",
      [] if "```c\n" + shown + "```\n" in (SOURCE / "README.md").read_text()
      else ["another text"])
with tempfile.TemporaryDirectory() as scratch:
    made = build(Path(scratch))
    if made.exists():
        use(made)
finish()
