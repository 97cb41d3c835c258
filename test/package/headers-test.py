# SPDX-License-Identifier: MIT
"""Each public header compiles alone, in each language, without help."""
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tally import check, finish

INCLUDE = Path(os.environ["SOURCE_DIR"]) / "include"
HEADERS = sorted(INCLUDE.glob("jobsrv/*.h"))
# These need what they adapt to, and POSIX; where it is not there they are
# left out.
ADAPTERS = {"glib.h": "glib-2.0", "libevent.h": "libevent",
            "sd_event.h": "libsystemd", "uv.h": "libuv",
            "poll.h": None}
C = ["-xc", "-std=c11", "-Wstrict-prototypes"]
CXX11 = ["-xc++", "-std=c++11"]
CXX17 = ["-xc++", "-std=c++17"]
WAYS = [("gcc", C), ("clang", C), ("g++", CXX11), ("g++", CXX17),
        ("clang++", CXX11), ("clang++", CXX17)]
if not shutil.which("gcc"):
    WAYS.append((os.environ.get("CC", "cc"), C))
WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Wconversion",
            "-Werror", "-fsyntax-only", "-U_GNU_SOURCE"]
used = 0


def alone(source, compiler, language, name, flags):
    line = '#include "jobsrv/%s"\n' % name
    # Twice: its guard is tried too.
    source.write_text(line + line + "extern int alone;\n")
    got = subprocess.run(
        [compiler, *language, *WARNINGS, *flags, "-I", str(INCLUDE),
         str(source)], capture_output=True, text=True, check=False)
    check("%s alone: %s %s" % (name, compiler, language[1]),
          (got.stderr.splitlines() or ["?"]) if got.returncode else [])


def adapter_flags(package):
    """What to compile with, or None."""
    if package is None:
        return ["-D_GNU_SOURCE"]
    got = subprocess.run(["pkg-config", "--cflags", package],
                         capture_output=True, text=True, check=False)
    if got.returncode:
        return None
    return ["-D_GNU_SOURCE",
            *(f.replace("-I", "-isystem", 1) for f in got.stdout.split())]


with tempfile.TemporaryDirectory() as folder:
    source = Path(folder) / "alone.c"
    for compiler, language in WAYS:
        if not shutil.which(compiler):
            continue
        used += 1
        for header in HEADERS:
            alone(source, compiler, language, header.name, [])
        for header, package in ADAPTERS.items():
            flags = adapter_flags(package)
            if flags is not None and language is not CXX11:
                alone(source, compiler, language, "adapters/" + header, flags)

check("there was a compiler", [] if used else ["none of them was found"])
check("there are headers", [] if HEADERS else [str(INCLUDE)])
check("each adapter is looked at", [
    path.name for path in INCLUDE.glob("jobsrv/adapters/*.h")
    if path.name not in ADAPTERS])

THIRD = re.compile(r'^\s*#\s*include\s+["<](uv|jansson|llhttp)\b', re.M)
check("no public header includes another library's",
      [h.name for h in HEADERS if THIRD.search(h.read_text())])

finish()
