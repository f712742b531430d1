"""A TCP proxy that breaks things on purpose, at a given byte of a given connection."""

import asyncio
import socket
import struct
import threading
from dataclasses import dataclass, field

KINDS = ("reset", "half_close", "silence", "trickle", "corrupt", "refuse", "black_hole")
UP, DOWN = "up", "down"  # device to server, and back

_CHUNK = 65536
_TRICKLE_BYTES, _TRICKLE_S, _TRICKLE_MAX = 64, 0.005, 8192


@dataclass
class Strike:
    """One fault: `kind` (of KINDS) on the `connection`th connection (from 0), at byte `at` of
    direction `way`. `refuse` and `black_hole` strike the connection as such."""

    kind: str
    connection: int = 0
    way: str = UP
    at: int = 0
    done: bool = False


@dataclass
class Shape:
    """A link's speed: `rate` bytes a second upwards (0: no limit), `delay_s` one way."""

    rate: float = 0
    delay_s: float = 0


@dataclass
class Trace:
    """What a connection carried: segments [way, first byte, end], in the order of the turns."""

    target: int
    link: str | None = None
    segments: list = field(default_factory=list)
    counts: dict = field(default_factory=lambda: {UP: 0, DOWN: 0})

    def note(self, way: str, n: int):
        """Count bytes."""
        start = self.counts[way]
        self.counts[way] += n
        if self.segments and self.segments[-1][0] == way:
            self.segments[-1][2] += n
        else:
            self.segments.append([way, start, start + n])


class Proxy:
    """Listens on one port of loopback per target port, from `with Proxy(a, b) as p:` on.

    `ports[i]` leads to the `i`th target. `strikes` are waited for; `traces` tell what passed.
    `chance`, if set, is called with the target's index for each new connection, and after each
    fault that it survived; it may return a Strike, whose byte counts from there. `gate`, if
    set, names the link that traffic takes at the moment (None: none); a connection passes only
    while that is the one that it was opened over, and stalls without a word otherwise.
    """

    def __init__(self, *targets: int, shape: Shape | None = None):
        self.targets = targets
        self.ports = []
        self.strikes: list[Strike] = []
        self.traces: list[Trace] = []
        self.chance = None
        self.gate = None
        self.shape = shape
        self.open = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers = []
        self._tasks = set()  # asyncio itself holds its tasks only weakly
        self._free_at = 0.0  # when the shaped line has sent what it was given

    def __enter__(self):
        self._thread.start()
        for target in self.targets:
            self.ports.append(self._call(self._listen(target)))
        return self

    def __exit__(self, *_):
        async def stop():
            for server in self._servers:
                server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._call(stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(120)

    def begin(self, *strikes: Strike):
        """Forget what passed; wait for these faults."""
        self.traces = []
        self.strikes = list(strikes)

    async def _listen(self, target):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        if self.shape:
            # A modem holds little: what it has taken is soon on the air.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        server = await asyncio.start_server(
            lambda r, w: self._serve(target, r, w),
            sock=listener,
            limit=4096 if self.shape else _CHUNK,
        )
        self._servers.append(server)
        return server.sockets[0].getsockname()[1]

    def _due(self, number, *kinds):
        for strike in self.strikes:
            if strike.connection == number and not strike.done:
                if not kinds or strike.kind in kinds:
                    return strike
        return None

    def _take_chance(self, number):
        trace = self.traces[number]
        strike = self.chance and self.chance(self.targets.index(trace.target))
        if strike:
            strike.connection = number
            strike.at += trace.counts[strike.way]
            self.strikes.append(strike)

    async def _serve(self, target, reader, writer):
        number = len(self.traces)
        self.traces.append(Trace(target, self.gate and self.gate()))
        self._take_chance(number)
        self.open += 1
        task = asyncio.current_task()
        self._tasks.add(task)
        upstream = None
        tasks = []
        try:
            strike = self._due(number, "refuse", "black_hole")
            if strike:
                strike.done = True
                if strike.kind == "refuse":
                    _abort(writer)
                else:
                    await reader.read(-1)  # until the device gives up
                return
            upstream = await asyncio.open_connection("127.0.0.1", target, limit=_CHUNK)
            ways = (
                self._pump(number, UP, reader, upstream[1], writer),
                self._pump(number, DOWN, upstream[0], writer, upstream[1]),
            )
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.ALL_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            for pump in tasks:
                pump.cancel()
            self._tasks.discard(task)
            for w in (writer, upstream and upstream[1]):
                if w:
                    w.close()

    async def _pump(self, number, way, reader, writer, other):
        trace = self.traces[number]
        slow = 0
        try:
            while data := await reader.read(_CHUNK):
                while self.gate and (trace.link is None or self.gate() != trace.link):
                    await asyncio.sleep(0.005)
                strike = self._due(number)
                at = trace.counts[way]
                if strike and strike.way == way and at <= strike.at < at + len(data):
                    strike.done = True
                    cut = strike.at - at
                    trace.note(way, cut)
                    writer.write(data[:cut])
                    await writer.drain()
                    data = data[cut:]
                    if strike.kind == "reset":
                        _abort(writer)
                        _abort(other)
                        return
                    if strike.kind == "half_close":
                        writer.write_eof()
                        return
                    if strike.kind == "silence":
                        while await reader.read(_CHUNK):
                            pass  # swallowed; both ends see a connection that is open
                        return
                    if strike.kind == "corrupt":
                        data = bytes([data[0] ^ 0x20]) + data[1:]
                    slow = _TRICKLE_MAX if strike.kind == "trickle" else 0
                    self._take_chance(number)
                trace.note(way, len(data))
                while slow > 0 and data:
                    writer.write(data[:_TRICKLE_BYTES])
                    await writer.drain()
                    await asyncio.sleep(_TRICKLE_S)
                    data = data[_TRICKLE_BYTES:]
                    slow -= _TRICKLE_BYTES
                if self.shape:
                    await self._shaped(way, data, writer)
                else:
                    writer.write(data)
                    await writer.drain()
            if self.shape:
                # After what is still on the line.
                late = max(0, self._free_at - self._loop.time()) + self.shape.delay_s
                await asyncio.sleep(late + 0.01)
            if writer.can_write_eof():
                writer.write_eof()
        except (OSError, RuntimeError):
            pass

    async def _shaped(self, way, data, writer):
        now = self._loop.time()
        if way == UP and self.shape.rate:
            start = max(now, self._free_at)
            self._free_at = start + len(data) / self.shape.rate
            now = self._free_at
        self._loop.call_at(now + self.shape.delay_s, _write, writer, data)
        # The line holds no more than it can send within a tenth of a second.
        await asyncio.sleep(max(0, self._free_at - self._loop.time() - 0.1))


def _write(writer, data):
    if not writer.is_closing():
        writer.write(data)


def _abort(writer):
    """Close with a reset (SO_LINGER with a time of zero, socket(7))."""
    sock = writer.get_extra_info("socket")
    if sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()
