"""One HTTP/1.1 connection: opened, sent over, read from, and watched for stalls.

A write is tried first and waited for only when the socket would block: awaiting the poller
before each write costs a factor of twenty. Waiting is done here, not by asyncio's streams,
because an answer must be seen while a body is still being sent, and both directions of one
socket can't be awaited by one asyncio task.
"""

import asyncio
import time

from micropython import const

from . import memory
from .errors import DamagedError, StorageError, TransportError

_NEAR = __name__.rpartition(".")[0] + "."
_IN = const(1)  # select.POLLIN
_OUT = const(4)  # select.POLLOUT
_HUP = const(16)  # select.POLLHUP, which the esp32 port reports only where it is asked for
_YIELD_MS = const(20)  # longest stretch without letting other tasks run
_REPORT_MS = const(500)
_LOOK_EVERY = const(16)  # chunks between looks for an early answer
_PAUSE_MAX_MS = const(8)


class Buffer:
    """The one buffer, of `size` bytes, that all connections send files and read answers with,
    one at a time. `data[at:end]` has been read and not been consumed; `moved` counts the bytes
    sent and received so far (payload of TLS, not its framing)."""

    def __init__(self, size):
        self.data = bytearray(size)
        self.view = memoryview(self.data)
        self.at = self.end = 0
        self.moved = 0

    def take(self, n):
        """The next `n` bytes that have been read; they are consumed thereby."""
        self.at += n
        return self.view[self.at - n : self.at]


class Connection:
    """A connection for `key`, a tuple (over TLS or not, host, port).

    `settings.stall_timeout_s` is the longest time in which not one chunk moves, or no answer
    begins; `links.link_up()`, unless `links` is None, tells when waiting is in vain. `sock` is
    the stream in use, `poll` the poller that it is registered with; `reusable` tells that the
    last exchange left it fit for another.
    """

    def __init__(self, key, buffer, settings, links):
        self.key = key
        self.sock = None
        self.poll = None
        self.reusable = False
        self.buffer = buffer
        self._settings = settings
        self._links = links
        self._answered = False  # whether any byte of an answer has come
        self._started = 0  # when the answer was begun to be waited for

    def wrap(self, wrapper, *args, **more):
        """Put `wrapper(sock, ...)` in place of the socket. It is polled in its place, too: TLS
        knows which direction it waits for, and what it has buffered."""
        self.poll.unregister(self.sock)
        self.sock = wrapper(self.sock, *args, **more)
        self.poll.register(self.sock, _IN | _HUP)

    def close(self):
        """Close it; safe to call twice."""
        if self.sock:
            try:
                self.poll.unregister(self.sock)
            except (OSError, KeyError):
                pass
            try:
                self.sock.close()
            except OSError:
                pass
            self.sock = None

    def is_open(self):
        """False if the server closed it while idle, or sent what nobody asked for. That shows
        as readable, as does TLS's own traffic (a session ticket), which reads as None."""
        try:
            return self.sock.readinto(self.buffer.view) is None
        except OSError:
            return False

    async def exchange(self, head, method, max_body, source=None, size=0, progress=None):
        """Send a request, `head` (bytes) and then `size` bytes of `source`, and read the
        Response, of whose body at most `max_body` bytes are kept. See `Http.put`. On a new
        TLS connection the handshake runs within. Raises TransportError, StorageError,
        DamagedError."""
        buffer = self.buffer
        buffer.at = buffer.end = 0
        self.reusable = self._answered = False
        try:
            await self._send(head)
            early = source is not None and await self._send_file(source, size, progress)
            self._started = time.ticks_ms()
            read_answer = memory.borrow(_NEAR + "answer").read_answer
            response = await read_answer(self, method, max_body)
        except (OSError, MemoryError) as e:
            raise memory.borrow(_NEAR + "broken").transport_error(e, self._answered)
        except ValueError as e:  # mbedTLS's verdict on the certificate
            raise memory.borrow(_NEAR + "broken").certificate_error(e)
        response.early = early
        # Bytes after an answer belong to no request of ours: never let them answer the next.
        whole = not early and buffer.at == buffer.end
        self.reusable = whole and response.headers["connection"] != "close"
        return response

    async def ready(self, want):
        """Wait until the socket is readable or writable as wanted; its poll events."""
        start = time.ticks_ms()
        pause = 1
        self.poll.modify(self.sock, want | _HUP)
        try:
            while True:
                for _, events in self.poll.ipoll(0):
                    return events
                self._check(start)
                if self._links and not self._links.link_up():
                    raise TransportError("link", "the link went down", self._answered)
                await asyncio.sleep_ms(pause)
                if pause < _PAUSE_MAX_MS:
                    pause += pause
        finally:
            self.poll.modify(self.sock, _IN | _HUP)

    def _check(self, start, factor=1):
        # Too late, counted from `start`?
        limit = int(self._settings.stall_timeout_s * factor * 1000)
        if time.ticks_diff(time.ticks_ms(), start) > limit:
            raise TransportError("stall", "no progress in %d ms" % limit, self._answered)

    async def _send(self, data):
        mv = memoryview(data)
        start = time.ticks_ms()
        while mv:
            n = self.sock.write(mv)
            if n:
                mv = mv[n:]
                self.buffer.moved += n
            else:
                await self.ready(_OUT)
                self._check(start)

    async def _send_file(self, source, size, progress):
        """Send `size` bytes of `source`; True if an answer came before that was done."""
        view, whole = self.buffer.view, len(self.buffer.data)
        write = self.sock.write
        ticks, diff = time.ticks_ms, time.ticks_diff
        sent = looks = 0
        if progress:
            progress(0)
        yielded = reported = ticks()
        while sent < size:
            n = _read(source, view if size - sent >= whole else view[: size - sent], sent, size)
            k = write(view if n == whole else view[:n])
            if k != n:
                if await self._push(k or 0, n):
                    return True
                yielded = ticks()
            sent += n
            self.buffer.moved += n
            looks += 1
            if looks & 1:
                continue  # every other chunk is often enough for what follows
            now = ticks()
            if diff(now, yielded) >= _YIELD_MS:
                await asyncio.sleep_ms(0)
                yielded = now = ticks()
            if progress and diff(now, reported) >= _REPORT_MS:
                reported = now
                progress(sent)
            if sent < size and not looks % _LOOK_EVERY and self._early():
                return True
        if progress:
            progress(size)
        return False

    async def _push(self, done, n):
        """Send the rest of a chunk of `n` bytes whose write would block; True if an answer
        came."""
        start = time.ticks_ms()
        while done < n:
            if self._early():
                return True
            await self.ready(_IN | _OUT)
            self._check(start)
            # After a write that would block, TLS must be given the very same bytes.
            done += self.sock.write(self.buffer.view[done:n]) or 0
        return False

    def _early(self):
        # The file's chunk in the buffer is lost if something has come, but then the
        # sending is over; while nothing has come, nothing is written to the buffer.
        n = self._read_some()
        if n == 0:
            raise TransportError("closed", "the server closed the connection while being sent to")
        return n is not None

    def _read_some(self):
        """Read into the buffer, which must be consumed; as a socket's `readinto`."""
        buffer = self.buffer
        n = self.sock.readinto(buffer.view)
        if n is not None:
            buffer.at = 0
            buffer.end = n
            buffer.moved += n
            self._answered = self._answered or n > 0
        return n

    async def fill(self, may_end=False):
        """Have something unread in the buffer; False at the end of the stream, where that
        `may_end` the answer. Raises OSError, TransportError."""
        while self.buffer.at == self.buffer.end:
            n = self._read_some()
            if n == 0:
                if may_end:
                    return False
                raise TransportError("closed", "closed within the answer", self._answered)
            if n:
                break
            await self.ready(_IN)
            self._check(self._started, 2)
        return True


def _read(source, mv, sent, size):
    try:
        n = source.readinto(mv)
    except OSError as e:
        raise StorageError("the file can't be read at byte %d: %s" % (sent, e))
    if not n:
        raise DamagedError("the file ended after %d of %d bytes" % (sent, size))
    return n
