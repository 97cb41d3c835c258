# SPDX-License-Identifier: MIT
"""What each library defines and asks for, against what its headers declare."""
import os
import re
import subprocess
from pathlib import Path

from tally import check, finish

INCLUDE = Path(os.environ["SOURCE_DIR"]) / "include" / "jobsrv"
BUILD = Path(os.environ["BUILD_DIR"])

# A header belongs to the library it is named after, else to jobsrv.
OWN = {"sse.h": "jobsrv-sse", "sse_auth.h": "jobsrv-sse",
       "sse_route.h": "jobsrv-sse",
       "otlp.h": "jobsrv-otlp", "testing.h": "jobsrv-testing",
       "testing_sse.h": "jobsrv-testing"}
DECLARED = re.compile(r"\bJOBSRV_EXTERN\b[^;{(]*?\b(jobsrv_\w+)\s*[(;\[]")
ATTRIBUTE = re.compile(r"\bJOBSRV_(NODISCARD\b|PRINTF\s*\([^)]*\))")
COMMENT = re.compile(r"/\*.*?\*/|^\s*#(?:[^\n]*\\\n)*[^\n]*", re.S | re.M)

# A library does not speak, end the process, read its environment or set what
# is one for the whole process.
NEVER = {"printf", "vprintf", "puts", "putchar", "perror", "exit", "getenv",
         "secure_getenv", "setenv", "unsetenv", "putenv", "atexit",
         "setlocale", "uv_replace_allocator", "json_set_alloc_funcs",
         "json_set_alloc_funcs2", "uv_setup_args", "uv_spawn", "uv_default_loop",
         "signal", "uv_signal_start", "system", "popen"}


# Nor does one of its parts, whether or not it ends up in the shared one: it
# has no standard streams, ends nothing, and asks nothing of the process.
SILENT = NEVER | {
    "abort", "_exit", "_Exit", "quick_exit", "raise", "__assert_fail",
    "fprintf", "vfprintf", "dprintf", "vdprintf", "fputs", "fputc", "putc",
    "fwrite", "fflush", "stdout", "stderr", "stdin", "syslog", "vsyslog",
    "openlog", "err", "errx", "warn", "warnx", "error", "psignal", "sigaction",
    "sigprocmask", "bsd_signal", "environ", "__environ", "dlopen", "fork",
    "newlocale", "uselocale", "localeconv", "tzset", "localtime",
    "localtime_r", "mktime", "__printf_chk", "__fprintf_chk", "__vfprintf_chk"}
# llhttp's own: for states that cannot be, and a debug printer nobody calls.
LLHTTP = {"llhttp.c.o": {"abort"}, "api.c.o": {"abort", "fprintf", "stderr"}}


def nm(*arguments):
    got = subprocess.run(["nm", *map(str, arguments)], capture_output=True,
                         text=True, check=True)
    return [line.split() for line in got.stdout.splitlines()]


declared = {"jobsrv": set(), "jobsrv-sse": set(), "jobsrv-otlp": set(),
            "jobsrv-testing": set()}
for header in sorted(INCLUDE.glob("*.h")):
    text = ATTRIBUTE.sub("", COMMENT.sub("", header.read_text()))
    declared[OWN.get(header.name, "jobsrv")].update(DECLARED.findall(text))

libraries = [n for n in declared if (BUILD / ("lib%s.so" % n)).exists()]
check("there are libraries", [] if libraries else [str(BUILD)])

for name in libraries:
    shared = BUILD / ("lib%s.so" % name)
    static = BUILD / ("lib%s.a" % name)

    exported = {row[-1] for row in nm("-D", "--defined-only",
                                      "--with-symbol-versions", shared)}
    exported.discard("JOBSRV_0")
    check(name + " exports with one version",
          sorted(s for s in exported if not s.endswith("@@JOBSRV_0")))
    exported = {s.split("@")[0] for s in exported}
    check(name + " defines all its headers declare",
          sorted(declared[name] - exported))
    check(name + " exports nothing its headers do not declare",
          sorted(exported - declared[name]))

    soname = subprocess.run(["readelf", "-d", str(shared)], check=True,
                            capture_output=True, text=True).stdout
    check(name + " has its soname",
          [] if "[lib%s.so.0]" % name in soname else [soname])

    # jobsrv_x is public, jobsrv__x internal; a static link sees both.
    check(name + " keeps to its names in the archive",
          sorted({row[-1] for row in nm("--defined-only", "-g", static)
                  if len(row) == 3 and not row[-1].startswith("jobsrv_")}))
    debug = any(row[-1] == "jobsrv__wrong_thread" for row in
                nm("--defined-only", static) if row)
    said = []
    for row in nm("-A", "-u", static):
        part, symbol = row[0].split(":")[-2], row[-1].split("@")[0]
        if symbol in SILENT and not debug and \
                symbol not in LLHTTP.get(part, ()):
            said.append("%s asks for %s" % (part, symbol))
    check(name + " has no part that speaks or ends the process", said)
    check(name + " leaves the process alone",
          sorted({row[-1].split("@")[0] for row in nm("-D", "-u", shared)}
                 & NEVER))

finish()
