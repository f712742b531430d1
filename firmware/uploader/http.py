"""HTTP/1.1 over verified TLS for a small heap: the pool of connections (RFC 9110, RFC 9112).

One request at a time, over kept-alive connections. One preallocated buffer serves for sending
files and for reading answers.
"""

import asyncio
import gc

import tls
from micropython import const

from . import memory
from .connection import Buffer, Connection
from .errors import TransportError
from .journal import Durable
from .links import addresses

_MAX_URL = const(4096)
_MAX_VALUE = const(8192)  # characters of a header field


def split_url(url, allow_insecure=False):
    """(tls, host, port, target) of an absolute URL, checked before use.

    Raises TransportError `refused` for any scheme but https (http only where
    `allow_insecure`), for credentials, control characters or spaces in it, or undue length.
    """
    if not isinstance(url, str) or len(url) > _MAX_URL:
        raise _refused("not a usable URL")
    for c in url:
        if not 32 < ord(c) < 127:
            raise _refused("a URL with control characters, spaces or non-ASCII")
    scheme, _, rest = url.partition("://")
    tls = scheme.lower() == "https"
    if not tls and not (allow_insecure and scheme.lower() == "http"):
        raise _refused("a URL that is not https")
    cut = len(rest)
    for c in "/?#":
        i = rest.find(c)
        if 0 <= i < cut:
            cut = i
    authority, target = rest[:cut], rest[cut:].split("#")[0]
    if "@" in authority:
        raise _refused("a URL with credentials in it")
    host, colon, port = authority, "", ""
    if authority[-1:] != "]":  # [::1] has colons of its own
        i = authority.rfind(":")
        if i >= 0:
            host, colon, port = authority[:i], ":", authority[i + 1 :]
    host = host.strip("[]")
    if not host or (colon and not (port.isdigit() and 0 < int(port) < 65536)):
        raise _refused("a URL without a usable host and port")
    if target[:1] != "/":
        target = "/" + target
    return tls, host, int(port or (443 if tls else 80)), target


class Http:
    """An HTTP client.

    Of `settings` it reads `roots` (paths of root certificates in DER form, read when first
    needed), `root_bundle` (others, see `trust`), `max_connections` (open at most), `chunk_bytes`
    (of the one buffer), `stall_timeout_s` and `allow_insecure`. `links`, a LinkManager or None,
    is asked for `link_up()` while waiting, for `meter()` when a connection is opened, and for
    names' addresses if it can `resolve`. `connections_opened` counts since the start, `idle` are
    the connections that are kept open, the least recently used first, `buffer` is all
    connections' Buffer, `roomy` tells whether memory is not short (see `memory`).
    """

    def __init__(self, settings, links=None):
        self.connections_opened = 0
        self.idle = []
        self._settings = settings
        self._links = links
        # 3 KB in one piece, which is easier to have now than later.
        self._context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT) if settings.roots else None
        self._trusting = False
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
        return self._settings.max_connections if self.roomy else 1

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
        secure, host, port, target = split_url(url, self._settings.allow_insecure)
        key = (secure, host, port)
        head = _head(method, key, target, headers, size) + body
        try:
            return await self.attempt(key, head, method, *more)
        except TransportError as e:
            # No byte of ours was sent: the certificate comes before.
            if e.kind != "cert" or not self._settings.root_bundle:
                raise
            from .trust import search

            return await search(self, e, (self._settings, self._links), key, head, method, *more)

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

    def _context_for(self, host, port):
        host = "%s:%d" % (host, port)
        if host not in self.own:
            self.own[host] = None
            wanted = self._settings.root_bundle and Durable(self._settings.state + "/trust").value
            if wanted and host in wanted:
                from .trust import context

                self.own[host] = context(self._settings, wanted[host])
        if self.own[host]:
            return self.own[host]
        if not self._trusting:
            self._trust()
        return self._context

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
        error = None
        links = self._links
        found = await links.resolve(host, port) if links else addresses(host, port)
        for address in found:
            conn = Connection((secure, host, port), self.buffer, self._settings, links)
            try:
                await conn.open(address)
                self.connections_opened += 1
                meter = links and links.meter()
                if meter:
                    from .data_meter import MeteredSocket

                    conn.wrap(MeteredSocket, meter)
                if secure:
                    wrap = self._context_for(host, port).wrap_socket
                    conn.wrap(wrap, server_hostname=host, do_handshake_on_connect=False)
                return conn
            except BaseException as e:
                conn.close()
                if isinstance(e, OSError):
                    kind = "memory" if memory.lacking(e) else "connect"
                    e = TransportError(kind, "%s:%d: %s" % (host, port, e))
                if not isinstance(e, TransportError):
                    raise
                error = error or e
        if links:
            links.forget_names()
        raise error or TransportError("dns", "no address for " + host)

    def _trust(self):
        if self._context is None:
            self._context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        self._context.verify_mode = tls.CERT_REQUIRED
        # One call a root: of concatenated DER only the first would be read. With no root at
        # all every server is refused, which is what a device without roots must do.
        for root in self._settings.roots:
            try:
                with open(root, "rb") as f:
                    self._context.load_verify_locations(f.read())
            except (OSError, ValueError) as e:
                if memory.lacking(e):
                    raise TransportError("memory", "out of memory: %s: %s" % (root, e))
                text = "root certificate %s is not usable DER: %s" % (root, e)
                raise TransportError("cert", text)
        self._trusting = True


def _head(method, key, target, headers, size):
    secure, host, port = key
    if ":" in host:
        host = "[%s]" % host
    if port != (443 if secure else 80):
        host += ":%d" % port
    lines = ["%s %s HTTP/1.1" % (method, target), "Host: " + host]
    for name, value in headers:
        check_field(name, value)
        lines.append("%s: %s" % (name, value))
    if size or method in ("POST", "PUT"):
        lines.append("Content-Length: %d" % size)
    lines.append("\r\n")
    return "\r\n".join(lines).encode()


def check_field(name, value):
    """Raise TransportError `refused` unless this is a safe header field (RFC 9110 section 5.5)."""
    ok = isinstance(name, str) and isinstance(value, str) and name and len(value) <= _MAX_VALUE
    if ok:
        for c in name + value:
            ok = ok and 32 <= ord(c) < 127
        for c in name:
            ok = ok and (c.isalpha() or c.isdigit() or c in "-_")
    if not ok:
        raise _refused("a header field that is not safe to send")


def _refused(text):
    return TransportError("refused", text)
