# SPDX-License-Identifier: MIT
"""curl -N, Python's http.client and the npm packages eventsource and
eventsource-parser hear the same of a job, cut in the middle or not."""

import http.client
import json
import os
import subprocess
import threading
from pathlib import Path

from world import Events, Proxy, Server, logged, need, packed, run, seqs

PACKAGES = ["eventsource@3.0.7", "eventsource-parser@3.0.6"]
HERE = Path(__file__).parent
NODE = Path(os.environ["BUILD_DIR"]) / "test" / "npm"
TEXTS = ["grüße", "日本語", "\U0001f407\u200d\U0001f525", "[DONE]", "",
         "data: [ERROR] x", "\u2028 \u2029", "id: 7", "e\u0301", " lead"]


def fetch_packages():
    if all((NODE / "node_modules" / p.split("@")[0]).exists()
           for p in PACKAGES):
        return
    NODE.mkdir(parents=True, exist_ok=True)
    got = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock",
         "--ignore-scripts", "--prefix", str(NODE), *PACKAGES],
        capture_output=True, text=True, timeout=60)
    assert got.returncode == 0, "npm cannot fetch: " + got.stderr


# ---- clients: each returns the events, after it was told 204 ----

def by_curl(port, path):
    events = Events()
    while True:
        args = ["curl", "-sS", "-N", "-m", "30", "-w", "%{stderr}%{http_code}",
                f"http://127.0.0.1:{port}{path}"]
        if events.last_id:
            args += ["-H", "Last-Event-ID: " + events.last_id]
        got = subprocess.run(args, capture_output=True)
        if got.stderr.endswith(b"204"):
            return events.list
        assert got.stderr.endswith(b"200"), got.stderr
        for line in got.stdout.decode().split("\n")[:-1]:
            events.feed(line)
        events.cut()


def by_http_client(port, path):
    events = Events()
    while True:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Last-Event-ID": events.last_id} if events.last_id else {}
        client.request("GET", path, headers=headers)
        answer = client.getresponse()
        if answer.status == 204:
            return events.list
        assert answer.status == 200, answer.status
        try:
            while line := answer.readline():
                if line.endswith(b"\n"):
                    events.feed(line[:-1].decode())
        except (OSError, http.client.HTTPException):
            pass
        client.close()
        events.cut()


def by_node(kind):
    def client(port, path):
        got = subprocess.run(
            ["node", str(HERE / "clients.mjs"), kind,
             f"http://127.0.0.1:{port}{path}"],
            capture_output=True, timeout=40,
            env={**os.environ, "CLIENTS_DIR": str(NODE)})
        assert got.returncode == 0, (kind, got.returncode, got.stderr)
        return json.loads(got.stdout)
    return client


CLIENTS = {"curl": by_curl, "http.client": by_http_client,
           "eventsource": by_node("eventsource"),
           "eventsource-parser": by_node("parser")}


def all_clients(server, job, cut=None, splits=False):
    """What each has heard, from a proxy of its own: {name: (events, heads)}.
    """
    heard, path = {}, f"/v1/jobs/{job}/stream"

    def one(name, client):
        with Proxy(server.port) as proxy:
            proxy.splits = splits
            if cut:
                proxy.cuts.append(cut)
            try:
                heard[name] = (client(proxy.port, path), proxy.heads)
            except Exception as error:
                heard[name] = error

    threads = [threading.Thread(target=one, args=c) for c in CLIENTS.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    for name in CLIENTS:
        assert not isinstance(heard[name], Exception), (name, heard[name])
    return heard


def same(server, job, heard, connections, ends=1):
    """All are the log, whole and once; returns it."""
    log = logged(by_http_client(server.port, f"/v1/jobs/{job}/stream"))
    assert log[-1][:2] == ["message", "[DONE]"], log[-1]
    assert seqs(log) == list(range(1, len(seqs(log)) + 1)), seqs(log)
    end = [e for e in log if e[0] == "end"]
    for name, (events, heads) in heard.items():
        openings = [e for e in events if e[0] == "state"
                    and '"seq":' not in e[1]]
        want = log[:-2] + end * ends + log[-1:]
        got = logged(events)
        assert got == want, (name, [(a, b) for a, b in zip(got, want)
                                    if a != b][:1], len(got), len(want))
        # the last connection is the one that was told 204
        assert len(heads) == connections + 1, (name, heads)
        assert len(openings) == connections, (name, openings)
        assert heads[-1][1]["last-event-id"] == log[-1][2], (name, heads[-1])
    return log


def live_and_uncut_they_hear_the_same():
    with Server() as server:
        job = server.create("count", n=40, interval_ms=50)
        log = same(server, job, all_clients(server, job), 1)
        assert len(log) == 44, len(log)


def text(splits):
    with Server() as server:
        job = server.create("echo", lines=TEXTS)
        log = same(server, job, all_clients(server, job, splits=splits), 1)
        assert [json.loads(e[1])["human"] for e in log[2:-2]] == TEXTS


def text_of_all_kinds_is_the_same():
    text(False)


def text_in_pieces_of_characters_is_the_same():
    text(True)


def cut_inside_a_frame(reset):
    with Server() as server:
        job = server.create("count", n=60, interval_ms=50)
        needle = b'"human":"20 of 60'
        heard = all_clients(server, job, (needle, 3, reset))
        log = same(server, job, heard, 2)
        for name, (_, heads) in heard.items():
            resumed = heads[1][1]["last-event-id"]
            assert resumed == log[20][2], (name, resumed, log[20][2])


def resumed_in_the_middle_they_hear_the_same():
    cut_inside_a_frame(False)


def resumed_after_a_reset_they_hear_the_same():
    cut_inside_a_frame(True)


def cut_between_frames_they_hear_the_same():
    with Server() as server:
        job = server.create("count", n=20, interval_ms=50)
        heard = all_clients(server, job, (b'"human":"7 of 20', 0, False))
        same(server, job, heard, 2)


def cut_before_the_marker_the_end_comes_again():
    with Server() as server:
        job = server.create("count", n=5)
        cut = (b"\ndata: [DONE]", -len("data: [DONE]"), False)
        same(server, job, all_clients(server, job, cut), 2, ends=2)


def machine_data_is_the_same():
    with Server() as server:
        value = {"a": [1, 2.5, "\U0001f600"], "b": None}
        job = server.create("data", value=value)
        log = same(server, job, all_clients(server, job), 1)
        assert log[2][0] == "data"
        assert json.loads(log[2][1])["payload"] == value


def compressed_they_hear_the_same():
    with Server("--gzip", "--metrics") as server:
        job = server.create("count", n=40, interval_ms=50)
        heard = all_clients(server, job)
        same(server, job, heard, 1)
        # these ask for it by themselves; curl is asked elsewhere
        for name in ("eventsource", "eventsource-parser"):
            asked = heard[name][1][0][1]["accept-encoding"]
            assert "gzip" in asked, (name, asked)
        assert packed(server.port) > 0  # fewer than events: node starts late


need("curl", "node", "npm")
fetch_packages()
run([live_and_uncut_they_hear_the_same, text_of_all_kinds_is_the_same,
     text_in_pieces_of_characters_is_the_same,
     resumed_in_the_middle_they_hear_the_same,
     resumed_after_a_reset_they_hear_the_same,
     cut_between_frames_they_hear_the_same,
     cut_before_the_marker_the_end_comes_again,
     machine_data_is_the_same, compressed_they_hear_the_same])
