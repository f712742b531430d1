"""HTTP/1.1 over verified TLS for a small heap: the pool of connections (RFC 9110, RFC 9112).

One request at a time, over kept-alive connections. One preallocated buffer serves for sending
files and for reading answers.
"""

import asyncio
import gc

import tls

from . import memory
from .connection import Buffer
from .errors import TransportError
from .links import addresses

_NEAR = __name__.rpartition(".")[0] + "."


class Http:
    """An HTTP client.

    Of `settings` it reads `roots` (paths of root certificates in DER form, read when first
    needed), `root_bundle` (others, see `trust`), `max_connections` (open at most), `chunk_bytes`
    (of the one buffer), `stall_timeout_s` and `allow_insecure`. `links`, a LinkManager or None,
    is asked for `link_up()` while waiting, for `meter()` when a connection is opened, and for
    names' addresses if it can `resolve`. `connections_opened` counts since the start, `idle` are
    the connections that are kept open, the least recently used first, `buffer` is all
    connections' Buffer, `roomy` tells whether memory is not short (see `memory`). `context` is the
    SSLContext of the `roots`, which are in it once `trusting`.
    """

    def __init__(self, settings, links=None):
        self.connections_opened = 0
        self.idle = []
        self.settings = settings
        self.links = links
        # 3 KB in one piece, which is easier to have now than later.
        self.context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT) if settings.roots else None
        self.trusting = False
        # For each host: the context of the one root that worked (None: `roots` do), and the
        # search for another that is under way. See `trust`.
        self.own = {}
        self.searches = {}
        self.roomy = memory.roomy()
        # Where memory is short half of it does: 1.4 % more of TLS's framing.
        self.buffer = Buffer(
            settings.chunk_bytes if self.roomy else min(settings.chunk_bytes, 2048)
        )
        self._lock = asyncio.Lock()

    def connections(self):
        """How many connections may be open: where memory is short one, as each takes some 30 KB
        of what ESP-IDF has."""
        return self.settings.max_connections if self.roomy else 1

    def close(self):
        """Close every connection."""
        while self.idle:
            self.idle.pop().close()

    async def request(self, method, url, headers=(), body=b"", max_body=16384):
        """Send a request with `body` (bytes) and return its Response.

        `headers` are (name, value) pairs. Of the answer's body at most `max_body` bytes are
        kept. Redirects are not followed. Raises TransportError.
        """
        async with self._lock:
            return await self._exchange(method, url, headers, body, len(body), max_body)

    async def put(self, url, headers, source, size, progress=None, max_body=2048):
        """PUT `size` bytes read by `source.readinto(buf)` and return the Response.

        `progress(sent)` is called at the start, then every 500 ms, and at the end. An answer
        that comes early ends the sending. Raises TransportError, StorageError if the source
        can't be read, DamagedError if it is shorter than `size`.
        """
        async with self._lock:
            more = (max_body, source, size, progress)
            return await self._exchange("PUT", url, headers, b"", size, *more)

    async def _exchange(self, *request):
        moved = self.buffer.moved
        try:
            return await self._once(*request)
        except TransportError as e:
            # Where nothing was sent yet, once more with all the memory there is.
            if e.kind != "memory" or self.buffer.moved != moved:
                raise
        self.close()
        gc.collect()
        return await self._once(*request)

    async def _once(self, method, url, headers, body, size, *more):
        request = memory.borrow(_NEAR + "request")
        secure, host, port, target = request.split_url(url, self.settings.allow_insecure)
        key = (secure, host, port)
        head = request.head(method, key, target, headers, size) + body
        request = None
        try:
            return await self.attempt(key, head, method, *more)
        except TransportError as e:
            # No byte of ours was sent: the certificate comes before.
            if e.kind != "cert" or not self.settings.root_bundle:
                raise
            from .trust import search

            return await search(self, e, (self.settings, self.links), key, head, method, *more)

    async def attempt(self, key, head, method, *more):
        """One exchange over a connection for `key`; see Connection.exchange."""
        conn = self._reuse(key)
        try:
            if conn is None:
                conn = await self.connect(*key)
            return await conn.exchange(head, method, *more)
        finally:
            # After any failure, a cancellation among them, the connection's state is unknown.
            if conn:
                if conn.reusable:
                    self.idle.append(conn)
                else:
                    conn.close()

    def _reuse(self, key):
        for conn in self.idle:
            if conn.key == key:
                self.idle.remove(conn)
                if conn.is_open():
                    return conn
                conn.close()
                return None
        while len(self.idle) >= self.connections():
            self.idle.pop(0).close()
        return None

    async def connect(self, secure, host, port):
        """A new Connection to a host, over TLS if `secure`; a subclass may know another way.
        Raises TransportError."""
        links = self.links
        # Before what connects is loaded: what finds names is large, too.
        found = await links.resolve(host, port) if links else addresses(host, port)
        connecting = memory.borrow(_NEAR + "connecting")
        return await connecting.connect(self, (secure, host, port), found)
