# SPDX-License-Identifier: MIT
"""The diagrams of the states, made from the library's own table.

Run with "--write" it puts them where they belong; else it fails when what is
there is not what the table says.
"""
import ctypes
import os
import re
import sys
from pathlib import Path

from tally import check, finish

ROOT = Path(os.environ["SOURCE_DIR"])
lib = ctypes.CDLL(str(Path(os.environ["BUILD_DIR"]) / "libjobsrv.so"))
lib.jobsrv_state_name.restype = ctypes.c_char_p

names = []
while lib.jobsrv_state_name(len(names)) != b"unknown" and len(names) < 100:
    names.append(lib.jobsrv_state_name(len(names)).decode())
ways = {a: [b for j, b in enumerate(names) if lib.jobsrv_state_allowed(i, j)]
        for i, a in enumerate(names)}
ends = [n for i, n in enumerate(names) if lib.jobsrv_state_terminal(i)]


def table():
    """For the head comment of job.h: a line for each state."""
    width = max(map(len, names))
    return ["   %s -> %s" % (name.ljust(width), " | ".join(ways[name]))
            for name in names if name not in ends]


def mermaid():
    """For the README, where it is drawn."""
    return (["stateDiagram-v2"] +
            ["    %s --> %s" % (a, b) for a in names for b in ways[a]] +
            ["    %s --> [*]" % end for end in ends])


PLACES = [
    (ROOT / "include/jobsrv/job.h",
     re.compile(r"(?<= \*\n)( \*   \w+ +-> [\w |]+\n)+"),
     "".join(" *%s\n" % line for line in table())),
    (ROOT / "README.md",
     re.compile(r"(?<=^```mermaid\n).*?(?=^```$)", re.S | re.M),
     "".join(line + "\n" for line in mermaid())),
]

check("there are states", [] if len(names) > 3 else names)
check("names are distinct", sorted({n for n in names if names.count(n) > 1}))
reached = {names[0]}
while True:
    more = {b for a in reached for b in ways[a]} - reached
    if not more:
        break
    reached |= more
check("every state can be reached from %s" % names[0],
      sorted(set(names) - reached))
check("no state is a dead end but the terminal ones",
      [n for n in names if not ways[n] and n not in ends])
check("terminal states absorb", [n for n in ends if ways[n]])
for path, pattern, wanted in PLACES:
    text = path.read_text()
    found = pattern.findall(text)
    if "--write" in sys.argv:
        path.write_text(pattern.sub(lambda _: wanted, text, count=1))
        continue
    match = pattern.search(text)
    check("%s has the diagram once" % path.name,
          [] if len(found) == 1 else ["%d times" % len(found)])
    check("%s shows what the table says" % path.name,
          [] if match and match.group(0) == wanted
          else ["this is due:"] + wanted.splitlines())

finish()
