# SPDX-License-Identifier: MIT
"""The rules of the tree: floors, top level, marks in every file."""
import os
import re
import subprocess
from pathlib import Path

from tally import check, finish

ROOT = Path(os.environ["SOURCE_DIR"])
TOP = {"CMakeLists.txt", "LICENSE", "README.md", "include", "lib", "test",
       "bench", "cmake"}

# What the files of a folder may include of ours.
CORE_HEADERS = r"jobsrv/(?!sse\.h|otlp\.h|testing|client\.h)\w+\.h"
FLOORS = {
    "include/jobsrv": r"jobsrv/\w+\.h",
    "lib/base": r"jobsrv/(alloc|error|export|timer|json)\.h|base/\w+\.h",
    "lib/core": CORE_HEADERS + r"|(base|core)/\w+\.h",
    "lib/narration": CORE_HEADERS + r"|(base|core|narration(/sinks)?)/\w+\.h",
    "lib": CORE_HEADERS + r"|(base|core|narration(/sinks)?)/\w+\.h",
    "lib/sse": r"jobsrv/(?!testing|client\.h)\w+\.h|(base|sse)/\w+\.h",
    "lib/otlp": r"jobsrv/(?!testing|sse|client\.h)\w+\.h"
                r"|(base|otlp)/\w+\.h",
    "lib/testing": r"jobsrv/\w+\.h|(base|testing)/\w+\.h",
    "lib/jobsrvd": r"jobsrv/(?!testing)\w+\.h",
}
# Who may see which library; all may see the C library.
THIRD = {
    "uv.h": ("lib", "lib/base", "lib/core", "lib/narration", "lib/sse",
             "lib/otlp", "lib/testing", "lib/jobsrvd"),
    "jansson.h": ("lib/jobsrvd",),
    "llhttp.h": ("lib/sse", "lib/otlp"),
    "zlib.h": ("lib/sse",),
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def tree():
    """The files that are, or are about to be, in the repository."""
    got = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"], capture_output=True, check=False)
    if got.returncode == 0:
        names = [n for n in got.stdout.decode().split("\0") if n]
    else:  # an unpacked archive
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")
                 if p.is_file()]
        names = [n for n in names if not n.startswith((".git/", "build"))]
    return sorted(n for n in names if (ROOT / n).is_file())


def floor_of(name):
    folder = os.path.dirname(name)
    while folder and folder not in FLOORS:
        folder = os.path.dirname(folder)
    return folder


def sources(names, *folders):
    return [n for n in names
            if n.endswith((".c", ".h")) and n.startswith(folders)]


def lines(name):
    return (ROOT / name).read_text(encoding="utf-8").splitlines()


names = tree()

check("the top level holds what it should",
      sorted({n.split("/")[0] for n in names
              if not n.startswith(".")} - TOP))

for floor, allowed in FLOORS.items():
    faults = []
    for name in sources(names, "include/", "lib/"):
        if floor_of(name) != floor:
            continue
        for mark, what in INCLUDE.findall((ROOT / name).read_text()):
            beside = (ROOT / name).parent / what
            if "/" not in what and mark == '"' and beside.is_file():
                continue
            ours = mark == '"' or what.startswith("jobsrv/")
            if (ROOT / name).parent.name == "adapters" and what == "uv.h":
                continue  # an adapter includes what it adapts to
            if what in THIRD or what.startswith("uv/"):
                if floor not in THIRD[what if what in THIRD else "uv.h"]:
                    faults.append("%s includes %s" % (name, what))
            elif ours and not re.fullmatch(allowed, what):
                faults.append("%s includes %s" % (name, what))
    check(floor + " includes only what is below it", faults)

check("every source says its licence first",
      [n for n in sources(names, "include/", "lib/", "test/", "bench/")
       if lines(n)[:1] != ["/* SPDX-License-Identifier: MIT */"]])

SCRIPT = re.compile(r"(\.(sh|py|cmake|cmake\.in)|CMakeLists\.txt|\.ci/run)$")
check("every script says its licence at its top",
      [n for n in names if SCRIPT.search(n)
       and "# SPDX-License-Identifier: MIT" not in lines(n)[:2]])

# Written in pieces, so that this file passes.
UNFINISHED = re.compile(
    r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"
    r"|(?i:\b(not implement" r"ed|unimplement" r"ed|placehold" r"er)\b)")
MACHINE = re.compile(r"(/wo" r"rk/|/fa" r"rm/|/ro" r"ot/|/ho" r"me/"
                     r"|/t" r"mp/[a-z]+/)")
marks = []
paths = []
for name in names:
    try:
        text = lines(name)
    except UnicodeDecodeError:
        continue
    for number, line in enumerate(text, 1):
        if UNFINISHED.search(line):
            marks.append("%s:%d: %s" % (name, number, line.strip()))
        if MACHINE.search(line):
            paths.append("%s:%d: %s" % (name, number, line.strip()))
check("nothing is unfinished by its own words", marks)
check("no path of one machine is in the tree", paths)

# snprintf() tells the length that a text would have had. Who takes it for a
# number has to look whether it fitted, as these do; the rest uses
# base/format.h, which tells what is there. (jobsrvd sees public headers only.)
COUNTS = {"lib/base/buf.c", "lib/base/format.c", "lib/base/json_scan.c",
          "lib/narration/say.c", "lib/sse/address.c", "lib/testing/explain.c"}
COUNTED = re.compile(r"(?:[=(,?:<>+]|\breturn|\(size_t\)|\(int\))\s*"
                     r"v?snprintf\(")
counted = []
for name in sources(names, "lib/"):
    text = (ROOT / name).read_text()
    if name not in COUNTS and not name.startswith("lib/jobsrvd/"):
        counted += ["%s:%d" % (name, text.count("\n", 0, m.start()) + 1)
                    for m in COUNTED.finditer(text)]
check("no length is taken from snprintf() unseen", counted)

long_files = []
wide = []
loose = []
for name in sources(names, "include/", "lib/"):
    text = lines(name)
    if len(text) > 600:
        long_files.append("%s: %d lines" % (name, len(text)))
    for number, line in enumerate(text, 1):
        if len(line) > 80:
            wide.append("%s:%d: %d columns" % (name, number, len(line)))
        if "\t" in line or line != line.rstrip():
            loose.append("%s:%d" % (name, number))
check("no source is over 600 lines", long_files)
check("no source is wider than 80 columns", wide)
check("no source has tabs or blanks at the end of a line", loose)

finish()
