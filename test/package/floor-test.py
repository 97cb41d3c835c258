# SPDX-License-Identifier: MIT
"""Calls under the compile-time floor leave nothing in the object, and every
format of a line is checked against its arguments."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tally import check, finish

INCLUDE = Path(os.environ["SOURCE_DIR"]) / "include"
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow",
         "-Wconversion", "-Werror", "-I", str(INCLUDE)]
COMPILERS = [c for c in ("gcc", "clang") if shutil.which(c)]
if not COMPILERS:
    COMPILERS = [os.environ.get("CC", "cc")]

SOURCE = """#include "jobsrv/jobsrv.h"
int detail(void);
void work(jobsrv_job_t *job);
void work(jobsrv_job_t *job) { %s; }
"""
FIELD = 'JOBSRV_FIELDS(jobsrv_field_i64("a", detail()))'
UNDER = {
    "plain": 'jobsrv_LEVEL(job, "a", "%d", detail())',
    "with": 'jobsrv_LEVEL_with(job, (.action = "a", ' + FIELD + '), "b")',
    "cute": 'jobsrv_LEVEL_cute(job, "a", "%d", "%d", detail())',
    "story": 'jobsrv_LEVEL_story(job, "a", "%d", "%d", detail())',
    "limited": 'jobsrv_LEVEL_limited(job, (1, 2), "a", "%d", detail())',
    "voices": 'jobsrv_LEVEL_voices(job, "a", "%d", "%d", "%d", detail())',
}
SPAN = ('jobsrv_span_t s; (void) jobsrv_span_begin(&s, job, "a"); '
        'jobsrv_span_end(&s, JOBSRV_SPAN_OK, NULL)')
BELOW = ["trace", "debug", "info"]
FROM = ["warn", "error", "fatal"]
RIGHT = [
    'jobsrv_info_cute(job, "a", "%d %s", "%d, %s", 1, "x")',
    'jobsrv_info_voices(job, "a", "h", "c", "s")',
    'if (jobsrv_info_limited(job, (1, 2), "a", "b") != 0) (void) detail()',
    'jobsrv_tell(job, "a", jobsrv_field_bool("b", 1))',
    'jobsrv_progressed(job, 1, 2)',
    'JOBSRV_SPAN(s, job, "a") { if (detail()) return; break; }',
    'jobsrv_span_t a, b; jobsrv_span_begin(&a, job, "a"); '
    'jobsrv_span_begin_in(&b, &a, "b")',
]
WRONG = [
    'jobsrv_info(job, "a", "%s", 1)',
    'jobsrv_info_with(job, (.action = "a"), "%d", "x")',
    'jobsrv_info_cute(job, "a", "%d", "%s", 1)',
    'jobsrv_info_cute(job, "a", "%s", "%d", 1)',
    'jobsrv_info_story(job, "a", "%d", "%s", 1)',
    'jobsrv_info_voices(job, "a", "%s", "%d", "%d", 1)',
    'jobsrv_info_voices(job, "a", "%d", "%s", "%d", 1)',
    'jobsrv_info_voices(job, "a", "%d", "%d", "%s", 1)',
    'jobsrv_info_voices(job, "a", "%d", "%d", "no use of it", 1)',
    'jobsrv_info_limited(job, (1, 2), "a", "%s", 1)',
    'jobsrv_table(job, "a", "[]", "%d")',
]


def compiled(folder, compiler, line, *more):
    """What is undefined in the object, or None when there is none."""
    source = Path(folder) / "line.c"
    made = Path(folder) / "line.o"
    source.write_text(SOURCE % line)
    got = subprocess.run([compiler, *FLAGS, *more, "-c", str(source), "-o",
                          str(made)], capture_output=True, text=True,
                         check=False)
    if got.returncode:
        return None
    names = subprocess.run(["nm", "-u", str(made)], capture_output=True,
                           text=True, check=True).stdout.split()
    return [n for n in names if n.startswith("jobsrv_") or n == "detail"]


with tempfile.TemporaryDirectory() as folder:
    for compiler in COMPILERS:
        for name, line in UNDER.items():
            for level in BELOW + FROM:
                made = compiled(folder, compiler, line.replace("LEVEL", level),
                                "-O1", "-DJOBSRV_LEVEL_FLOOR=JOBSRV_WARN")
                if level in BELOW:
                    check("%s: %s %s is gone" % (compiler, level, name),
                          ["does not compile"] if made is None else made)
                else:
                    check("%s: %s %s is there" % (compiler, level, name),
                          [] if made else [str(made)])
        made = compiled(folder, compiler, 'jobsrv_fatal(job, "a", "b")',
                        "-O1", "-DJOBSRV_LEVEL_FLOOR=JOBSRV_MUTE")
        check(compiler + ": a floor of mute leaves none",
              ["does not compile"] if made is None else made)
        for floor, call in (("INFO", "jobsrv_span_pass"),
                            ("DEBUG", "jobsrv_span_begin_with")):
            made = compiled(folder, compiler, SPAN, "-O1",
                            "-DJOBSRV_LEVEL_FLOOR=JOBSRV_" + floor)
            check("%s: a span over a floor of %s is %s" %
                  (compiler, floor, call),
                  [] if made and call in made and
                  (floor == "DEBUG" or "jobsrv_span_begin_with" not in made)
                  else [str(made)])
        for line in RIGHT:
            check("%s takes %s" % (compiler, line),
                  [] if compiled(folder, compiler, line) else ["refused"])
        for line in WRONG:
            check("%s refuses %s" % (compiler, line),
                  [] if compiled(folder, compiler, line) is None else ["taken"])

finish()
