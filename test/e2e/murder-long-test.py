# SPDX-License-Identifier: MIT
"""300 watchers of 100 jobs, some of one job, some of many and two of all that
there are, behind a proxy that cuts, stalls, splits and delays as it likes: each has the whole list in the
end, or is told of a gap. MURDER_SEED has the proxy do what it did before."""

import asyncio
import json
import os
import random
import re
import time

from serving import Health, Server, run

JOBS, EVENTS, CUTS = 100, 200, 1000
MANY, OF_EACH, OF_ALL = 98, 5, 2  # watchers of several jobs, and of how many
SEED = int(os.environ.get("MURDER_SEED", time.time_ns() % 1000000007))
SHORT, LONG, ALL = (300, 12000), (3000, 60000), (30000, 600000)  # until a cut


class Proxy:
    """Between a watcher and the server; both ends are cut at once."""

    def __init__(self, port, chance):
        self.port, self.chance = port, chance
        self.cuts = self.stalls = self.resets = 0

    async def carry(self, reader, writer):
        try:
            upstream, up = await asyncio.open_connection("127.0.0.1",
                                                         self.port)
        except OSError:
            writer.transport.abort()
            return
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            up.write(head)
            budget = self.chance.randrange(
                *(LONG if b"jobs=" in head else
                  ALL if b"/v1/events" in head else SHORT))
            both = [asyncio.ensure_future(self.back(upstream, writer,
                                                    budget)),
                    asyncio.ensure_future(reader.read())]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in both:
                one.cancel()
        except (OSError, asyncio.IncompleteReadError):
            pass
        for end in (writer, up):
            if self.chance.random() < 0.5:
                end.transport.abort()
                self.resets += 1
            else:
                end.close()

    async def pause(self):
        dice = self.chance.random()
        if dice < 0.003:
            self.stalls += 1
            await asyncio.sleep(self.chance.random() * 4)
        elif dice < 0.02:
            await asyncio.sleep(self.chance.random() * 0.5)
        elif dice < 0.1:
            await asyncio.sleep(self.chance.random() * 0.02)

    async def back(self, upstream, writer, budget):
        sizes = (1, 7, 999, 8192 if budget < LONG[1] else 65536)
        try:
            while budget > 0:
                await self.pause()
                size = self.chance.choice(sizes)
                data = await upstream.read(min(size, budget))
                if not data:
                    return
                budget -= len(data)
                writer.write(data)
                await writer.drain()
            self.cuts += 1
        except OSError:
            pass  # the watcher has gone


class Watcher:
    """Of one job, or of many; `absent` is how often it takes its time to come
    back."""

    def __init__(self, jobs, version, chance, absent):
        self.path = (f"/v1/jobs/{jobs[0]}/stream" if len(jobs) == 1
                     else "/v1/stream?jobs=" + ",".join(jobs)
                     if len(jobs) < JOBS else "/v1/events")
        self.is_many = len(jobs) > 1
        self.version, self.chance, self.absent = version, chance, absent
        self.cursor, self.at, self.gaps = None, 0, 0
        self.last = {job: 0 for job in jobs}
        self.said = {job: [] for job in jobs}
        self.missed = {job: set() for job in jobs}
        self.ends = {job: 0 for job in jobs}
        self.status, self.rest, self.raw = None, b"", b""
        self.marker = None

    def has_all(self):
        return (all(self.ends.values()) if self.is_many
                else self.marker is not None)

    async def watch(self, port):
        while not self.has_all():
            await self.once(port)
        if self.path == "/v1/events":
            return  # which goes on for ever
        self.status = None
        while self.status is None:  # that may be cut too
            await self.once(port)
        assert self.status == 204, self.status

    async def once(self, port):
        self.rest = self.raw = b""
        last = f"Last-Event-ID: {self.cursor}\r\n" if self.cursor else ""
        if self.chance.random() < self.absent:
            await asyncio.sleep(self.chance.random() * 6)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        try:
            writer.write(f"GET {self.path} HTTP/{self.version}"
                         f"\r\nHost: localhost\r\n{last}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split()[1])
            self.status = status if status != 200 else None
            assert status in (200, 204), head
            while status == 200 and not self.has_all():
                data = await reader.read(65536)
                if not data:
                    break
                self.take(data, b"chunked" in head)
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.transport.abort()

    def take(self, data, is_chunked):
        if is_chunked:
            self.raw += data
            data = b""
            while True:
                line = re.match(rb"([0-9a-fA-F]+)\r\n", self.raw)
                if not line:
                    break
                size = int(line[1], 16)
                if len(self.raw) < line.end() + size + 2:
                    break
                data += self.raw[line.end():line.end() + size]
                self.raw = self.raw[line.end() + size + 2:]
        self.rest += data
        frames = self.rest.split(b"\n\n")
        self.rest = frames.pop()
        for frame in frames:
            self.frame(frame.decode())

    def frame(self, text):
        fields = {}
        for line in text.split("\n"):
            name, _, value = line.partition(": ")
            fields.setdefault(name, value)
        kind, data = fields.get("event"), fields.get("data")
        if "id" in fields:
            number = fields["id"].rsplit("-", 1)[1]
            assert (number[0] == "g") == self.is_many, fields
            number = int(number.lstrip("g"))
            assert number >= self.at, (number, self.at)
            self.at, self.cursor = number, fields["id"]
        if data is None or data.startswith("["):
            self.marker = data or self.marker
            return
        event = json.loads(data)
        job, seq = event.get("job_id"), event.get("seq")
        if job is None:  # of all, the opening one
            assert kind == "state" and seq is None, fields
            return
        if kind == "gap":
            self.gap(event, self.last[job])
        elif kind == "end":
            self.ends[job] += 1
            # one who is cut before the marker is told the end once more
            assert seq == self.last[job] + 1, (event, self.last[job])
            if self.is_many:
                self.last[job] = seq
        elif seq is not None:
            assert seq == self.last[job] + 1, (event, self.last[job])
            self.last[job] = seq
            if event["type"] == "narration":
                self.said[job].append(int(re.match(r"seq=(\d+) ",
                                                   event["human"])[1]))

    def gap(self, event, last):
        """Nothing is passed over that is not in it. Of many jobs, some of
        which one has had already, that may be in it too."""
        first, end = event["missed_from"], event["missed_to"]
        assert event["reason"] == "trimmed", event
        assert first <= last + 1 <= end, (event, last)
        assert first == last + 1 or self.is_many, (event, last)
        self.gaps += 1
        self.missed[event["job_id"]].update(range(last + 1, end + 1))
        self.last[event["job_id"]] = end

    def judge(self):
        """What was said is the whole, without what it was told is missing:
        the job is created, queued and running before it says 1."""
        for job, said in self.said.items():
            missed = {seq - 2 for seq in self.missed[job]}
            assert said == [n for n in range(1, EVENTS + 1)
                            if n not in missed], (job, said[:3], len(said))
            assert self.ends[job] == 1 or not self.is_many, self.ends
        assert self.is_many or self.marker == "[DONE]", self.marker


async def watch_all(server, watchers, chance):
    proxy = Proxy(server.port, chance)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    listener = await asyncio.start_server(proxy.carry, "127.0.0.1", 0,
                                          limit=1 << 16)
    port = listener.sockets[0].getsockname()[1]
    await asyncio.wait_for(
        asyncio.gather(*(w.watch(port) for w in watchers)), 140)
    listener.close()
    await asyncio.sleep(0.5)  # for what the proxy is still to close
    return proxy


def murder(absent, *limits):
    """Returns how many gaps there were."""
    print(f"  seed {SEED}", flush=True)
    chance = random.Random(SEED)
    with Server("max_connections=700", *limits,
                more=["--all-events"]) as server:
        before = server.descriptors()
        jobs = [server.create("flood", n=EVENTS, rate=20, size=100)
                for _ in range(JOBS)]
        watchers = [Watcher([job], version, chance, absent) for job in jobs
                    for version in ("1.1", "1.0")]
        watchers += [Watcher(chance.sample(jobs, OF_EACH), "1.1", chance,
                             absent) for _ in range(MANY)]
        watchers += [Watcher(jobs, "1.1", chance, absent)
                     for _ in range(OF_ALL)]
        with Health(server):
            proxy = asyncio.run(watch_all(server, watchers, chance))
        for watcher in watchers:
            watcher.judge()
        gaps = sum(watcher.gaps for watcher in watchers)
        print(f"  {len(watchers)} watchers of {JOBS} jobs, {proxy.cuts} cuts, "
              f"{proxy.stalls} long stalls, {proxy.resets} resets, {gaps} gaps")
        assert len(watchers) == 300 and proxy.cuts >= CUTS, proxy.cuts
        server.back_to(before)
        return gaps


def every_watcher_has_it_all():
    assert murder(0.0) == 0


def who_comes_too_late_is_told_what_is_missing():
    """With logs of few events, and some that take their time."""
    assert murder(0.2, "max_bytes_per_job=16384") > 0


run(every_watcher_has_it_all, who_comes_too_late_is_told_what_is_missing)
