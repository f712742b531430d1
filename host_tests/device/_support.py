"""What the MicroPython tests share."""

import asyncio
import os
import time


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


async def fails(kind, awaitable):
    """The exception of `kind` that awaiting raises; fails if it raises none."""
    try:
        await awaitable
    except kind as e:
        return e
    raise AssertionError("%s was not raised" % kind.__name__)


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
        import socket

        probe = socket.socket()
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for self.port in range(20000 + os.urandom(1)[0] * 100, 65000, 7):
            try:
                probe.bind(socket.getaddrinfo("127.0.0.1", self.port)[0][-1])
                break
            except OSError:
                pass
        probe.close()
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
