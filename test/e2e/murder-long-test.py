# SPDX-License-Identifier: MIT
"""300 watchers of 100 jobs behind a proxy that cuts, stalls, splits and delays
as it likes: each has the whole list in the end, or is told of a gap."""

import asyncio
import json
import os
import random
import re
import time

from serving import Health, Server, run

JOBS, EACH, EVENTS, CUTS = 100, 3, 200, 1000
SEED = int(os.environ.get("MURDER_SEED", "20261123"))


class Proxy:
    """Between a watcher and the server; both ends are cut at once."""

    def __init__(self, port, chance):
        self.port, self.chance, self.cuts = port, chance, 0

    async def carry(self, reader, writer):
        try:
            upstream, up = await asyncio.open_connection("127.0.0.1",
                                                         self.port)
        except OSError:
            writer.transport.abort()
            return
        try:
            up.write(await reader.readuntil(b"\r\n\r\n"))
            await asyncio.wait([asyncio.ensure_future(self.back(upstream,
                                                                writer)),
                                asyncio.ensure_future(reader.read())],
                               return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.IncompleteReadError):
            pass
        for end in (writer, up):
            if self.chance.random() < 0.5:
                end.transport.abort()
            else:
                end.close()

    async def back(self, upstream, writer):
        budget = self.chance.randrange(300, 12000)
        try:
            while budget > 0:
                if self.chance.random() < 0.02:
                    await asyncio.sleep(self.chance.random() * 0.5)
                size = self.chance.choice((1, 7, 999, 8192))
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
    def __init__(self, port, job, version):
        self.port, self.job, self.version = port, job, version
        self.cursor, self.last, self.gaps = None, 0, 0
        self.said, self.ended, self.marker = [], 0, None
        self.status, self.rest, self.raw = None, b"", b""

    async def watch(self):
        while self.marker is None:
            await self.once()
        self.status = None
        while self.status is None:  # that may be cut too
            await self.once()
        assert self.status == 204, self.status

    async def once(self):
        self.rest = self.raw = b""
        last = f"Last-Event-ID: {self.cursor}\r\n" if self.cursor else ""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1",
                                                           self.port)
        except OSError:
            return
        try:
            writer.write(f"GET /v1/jobs/{self.job}/stream HTTP/{self.version}"
                         f"\r\nHost: localhost\r\n{last}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split()[1])
            self.status = status if status != 200 else None
            assert status in (200, 204), head
            while status == 200 and self.marker is None:
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
        seq = int(fields["id"].rsplit("-", 1)[1]) if "id" in fields else None
        if kind == "gap":
            gap = json.loads(data)
            assert gap["missed_from"] == self.last + 1, (gap, self.last)
            assert seq == gap["missed_to"], fields
            self.gaps += 1
        elif kind == "end":
            self.ended += 1
        elif kind == "state" and json.loads(data).get("seq") is None:
            assert seq == self.last, (seq, self.last)  # the opening frame
        elif seq is not None and data is not None:
            assert seq == self.last + 1, (seq, self.last)
            if data.startswith("["):
                self.marker = data
            elif json.loads(data).get("actor") == "flood" or (
                    '"seq=' in data):
                self.said.append(json.loads(data)["human"].split(" ")[0])
        if seq is not None:
            self.last, self.cursor = seq, fields["id"]


async def watch_all(server, jobs, chance):
    proxy = Proxy(server.port, chance)
    listener = await asyncio.start_server(proxy.carry, "127.0.0.1", 0,
                                          limit=1 << 16)
    port = listener.sockets[0].getsockname()[1]
    watchers = [Watcher(port, job, version) for job in jobs
                for version in ("1.1", "1.1", "1.0")]
    await asyncio.wait_for(asyncio.gather(*(w.watch() for w in watchers)), 100)
    listener.close()
    await asyncio.sleep(0.5)  # for what the proxy is still to close
    return watchers, proxy.cuts


def every_watcher_has_it_all():
    chance = random.Random(SEED)
    with Server("max_connections=700") as server:
        before = server.descriptors()
        jobs = [server.create("flood", n=EVENTS, rate=20, size=100)
                for _ in range(JOBS)]
        with Health(server):
            watchers, cuts = asyncio.run(watch_all(server, jobs, chance))
        whole = [f"seq={i + 1}" for i in range(EVENTS)]
        gaps = sum(watcher.gaps for watcher in watchers)
        for watcher in watchers:
            assert watcher.marker == "[DONE]", watcher.marker
            assert watcher.ended >= 1
            if watcher.gaps == 0:
                assert watcher.said == whole, (len(watcher.said),
                                               watcher.said[:3])
        print(f"  {len(watchers)} watchers, {cuts} cuts, {gaps} gaps, seed "
              f"{SEED}")
        assert len(watchers) == JOBS * EACH and cuts >= CUTS, cuts
        server.back_to(before)


run(every_watcher_has_it_all)
