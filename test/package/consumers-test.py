# SPDX-License-Identifier: MIT
"""Hosts outside the tree, built every way there is to use the libraries.

`host` is the first C program of the README: it has to say something and end
well. `serve` is given a job over HTTP and has to stream it to its end. `export`
sends one to a collector, and ends well when that has taken it.
"""
import http.server
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from tally import check, finish

SOURCE = Path(os.environ["SOURCE_DIR"])
BUILD = Path(os.environ["BUILD_DIR"])
CC = os.environ.get("CC", "cc")
PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(host C CXX)
set(CMAKE_C_STANDARD 11)
find_package(jobsrv 0.1 REQUIRED COMPONENTS sse otlp testing)
find_package(PkgConfig REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
foreach(form shared static)
  set(suffix "")
  if(form STREQUAL "static")
    set(suffix _static)
  endif()
  foreach(language c cxx)
    add_executable(host-${form}-${language} host.${language})
    target_link_libraries(host-${form}-${language}
      jobsrv::jobsrv${suffix} PkgConfig::UV)
    add_executable(serve-${form}-${language} serve.${language})
    target_link_libraries(serve-${form}-${language}
      jobsrv::sse${suffix} PkgConfig::UV)
    add_executable(export-${form}-${language} export.${language})
    target_link_libraries(export-${form}-${language}
      jobsrv::otlp${suffix} PkgConfig::UV)
  endforeach()
endforeach()
"""
SUBPROJECT = """
cmake_minimum_required(VERSION 3.20)
project(host C)
enable_testing()
set(CMAKE_C_STANDARD 11)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
add_subdirectory(${JOBSRV_SOURCE} jobsrv)
add_executable(host host.c)
target_link_libraries(host jobsrv::jobsrv libuv::uv)
add_executable(serve serve.c)
target_link_libraries(serve jobsrv::sse libuv::uv)
add_executable(export export.c)
target_link_libraries(export jobsrv::otlp libuv::uv)
add_custom_target(all_of_them DEPENDS host serve export)
"""


def run(*command, **more):
    """Returns what it printed; None, and a failed check, if it failed."""
    got = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False,
                         **more)
    check(" ".join(map(str, command))[:120],
          got.stdout.splitlines()[-40:] if got.returncode else [])
    return None if got.returncode else got.stdout


def readme_host():
    found = re.search(r"^```c\n(.*?)^```", (SOURCE / "README.md").read_text(),
                      re.S | re.M)
    check("the README has a host", [] if found else ["no ```c block"])
    return found.group(1) if found else ""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(path, body=None):
    request = urllib.request.Request("http://127.0.0.1:%d%s" % (PORT, path))
    if body is not None:
        request.data = body.encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def run_host(program, environment):
    """Runs it to its end; returns what went wrong."""
    try:
        got = subprocess.run([str(program)], env=environment, timeout=30,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, check=False)
    except subprocess.TimeoutExpired:
        return ["did not end in 30 s"]
    if got.returncode == 0 and got.stdout.strip():
        return []
    return ["ended with %d, said:" % got.returncode, got.stdout]


def run_serve(program, environment):
    """Streams a job of it; returns what went wrong."""
    process = subprocess.Popen([str(program)], env=environment)
    try:
        for _ in range(200):
            try:
                ask("/health")
                break
            except OSError:
                if process.poll() is not None:
                    return ["ended with %d" % process.returncode]
                time.sleep(0.05)
        job = json.loads(ask("/v1/jobs", json.dumps({"operation": "greet"})))
        stream = ask(job["sse_url"])
        if "hello from greet" in stream and "data: [DONE]" in stream:
            return []
        return stream.splitlines()
    except OSError as e:
        return [str(e)]
    finally:
        process.kill()
        process.wait()


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def run_export(program, environment):
    """Lets it send to a collector; returns what went wrong."""
    address = ("127.0.0.1", COLLECTOR_PORT)
    with http.server.ThreadingHTTPServer(address, Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            got = subprocess.run([str(program)], env=environment, timeout=30,
                                 check=False)
        except subprocess.TimeoutExpired:
            return ["did not end in 30 s"]
        finally:
            server.shutdown()
    return ["ended with %d" % got.returncode] if got.returncode else []


RUN = {"host": run_host, "serve": run_serve, "export": run_export}
MODULES = {"host": "jobsrv", "serve": "jobsrv-sse", "export": "jobsrv-otlp"}


def run_daemon(program):
    if program is None:
        return ["no jobsrvd"]
    process = subprocess.Popen(
        [str(program), "--demo", "--listen", "127.0.0.1:0", "--log", "none"],
        stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        process.terminate()
        process.wait(20)
    except subprocess.TimeoutExpired:
        return ["did not end in 20 s"]
    finally:
        process.kill()
        process.wait()
    if line.startswith("listening on http://") and process.returncode == 0:
        return []
    return [line.strip(), "ended with %d" % process.returncode]


def works(name, what, program, shared, library_path=None):
    environment = dict(os.environ)
    if library_path:
        environment["LD_LIBRARY_PATH"] = str(library_path)
    check("%s runs: %s" % (name, what),
          RUN[name](program, environment))
    needed = subprocess.run(["readelf", "-d", str(program)], check=True,
                            capture_output=True, text=True).stdout
    check("%s %s: %s" % (name, "links the shared library" if shared
                         else "holds the library", what),
          [] if ("libjobsrv" in needed) == shared else [needed])


def by_pkg_config(folder, lib, static):
    environment = dict(os.environ)
    environment["PKG_CONFIG_PATH"] = str(lib / "pkgconfig")
    form = ["--static"] if static else []
    for name, module in MODULES.items():
        flags = run("pkg-config", "--cflags", "--libs", *form, module,
                    "libuv", env=environment)
        if flags is None:
            return
        for compiler, language in ((CC, ["-xc", "-std=c11",
                                         "-D_POSIX_C_SOURCE=200809L"]),
                                   ("c++", ["-xc++", "-std=c++17"])):
            what = "pkg-config-%s-%s" % ("static" if static else "shared",
                                         language[0][2:])
            program = folder / (name + "-" + what)
            if run(compiler, *language, "-Wall", "-Wextra", "-Werror",
                   folder / (name + ".c"), "-xnone", *flags.split(), "-o",
                   program) is not None:
                works(name, what, program, not static,
                      None if static else lib)


def by_find_package(folder, prefix):
    work = folder / "find_package"
    work.mkdir()
    (work / "CMakeLists.txt").write_text(PROJECT)
    for name in MODULES:
        text = (folder / (name + ".c")).read_text()
        (work / (name + ".c")).write_text(text)
        (work / (name + ".cxx")).write_text(text)
    if run("cmake", "-S", work, "-B", work / "b", "-GNinja",
           "-DCMAKE_PREFIX_PATH=%s" % prefix) is None:
        return
    if run("cmake", "--build", work / "b") is None:
        return
    for name in MODULES:
        for form in ("shared", "static"):
            for language in ("c", "cxx"):
                what = "%s-%s" % (form, language)
                works(name, "find_package " + what,
                      work / "b" / (name + "-" + what), form == "shared")


def by_add_subdirectory(folder):
    work = folder / "add_subdirectory"
    work.mkdir()
    (work / "CMakeLists.txt").write_text(SUBPROJECT)
    for name in MODULES:
        (work / (name + ".c")).write_text((folder / (name + ".c")).read_text())
    if run("cmake", "-S", work, "-B", work / "b", "-GNinja",
           "-DJOBSRV_SOURCE=%s" % SOURCE) is None:
        return
    if run("cmake", "--build", work / "b", "--target", "all_of_them") is None:
        return
    for name in MODULES:
        works(name, "add_subdirectory", work / "b" / name, True)
    listed = run("ctest", "-N", "--test-dir", work / "b")
    if listed is not None:
        check("a sub-project brings no tests",
              [] if "Total Tests: 0" in listed else listed.splitlines())
    check("a sub-project installs nothing",
          [] if run("cmake", "--install", work / "b", "--prefix",
                    work / "p") is not None
          and not (work / "p").exists() else [str(work / "p")])


def components(folder):
    """Each component holds its part, and no other's."""
    wanted = {
        "runtime": {"libjobsrv.so.0", "libjobsrv-sse.so.0",
                    "libjobsrv-otlp.so.0"},
        "devel": {"libjobsrv.so", "libjobsrv.a", "libjobsrv-sse.so",
                  "libjobsrv-sse.a", "jobsrv.pc", "jobsrv-sse.pc",
                  "jobsrv.h", "sse.h", "jobsrvConfig.cmake",
                  "libjobsrv-otlp.so", "libjobsrv-otlp.a", "jobsrv-otlp.pc",
                  "otlp.h"},
        "testing": {"libjobsrv-testing.so.0", "libjobsrv-testing.a",
                    "libjobsrv-testing.so", "jobsrv-testing.pc", "testing.h",
                    "testing_sse.h"},
        "daemon": {"jobsrvd"},
    }
    held = {}
    for name in wanted:
        prefix = folder / ("component-" + name)
        if run("cmake", "--install", BUILD, "--component", name, "--prefix",
               prefix) is None:
            return
        held[name] = {p.name for p in prefix.rglob("*") if not p.is_dir()}
        check("component %s is whole" % name,
              sorted(wanted[name] - held[name]))
    for name, files in held.items():
        others = set().union(*(f for n, f in held.items() if n != name))
        check("component %s shares no file" % name, sorted(files & others))


PORT = free_port()
SERVE, found = re.subn(r"127\.0\.0\.1:\d+", "127.0.0.1:%d" % PORT,
                       (SOURCE / "test/package/serve.c").read_text())
check("serve listens where it was told", [] if found == 1 else [SERVE])
COLLECTOR_PORT = free_port()
EXPORT, found = re.subn(r"127\.0\.0\.1:\d+", "127.0.0.1:%d" % COLLECTOR_PORT,
                        (SOURCE / "test/package/export.c").read_text())
check("export sends where it was told", [] if found == 1 else [EXPORT])

with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
    folder = Path(scratch)
    (folder / "host.c").write_text(readme_host())
    (folder / "serve.c").write_text(SERVE)
    (folder / "export.c").write_text(EXPORT)
    both = folder / "both"
    archives = folder / "archives"
    if (run("cmake", "--install", BUILD, "--prefix", both) is not None and
            run("cmake", "--install", BUILD, "--prefix", "archives",
                cwd=folder) is not None):
        def lib_of(prefix):
            return next(prefix.rglob("jobsrv.pc")).parent.parent

        # With both at hand a linker takes the shared one.
        for path in lib_of(archives).glob("*.so*"):
            path.unlink()
        by_pkg_config(folder, lib_of(both), False)
        by_pkg_config(folder, lib_of(archives), True)
        by_find_package(folder, both)
        by_add_subdirectory(folder)
        components(folder)
        check("the installed daemon listens, and ends when told",
              run_daemon(next(both.rglob("jobsrvd"), None)))

finish()
