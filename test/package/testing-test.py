# SPDX-License-Identifier: MIT
"""The test in the comment of jobsrv/testing.h, built outside the tree."""
import os
import subprocess
import tempfile
from pathlib import Path

from tally import check, finish

SOURCE = Path(os.environ["SOURCE_DIR"])
BUILD = Path(os.environ["BUILD_DIR"])
CC = os.environ.get("CC", "cc")
HEADER = (SOURCE / "include/jobsrv/testing.h").read_text()
GREET = SOURCE / "test/package/greet.c"

lines = []
for line in HEADER.splitlines():
    if line.startswith(" *   #include <jobsrv/testing.h>") or lines:
        if line != " *" and not line.startswith(" *   "):
            break
        lines.append(line[5:])
while lines and not lines[-1]:
    lines.pop()
check("the header has a test", [] if len(lines) > 10 else lines)
check("it is 30 lines at most", [] if len(lines) <= 30
      else ["%d lines" % len(lines)])


def run(*command, **more):
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=60, **more)


def build(folder, lib, static, *define):
    environment = dict(os.environ, PKG_CONFIG_PATH=str(lib / "pkgconfig"))
    flags = run("pkg-config", "--cflags", "--libs",
                *(["--static"] if static else []), "jobsrv-testing", "libuv",
                env=environment)
    check("pkg-config knows it" + " static" * static,
          flags.stdout.splitlines() if flags.returncode else [])
    program = folder / "test"
    got = run(CC, "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra",
              "-Wno-missing-field-initializers", "-Werror", *define,
              folder / "test.c", GREET, *flags.stdout.split(), "-o", program)
    check("it compiles" + " static" * static + " ".join(("",) + define),
          got.stdout.splitlines() if got.returncode else [])
    return program


with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
    folder = Path(scratch)
    prefix = folder / "prefix"
    (folder / "test.c").write_text("\n".join(lines) + "\n")
    run("cmake", "--install", BUILD, "--prefix", prefix)
    lib = next(prefix.rglob("jobsrv-testing.pc")).parent.parent

    def works(static, *define):
        program = build(folder, lib, static, *define)
        if not program.exists():
            return -1
        return run(program, env=dict(os.environ, LD_LIBRARY_PATH=str(lib))
                   ).returncode

    got = works(False)
    check("it passes", [] if got == 0 else ["line %d" % got])
    got = works(False, "-DTIMES=2")
    check("it notices an operation that greets twice",
          [] if got > 0 and "capture_count" in lines[got - 1]
          else ["ended with %d" % got])
    for path in lib.glob("*.so*"):
        path.unlink()
    got = works(True)
    check("it passes with the archives", [] if got == 0
          else ["line %d" % got])

finish()
