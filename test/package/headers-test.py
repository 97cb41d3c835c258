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

with tempfile.TemporaryDirectory() as folder:
    source = Path(folder) / "alone.c"
    for compiler, language in WAYS:
        if not shutil.which(compiler):
            continue
        used += 1
        for header in HEADERS:
            line = '#include "jobsrv/%s"\n' % header.name
            # Twice: its guard is tried too.
            source.write_text(line + line + "extern int alone;\n")
            got = subprocess.run(
                [compiler, *language, *WARNINGS, "-I", str(INCLUDE),
                 str(source)], capture_output=True, text=True, check=False)
            check("%s alone: %s %s" % (header.name, compiler, language[1]),
                  (got.stderr.splitlines() or ["?"])
                  if got.returncode else [])

check("there was a compiler", [] if used else ["none of them was found"])
check("there are headers", [] if HEADERS else [str(INCLUDE)])

THIRD = re.compile(r'^\s*#\s*include\s+["<](uv|jansson|llhttp)\b', re.M)
check("no public header includes another library's",
      [h.name for h in HEADERS if THIRD.search(h.read_text())])

finish()
