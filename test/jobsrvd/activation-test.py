# SPDX-License-Identifier: MIT
"""Sockets that come from a service manager, and socket files that others may
use, with the built daemon."""

import http.client
import os
import socket
import stat
import subprocess
import tempfile
import unittest

JOBSRVD = os.environ["JOBSRVD"]
PATIENCE = 20

# Execs as a service manager does: the descriptors from 3 on, and its own pid.
PASS_ON = r"""
import os, sys
fds, names, pid = sys.argv[1].split(","), sys.argv[2], sys.argv[3]
fds = [os.dup2(int(fd), 50 + i) for i, fd in enumerate(fds) if fd]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
    os.set_inheritable(3 + i, True)
    os.close(fd)
os.environ["LISTEN_PID"] = pid or str(os.getpid())
os.environ["LISTEN_FDS"] = sys.argv[4] or str(len(fds))
if names:
    os.environ["LISTEN_FDNAMES"] = names
os.execv(sys.argv[5], sys.argv[5:])
"""

PRINT_ALL = ('{"operations": {"look": {"argv": ["/bin/sh", "-c", "env; '
             'ls /proc/self/fd | tr \\"\\\\n\\" ,"], '
             '"env": ["PATH", "LISTEN_FDS", "LISTEN_PID", '
             '"LISTEN_FDNAMES"]}}}')


def listening():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(16)
    return sock


def get(address, path="/health"):
    if isinstance(address, str):
        client = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.settimeout(PATIENCE)
        client.sock.connect(address)
    else:
        client = http.client.HTTPConnection("127.0.0.1", address,
                                            timeout=PATIENCE)
    client.request("GET", path)
    status = client.getresponse().status
    client.close()
    return status


class Activation(unittest.TestCase):
    def start(self, *args, socks=(), names="", pid="", count=""):
        fds = ",".join(str(sock.fileno()) for sock in socks)
        process = subprocess.Popen(
            ["python3", "-c", PASS_ON, fds, names, pid, count, JOBSRVD,
             "--demo", "--log=none"] + list(args),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            pass_fds=[sock.fileno() for sock in socks])
        self.addCleanup(self.stop, process)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE)

    def test_passed_sockets_are_served_in_place_of_the_default(self):
        first, second = listening(), listening()
        process = self.start(socks=[first, second], names="one:two")
        for sock in (first, second):
            port = sock.getsockname()[1]
            self.assertEqual(f"listening on http://127.0.0.1:{port}\n",
                             process.stdout.readline())
            sock.close()
            self.assertEqual(200, get(port))
        process.terminate()
        self.assertEqual("", process.stdout.read())
        self.assertEqual(0, process.wait(PATIENCE))

    def test_addresses_that_are_asked_for_come_besides(self):
        sock = listening()
        process = self.start("--listen", "127.0.0.1:0", socks=[sock])
        ports = [int(process.stdout.readline().rsplit(":", 1)[1])
                 for _ in range(2)]
        self.assertEqual(sock.getsockname()[1], ports[0])
        self.assertNotEqual(ports[0], ports[1])
        self.assertEqual([200, 200], [get(port) for port in ports])

    def test_a_descriptor_may_be_named_itself(self):
        sock = listening()
        process = subprocess.Popen(
            [JOBSRVD, "--demo", "--log=none", "--listen",
             f"fd:{sock.fileno()}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            pass_fds=[sock.fileno()])
        self.addCleanup(self.stop, process)
        process.stdout.readline()
        self.assertEqual(200, get(sock.getsockname()[1]))

    def test_the_sockets_of_somebody_else_are_left_alone(self):
        sock = listening()
        process = self.start("--listen", "127.0.0.1:0", socks=[sock], pid="1")
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        self.assertNotEqual(sock.getsockname()[1], port)

    def test_children_see_neither_variables_nor_sockets(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
            config.write(PRINT_ALL)
            config.flush()
            sock = listening()
            process = self.start("--config", config.name, socks=[sock],
                                 names="web")
            process.stdout.readline()
            port = sock.getsockname()[1]
            client = http.client.HTTPConnection("127.0.0.1", port,
                                                timeout=PATIENCE)
            client.request("POST", "/v1/jobs", '{"operation":"look"}',
                           {"Content-Type": "application/json",
                            "Accept": "application/json"})
            answer = client.getresponse()
            self.assertEqual(202, answer.status)
            where = answer.headers["Location"]
            answer.read()
            client.request("GET", where + "/stream")
            text = client.getresponse().read().decode()
            client.close()
            self.assertIn("PATH=", text)
            self.assertIn('"0,1,2,3,"', text)  # 3 is what ls reads
            self.assertNotIn("LISTEN_", text)

    def test_mistakes_are_told(self):
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for socks, more, due in [
                ([datagrams], {"names": "dns"},
                 "jobsrvd: cannot listen on fd:3 (dns): "),
                ([datagrams], {}, "jobsrvd: cannot listen on fd:3 (unknown): "),
                ([], {"count": "1"}, "jobsrvd: LISTEN_FDS: descriptor 3 "),
                ([], {"count": "1x"}, "jobsrvd: LISTEN_FDS=1x: expected"),
                ([], {"count": "5000"}, "jobsrvd: LISTEN_FDS=5000: expected")]:
            with self.subTest(due):
                process = self.start(socks=socks, **more)
                _, told = process.communicate(timeout=PATIENCE)
                self.assertEqual(1, process.returncode)
                self.assertTrue(told.startswith(due), told)
        datagrams.close()


class SocketFiles(unittest.TestCase):
    def look(self, *args, config=None):
        """Returns the file's stat while the daemon runs."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sock")
            more = []
            if config:
                more = ["--config", os.path.join(folder, "c.json")]
                with open(more[1], "w") as file:
                    file.write(config)
            process = subprocess.Popen(
                [JOBSRVD, "--demo", "--log=none", "--listen", "unix:" + path,
                 "--listen", "127.0.0.1:0"] + more + list(args),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            process.stdout.readline()
            found = os.stat(path)
            self.assertEqual(200, get(path))
            process.terminate()
            process.communicate(timeout=PATIENCE)
            self.assertEqual(0, process.returncode)
            return found

    def test_they_are_the_owner_s_alone(self):
        found = self.look()
        self.assertEqual(0o600, stat.S_IMODE(found.st_mode))
        self.assertEqual(os.geteuid(), found.st_uid)

    def test_a_mode_can_be_given(self):
        found = self.look("--socket-mode", "0666")
        self.assertEqual(0o666, stat.S_IMODE(found.st_mode))

    def test_an_owner_can_be_given(self):
        uid, gid = os.geteuid(), os.getegid()
        if uid == 0:
            uid, gid = 12345, 23456
        found = self.look("--socket-owner", f"{uid}:{gid}")
        self.assertEqual((uid, gid), (found.st_uid, found.st_gid))
        found = self.look("--socket-owner", f":{gid}")
        self.assertEqual((os.geteuid(), gid), (found.st_uid, found.st_gid))

    def test_the_command_line_counts_before_the_file(self):
        config = '{"socket_mode": "0640", "socket_owner": "%d"}' % os.geteuid()
        found = self.look(config=config)
        self.assertEqual(0o640, stat.S_IMODE(found.st_mode))
        self.assertEqual(os.geteuid(), found.st_uid)
        found = self.look("--socket-mode=660", config=config)
        self.assertEqual(0o660, stat.S_IMODE(found.st_mode))


unittest.main()
