"""What the MicroPython tests share."""

import asyncio
import os
import time

from wire import WiredHttp

import uploader
from uploader import Clock, Store, Uploader
from uploader.clock import FLOOR
from uploader.config import check
from uploader.errors import LinkError
from uploader.links.host import HostLink


def folder():
    """This test's own directory."""
    return os.getenv("TEST_DIR")


def raises(kind, call, *args):
    """The exception of `kind` that `call` raises; fails if it raises none."""
    try:
        call(*args)
    except kind as e:
        return e
    raise AssertionError("%s was not raised" % kind.__name__)


def expected_to_fail(reason):
    """Mark a test of what the firmware gets wrong still: conftest.py reads the reason. If it
    passes, that is a failure: take the mark away."""
    return lambda test: test


async def fails(kind, awaitable):
    """The exception of `kind` that awaiting raises; fails if it raises none."""
    try:
        await awaitable
    except kind as e:
        return e
    raise AssertionError("%s was not raised" % kind.__name__)


def free_port():
    """A port of loopback that was free a moment ago, below those that the kernel gives to whoever
    asks it for one."""
    import socket

    while True:
        port = 20000 + int.from_bytes(os.urandom(2), "little") % 12000
        probe = socket.socket()
        try:
            probe.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            return port
        except OSError:
            pass
        finally:
            probe.close()


class Ticks:
    """A millisecond counter and a wait that moves it, for virtual time."""

    def __init__(self, start=0):
        self.ms = start

    def ticks_ms(self):
        return self.ms & time.ticks_add(0, -1)  # the period is the port's own

    async def sleep_ms(self, ms):
        self.ms += ms
        await asyncio.sleep_ms(0)


class Script:
    """A plain HTTP server that answers each request with the next of `answers` (bytes), or
    lets `answers[i](reader, writer, request)`, a coroutine function, handle it.

    `requests` are what it was sent, `connections` how many came.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.connections = 0
        self.port = None

    async def __aenter__(self):
        self.port = free_port()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self):
        return "http://127.0.0.1:%d/x" % self.port

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            while self.answers:
                request = await self.read(reader)
                if request is None:
                    break
                self.requests.append(request)
                answer = self.answers.pop(0)
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                    if b"close" in answer:
                        break
                else:
                    await answer(reader, writer, request)
                    break
        except (OSError, EOFError):
            pass
        writer.close()
        await writer.wait_closed()

    async def read(self, reader):
        """One request's head and body, the body left out where an answer function reads it."""
        head = b""
        length = 0
        while True:
            line = await reader.readline()
            if not line:
                return None
            head += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            if line == b"\r\n":
                break
        if self.answers and not isinstance(self.answers[0], bytes):
            return head
        return head + (await reader.readexactly(length) if length else b"")


def answer(status=200, body=b"{}", headers=()):
    """An HTTP answer as bytes."""
    head = b"HTTP/1.1 %d Something\r\nContent-Length: %d\r\n" % (status, len(body))
    for h in headers:
        head += h + b"\r\n"
    return head + b"\r\n" + body


class Zeros:
    """A readable source of `size` zero bytes."""

    def __init__(self, size):
        self.left = size

    def readinto(self, buf):
        n = min(len(buf), self.left)
        self.left -= n
        return n


class Link:
    """A link that does as it is told: it is up once `up()` was called while it `works`; a test
    may set `on`, `works`, `roams` and `dbm` at any time."""

    def __init__(self, name, works=True, metered=False):
        self.name = name
        self.connection = {"wifi": "wifi", "cellular": "4g"}.get(name)
        self.metered = metered
        self.works = works
        self.on = False
        self.roams = False
        self.dbm = None
        self.ups = self.downs = 0

    async def up(self, may=None, quiet=False):
        self.ups += 1
        if not self.works:
            raise LinkError("does not work", "no_network")
        self.on = True

    async def down(self):
        self.downs += 1
        self.on = False

    def is_up(self):
        return self.on and self.works

    def signal_dbm(self):
        return self.dbm

    def roaming(self):
        return self.roams


class Device:
    """A device at `service` (see `wire.Service`) on a virtual clock; `boot()` again for a
    reboot. `storage` is its directory, `settings` are keys of its configuration.

    A subclass changes what it is made of: `links()`, `clock()`, `http()`, `uploader()`.
    `commands` are (name, id) of the remote commands since the boot, `params` theirs, `percent` the
    battery's charge, None for a device without one.
    """

    percent = None

    def __init__(self, service, storage=None, **settings):
        self.service = service
        self.storage = storage or folder() + "/flash"
        self.root = folder() + "/root.der"
        with open(self.root, "wb") as f:
            f.write(b"\x30\x82\x01\x00")
        self.ticks = Ticks()
        self.provisioned = dict(settings)
        self.boot()

    def boot(self, **changes):
        """Begin with what is on flash, under changed settings."""
        self.provisioned.update(changes)
        values = {
            "api_url": "https://api.test/v1",
            "device_token": "dtok_a",
            "storage": self.storage,
            "roots": [self.root],
            "ntp_server": "",
        }
        values.update(self.provisioned)
        self.settings = check(values)
        self.events = []
        self.commands = []
        self.params = []
        self.store = Store(self.settings, self.clock())
        self.up = self.uploader()
        return self

    def links(self):
        return [HostLink()]

    def clock(self):
        ticks = self.ticks
        return Clock(lambda: FLOOR + 10000000, ticks.ticks_ms, ticks.sleep_ms)

    def http(self):
        return WiredHttp(self.service.handle, self.settings)

    def uploader(self):
        battery = None if self.percent is None else lambda: self.percent
        return Uploader(
            self.settings,
            self.store,
            self.links(),
            self.event,
            self.command,
            uploader.Device(battery, "1.2.3"),
            self.http(),
        )

    def command(self, name, command):
        self.commands.append((name, command["id"]))
        self.params.append(command["params"])

    def event(self, name, info):
        self.events.append((name, info))
        if name == "error":
            raise SystemExit(info["reason"])
        if len(self.events) > 200:
            raise SystemExit("busy loop: %r" % self.events[-10:])

    def record(self):
        """A recording with one small file; its local id."""
        recording = self.store.begin()
        recording.add("audio").write(b"sound")
        recording.end()
        return recording.id

    def seen(self, name):
        """What was told of an event, in order."""
        return [info for n, info in self.events if n == name]

    def uploaded(self):
        return len([r for r in self.service.recordings.values() if r["status"] == "uploaded"])

    async def run_until(self, true, turns=100000):
        """Run the loop until `true()`; fails if that takes more than so many turns."""
        task = asyncio.create_task(self.up.run())
        try:
            await turn_until(true, turns, self.events)
        finally:
            task.cancel()

    async def run_for(self, seconds, turns=100000):
        """Run the loop until so much virtual time has passed, or it waits without an end."""
        end = self.ticks.ms + seconds * 1000
        task = asyncio.create_task(self.up.run())
        for _ in range(turns):
            await asyncio.sleep_ms(0)
            if self.ticks.ms >= end:
                break
        task.cancel()


async def turn_until(true, turns=100000, shown=()):
    """Let other tasks run until `true()`; fails if that takes more than so many turns."""
    for _ in range(turns):
        await asyncio.sleep_ms(0)
        if true():
            return
    raise AssertionError("did not happen: %r" % (shown[-10:],))
