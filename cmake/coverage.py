# SPDX-License-Identifier: MIT
"""Adds up what gcov knows of lib/: python3 cmake/coverage.py BUILD"""

import json
import os
import subprocess
import sys
import tempfile

SOURCE = os.getcwd()


def notes(build):
    """The .gcno files of lib/, as it is shipped."""
    found = []
    for folder, _, names in os.walk(build):
        if "/lib/" in folder + "/" and "jobsrv_debug" not in folder:
            found += [os.path.join(folder, name) for name in names
                      if name.endswith(".gcno")]
    return sorted(found)


def add(lines, number, count, branches):
    have = lines.setdefault(number, [0, []])
    have[0] += count
    have[1] += branches


def read(build):
    """file -> line -> [times run, [times taken, by branch]]"""
    files = {}
    with tempfile.TemporaryDirectory() as scratch:
        for note in notes(os.path.abspath(build)):
            said = subprocess.run(
                ["gcov", "--branch-probabilities", "--branch-counts",
                 "--json-format", "--stdout", note],
                cwd=scratch, check=False, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL).stdout
            if not said: # of another build
                sys.exit("gcov cannot read " + note)
            unit = json.loads(said)
            for part in unit["files"]:
                path = os.path.normpath(os.path.join(
                    unit["current_working_directory"], part["file"]))
                name = os.path.relpath(path, SOURCE)
                if not name.startswith("lib/") or not name.endswith(".c"):
                    continue
                for line in part["lines"]:
                    add(files.setdefault(name, {}), line["line_number"],
                        line["count"],
                        [branch["count"] for branch in line["branches"]])
    return files


def show(name, sums):
    lines, run, branches, taken = sums
    print("%-22s lines %5d of %5d %7.2f %%  branches %5d of %5d %7.2f %%" % (
        name, run, lines, 100.0 * run / max(lines, 1),
        taken, branches, 100.0 * taken / max(branches, 1)))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 cmake/coverage.py BUILD")
    files = read(sys.argv[1])
    if not files:
        sys.exit("nothing was compiled to be counted in " + sys.argv[1])
    folders = {}
    with open(os.path.join(sys.argv[1], "coverage.txt"), "w") as out:
        for name in sorted(files):
            with open(name) as text:
                source = text.read().split("\n")
            sums = folders.setdefault(os.path.dirname(name), [0] * 4)
            for number, (count, branches) in sorted(files[name].items()):
                left = [str(i) for i, n in enumerate(branches) if n == 0]
                sums[0] += 1
                sums[1] += count > 0
                sums[2] += len(branches)
                sums[3] += len(branches) - len(left)
                if count == 0 or left:
                    what = "line" if count == 0 else "branch " + ",".join(left)
                    out.write("%s:%d: %s: %s\n" % (
                        name, number, what, source[number - 1].strip()))
    for name in sorted(folders):
        show(name, folders[name])
    show("all", [sum(column) for column in zip(*folders.values())])


if __name__ == "__main__":
    main()
