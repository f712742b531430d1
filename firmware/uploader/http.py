"""HTTP/1.1 over verified TLS for a small heap (RFC 9110, RFC 9112).

One request at a time, over kept-alive connections of which at most `max_connections` are
open. One preallocated buffer serves for sending files and for reading answers. A write is
tried first and waited for only when the socket would block: awaiting the poller before each
write costs a factor of twenty. Waiting is done here, not by asyncio's streams, because an
answer must be seen while a body is still being sent, and both directions of one socket
can't be awaited by one asyncio task.
"""

import asyncio
import errno
import select
import socket
import time

import tls
from micropython import const

from .errors import DamagedError, StorageError, TransportError

_IN = const(1)  # select.POLLIN
_OUT = const(4)  # select.POLLOUT
_BAD = const(0x38)  # POLLERR, POLLHUP, POLLNVAL
_IPPROTO_TCP = const(6)
_SEND_BUFFER = const(262144)
_MAX_HEAD = const(8192)  # bytes of one answer's head
_MAX_URL = const(4096)
_MAX_DRAIN = const(65536)  # a longer answer body ends the connection instead
_YIELD_MS = const(20)  # longest stretch without letting other tasks run
_REPORT_MS = const(500)
_LOOK_EVERY = const(16)  # chunks between looks for an early answer
_PAUSE_MAX_MS = const(8)

# The answer's header fields that anyone here asks for; the rest is not kept.
_KEPT = (
    "connection",
    "content-length",
    "date",
    "etag",
    "location",
    "transfer-encoding",
    "x-amz-server-side-encryption",
    "x-ratelimit-reset",
)


class Response:
    """An answer: `status`, `headers` (the kept ones, names in lower case), `body` (bytes).

    `early` is True if it came before the whole request had been sent.
    """

    def __init__(self, status, headers):
        self.status = status
        self.headers = headers
        self.body = b""
        self.early = False


def split_url(url, allow_insecure=False):
    """(tls, host, port, target) of an absolute URL, checked before use.

    Raises TransportError `refused` for any scheme but https (http only where
    `allow_insecure`), for credentials, control characters or spaces in it, or undue length.
    """
    if not isinstance(url, str) or len(url) > _MAX_URL:
        raise TransportError("refused", "not a usable URL")
    for c in url:
        if not 32 < ord(c) < 127:
            raise TransportError("refused", "a URL with control characters, spaces or non-ASCII")
    scheme, _, rest = url.partition("://")
    tls = scheme.lower() == "https"
    if not tls and not (allow_insecure and scheme.lower() == "http"):
        raise TransportError("refused", "a URL that is not https")
    cut = len(rest)
    for c in "/?#":
        i = rest.find(c)
        if 0 <= i < cut:
            cut = i
    authority, target = rest[:cut], rest[cut:].split("#")[0]
    if "@" in authority:
        raise TransportError("refused", "a URL with credentials in it")
    host, colon, port = authority, "", ""
    if authority[-1:] != "]":  # [::1] has colons of its own
        i = authority.rfind(":")
        if i >= 0:
            host, colon, port = authority[:i], ":", authority[i + 1 :]
    host = host.strip("[]")
    if not host or (colon and not (port.isdigit() and 0 < int(port) < 65536)):
        raise TransportError("refused", "a URL without a usable host and port")
    if target[:1] != "/":
        target = "/" + target
    return tls, host, int(port or (443 if tls else 80)), target


class _Connection:
    def __init__(self, key):
        self.key = key
        self.sock = None
        self.poll = None
        self.used = False  # has answered before: the server may since have closed it

    def close(self):
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


class Http:
    """An HTTP client.

    `roots` are root certificates as DER bytes, or the paths of DER files, read when first
    needed. `max_connections` is how many connections may be open, `chunk_bytes` the size of
    the one buffer. `stall_s` is the longest time in which not even one chunk moves, or no
    answer begins, before the transfer is given up. `connections_opened`, `bytes_out` and
    `bytes_in` (payload of TLS, not its framing) count since the start.
    """

    def __init__(
        self, roots=(), max_connections=2, chunk_bytes=4096, stall_s=30, allow_insecure=False
    ):
        self.allow_insecure = allow_insecure
        self.alive = None  # called while waiting; False means that the link is down
        self.meter = None  # called with bytes on the wire, TLS's own included
        self.connections_opened = 0
        self.bytes_out = 0
        self.bytes_in = 0
        self._roots = roots
        # 3 KB in one piece, which is easier to have now than later.
        self._context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT) if roots else None
        self._trusting = False
        self._max = max_connections
        self._stall_ms = int(stall_s * 1000)
        self._buf = bytearray(chunk_bytes)
        self._mv = memoryview(self._buf)
        self._open = []  # least recently used first
        self._lock = asyncio.Lock()
        # What has been read but not yet consumed is _buf[_at:_end].
        self._at = 0
        self._end = 0

    def close(self):
        """Close every connection."""
        while self._open:
            self._open.pop().close()

    async def request(self, method, url, headers=(), body=b"", max_body=16384):
        """Send a request with `body` (bytes) and return its Response.

        `headers` are (name, value) pairs. Of the answer's body at most `max_body` bytes are
        kept. Redirects are not followed. Raises TransportError.
        """
        async with self._lock:
            return await self._exchange(method, url, headers, None, len(body), body, max_body, None)

    async def put(self, url, headers, source, size, progress=None, max_body=2048):
        """PUT `size` bytes read by `source.readinto(buf)` and return the Response.

        `progress(sent)` is called at the start, then every 500 ms, and at the end. An answer
        that comes early ends the sending. Raises TransportError, StorageError if the source
        can't be read, DamagedError if it is shorter than `size`.
        """
        async with self._lock:
            return await self._exchange("PUT", url, headers, source, size, b"", max_body, progress)

    async def _exchange(self, method, url, headers, source, size, body, max_body, progress):
        secure, host, port, target = split_url(url, self.allow_insecure)
        head = _head(method, target, host, port, secure, headers, size) + body
        conn = self._reuse((secure, host, port))
        fresh = conn is None
        ok = False
        self._at = self._end = 0
        try:
            if fresh:
                conn = await self._connect(secure, host, port)
            try:
                await self._send(conn, head)
                early = source and await self._send_file(conn, source, size, progress)
                response = await self._read_answer(conn, method, max_body)
            except OSError as e:
                raise _transport_error(e, self._end > 0)
            except ValueError as e:  # mbedTLS's verdict on the certificate
                raise _certificate_error(e)
            response.early = bool(early)
            ok = not early and self._reusable(response)
            return response
        finally:
            # On success it is kept; after any failure, a cancellation among them, the
            # connection's state is unknown.
            if conn:
                if ok:
                    conn.used = True
                    self._open.append(conn)
                else:
                    conn.close()

    def _reuse(self, key):
        for conn in self._open:
            if conn.key == key:
                self._open.remove(conn)
                # A server that closed while idle shows as readable; so does TLS's own
                # traffic (a session ticket), which reads as None.
                try:
                    if conn.sock.readinto(self._mv) is None:
                        return conn
                except OSError:
                    pass
                conn.close()
                return None
        while len(self._open) >= self._max:
            self._open.pop(0).close()
        return None

    async def _connect(self, secure, host, port):
        if secure and not self._trusting:
            self._trust()
        try:
            found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        except OSError as e:
            raise TransportError("dns", "no address for %s: %s" % (host, e))
        error = None
        for family, kind, proto, _, address in found:
            conn = _Connection((secure, host, port))
            try:
                await self._open_socket(conn, family, kind, proto, address)
                self.connections_opened += 1
                if self.meter:
                    from .metered import Metered

                    conn.poll.unregister(conn.sock)
                    conn.sock = Metered(conn.sock, self.meter)
                    conn.poll.register(conn.sock, _IN)
                if secure:
                    # The wrapped socket is polled in place of the plain one: it knows
                    # which direction TLS itself waits for, and what it has buffered.
                    conn.poll.unregister(conn.sock)
                    conn.sock = self._context.wrap_socket(
                        conn.sock, server_hostname=host, do_handshake_on_connect=False
                    )
                    conn.poll.register(conn.sock, _IN)
                return conn
            except OSError as e:
                conn.close()
                error = error or TransportError("connect", "%s:%d: %s" % (host, port, e))
            except TransportError as e:
                conn.close()
                error = error or e
            except BaseException:
                conn.close()
                raise
        raise error or TransportError("dns", "no address for " + host)

    def _trust(self):
        if self._context is None:
            self._context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        self._context.verify_mode = tls.CERT_REQUIRED
        # One call a root: of concatenated DER only the first would be read. With no root at
        # all every server is refused, which is what a device without roots must do.
        for root in self._roots:
            name = "given as bytes"
            try:
                if isinstance(root, str):
                    name = root
                    with open(root, "rb") as f:
                        root = f.read()
                self._context.load_verify_locations(root)
            except (OSError, ValueError) as e:
                text = "root certificate %s is not usable DER: %s" % (name, e)
                raise TransportError("cert", text)
        self._trusting = True

    async def _open_socket(self, conn, family, kind, proto, address):
        conn.sock = socket.socket(family, kind, proto)
        conn.poll = select.poll()
        conn.poll.register(conn.sock, _OUT)
        conn.sock.setblocking(False)
        try:
            # TLS sends its handshake in small pieces, each of which would wait for the
            # other side's delayed acknowledgement of the one before.
            conn.sock.setsockopt(_IPPROTO_TCP, getattr(socket, "TCP_NODELAY", 1), 1)
        except OSError:
            pass  # a port that can't is only slower
        try:
            # What the system holds back can't be seen to stall; ESP32's lwIP holds 6 KB.
            conn.sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_SNDBUF", 7), _SEND_BUFFER)
        except OSError:
            pass
        try:
            conn.sock.connect(address)
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                raise
        if await self._ready(conn, _OUT) & _BAD:
            raise TransportError("connect", "no connection to %s:%d" % conn.key[1:])

    async def _ready(self, conn, want):
        """Wait until the socket is readable or writable as wanted; its poll events."""
        start = time.ticks_ms()
        pause = 1
        conn.poll.modify(conn.sock, want)
        try:
            while True:
                for _, events in conn.poll.ipoll(0):
                    return events
                if time.ticks_diff(time.ticks_ms(), start) > self._stall_ms:
                    raise TransportError("stall", "nothing moved in %d ms" % self._stall_ms)
                if self.alive and not self.alive():
                    raise TransportError("link", "the link went down", self._end > 0)
                await asyncio.sleep_ms(pause)
                if pause < _PAUSE_MAX_MS:
                    pause += pause
        finally:
            conn.poll.modify(conn.sock, _IN)

    async def _send(self, conn, data):
        """Send all of `data`. On a new TLS connection the handshake runs within."""
        mv = memoryview(data)
        start = time.ticks_ms()
        while mv:
            n = conn.sock.write(mv)
            if n:
                mv = mv[n:]
                self.bytes_out += n
            else:
                await self._ready(conn, _OUT)
                if time.ticks_diff(time.ticks_ms(), start) > self._stall_ms:
                    raise TransportError("stall", "the request could not be sent in time")

    async def _send_file(self, conn, source, size, progress):
        """Send `size` bytes of `source`; True if an answer came before that was done."""
        buf, mv, whole = self._buf, self._mv, len(self._buf)
        write = conn.sock.write
        ticks, diff = time.ticks_ms, time.ticks_diff
        sent = 0
        look = 0
        if progress:
            progress(0)
        now = yielded = reported = ticks()
        while sent < size:
            left = size - sent
            try:
                n = source.readinto(buf if left >= whole else mv[:left])
            except OSError as e:
                raise StorageError("the file can't be read at byte %d: %s" % (sent, e))
            if not n:
                raise DamagedError("the file ended after %d of %d bytes" % (sent, size))
            off = 0
            chunk_start = now
            while off < n:
                # After a write that would block, TLS must be given the very same bytes.
                k = write(mv[off:n] if off or n != whole else mv)
                if k:
                    off += k
                    if off >= n:
                        break
                if self._early(conn):
                    return True
                await self._ready(conn, _IN | _OUT)
                now = yielded = ticks()
                if diff(now, chunk_start) > self._stall_ms:
                    raise TransportError("stall", "a chunk stayed for %d ms" % self._stall_ms)
            sent += n
            self.bytes_out += n
            look += 1
            if look & 1:
                continue  # every other chunk is often enough for what follows
            now = ticks()
            if diff(now, yielded) >= _YIELD_MS:
                await asyncio.sleep_ms(0)
                yielded = now = ticks()
            if progress and diff(now, reported) >= _REPORT_MS:
                reported = now
                progress(sent)
            if look == _LOOK_EVERY:
                look = 0
                if self._early(conn):
                    return True
        if progress:
            progress(size)
        return False

    def _early(self, conn):
        # The file's chunk in the buffer is lost if something has come, but then the
        # sending is over; while nothing has come, nothing is written to the buffer.
        n = conn.sock.readinto(self._mv)
        if n is None:
            return False
        if n == 0:
            raise TransportError("closed", "the server closed the connection while being sent to")
        self._at = 0
        self._end = n
        self.bytes_in += n
        return True

    async def _fill(self, conn, deadline):
        """Read more into the buffer, which must be consumed; False at the end of the stream."""
        while True:
            n = conn.sock.readinto(self._mv)
            if n is not None:
                self._at = 0
                self._end = n
                self.bytes_in += n
                return n > 0
            await self._ready(conn, _IN)
            if time.ticks_diff(deadline, time.ticks_ms()) < 0:
                raise TransportError("stall", "the answer came too slowly", True)

    async def _read_answer(self, conn, method, max_body):
        """Read one answer, skipping interim (1xx) ones (RFC 9110 section 15.2)."""
        started = False
        while True:
            deadline = time.ticks_add(time.ticks_ms(), 2 * self._stall_ms)
            head = b""
            while True:
                if self._at == self._end and not await self._fill(conn, deadline):
                    raise TransportError("closed", "closed without a whole answer", started)
                started = True
                head += self._mv[self._at : self._end]
                end = head.find(b"\r\n\r\n")
                if end >= 0:
                    self._at = self._end - (len(head) - end - 4)
                    break
                self._at = self._end
                if len(head) > _MAX_HEAD:
                    raise TransportError("protocol", "the answer's head is too long", True)
            response = _parse_head(head[:end])
            if response.status >= 200:
                break
        await self._read_body(conn, response, method, max_body, deadline)
        return response

    async def _read_body(self, conn, response, method, max_body, deadline):
        # RFC 9112 section 6.3
        headers = response.headers
        body = bytearray()
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if method == "HEAD" or response.status in (204, 304):
            pass
        elif coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise TransportError("protocol", "an answer of unclear length", True)
            await self._read_chunked(conn, body, max_body, deadline)
        elif length is not None:
            if not length.isdigit() or len(length) > 12:
                raise TransportError("protocol", "a Content-Length that is no number", True)
            if not await self._take(conn, int(length), body, max_body, deadline):
                headers["connection"] = "close"
        else:
            headers["connection"] = "close"
            await self._take(conn, None, body, max_body, deadline)
        response.body = bytes(body)

    async def _take(self, conn, length, body, max_body, deadline):
        """Append `length` bytes (None: up to the end) to `body`, of which `max_body` are kept.

        False if the rest is so long that it is left unread.
        """
        taken = 0
        while length is None or taken < length:
            if taken > max_body + _MAX_DRAIN:
                return False
            if self._at == self._end and not await self._fill(conn, deadline):
                if length is None:
                    return True
                raise TransportError("closed", "closed within the answer", True)
            n = self._end - self._at
            if length is not None and n > length - taken:
                n = length - taken
            keep = min(n, max_body - len(body))
            if keep > 0:
                body.extend(self._mv[self._at : self._at + keep])
            self._at += n
            taken += n
        return True

    async def _line(self, conn, deadline):
        line = bytearray()
        while True:
            if self._at == self._end and not await self._fill(conn, deadline):
                raise TransportError("closed", "closed within the answer", True)
            c = self._buf[self._at]
            self._at += 1
            if c == 10:
                return bytes(line).strip()
            line.append(c)
            if len(line) > 256:
                raise TransportError("protocol", "a chunk's line is too long", True)

    async def _read_chunked(self, conn, body, max_body, deadline):
        # RFC 9112 section 7.1
        total = 0
        while True:
            size = (await self._line(conn, deadline)).split(b";")[0].strip()
            try:
                if not 0 < len(size) <= 8 or size[0] in b"+-" or b"_" in size:
                    raise ValueError
                size = int(size, 16)
            except ValueError:
                raise TransportError("protocol", "a chunk size that is no number", True)
            if size == 0:
                break
            total += size
            if total > max_body + _MAX_DRAIN:
                raise TransportError("protocol", "the answer is too long", True)
            await self._take(conn, size, body, max_body, deadline)
            if await self._line(conn, deadline):
                raise TransportError("protocol", "a chunk longer than it said", True)
        for _ in range(32):  # trailer fields
            if not await self._line(conn, deadline):
                return
        raise TransportError("protocol", "too many trailer fields", True)

    def _reusable(self, response):
        # Bytes after an answer belong to no request of ours: never let them answer the next.
        return self._at == self._end and response.headers.get("connection") != "close"


def _head(method, target, host, port, tls, headers, size):
    if port != (443 if tls else 80):
        host = "%s:%d" % (("[%s]" % host) if ":" in host else host, port)
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
    ok = isinstance(name, str) and isinstance(value, str) and name and len(value) <= _MAX_HEAD
    if ok:
        for c in name:
            if not (c.isalpha() or c.isdigit() or c in "-_") or ord(c) > 126:
                ok = False
        for c in value:
            if not 32 <= ord(c) < 127:
                ok = False
    if not ok:
        raise TransportError("refused", "a header field that is not safe to send")


def _parse_head(head):
    # RFC 9112 sections 4 and 5
    lines = head.split(b"\r\n")
    status = lines[0].strip().split(None, 2)
    if len(status) < 2 or status[0] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise TransportError("protocol", "the answer is not HTTP/1.1", True)
    code = status[1]
    if len(code) != 3 or not code.isdigit() or not 100 <= int(code) <= 599:
        raise TransportError("protocol", "the answer has no usable status", True)
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[0] in b" \t" or name[-1] in b" \t":
            raise TransportError("protocol", "a malformed header field", True)
        try:
            name, value = name.decode().lower(), value.strip().decode()
        except UnicodeError:
            continue
        if name in _KEPT:
            if name in headers and headers[name] != value:
                if name in ("content-length", "transfer-encoding"):
                    raise TransportError("protocol", "an answer of two lengths", True)
            headers[name] = value
    connection = headers.get("connection", "").lower()
    if status[0] == b"HTTP/1.0" and connection != "keep-alive":
        connection = "close"
    headers["connection"] = "close" if "close" in connection else connection
    return Response(int(code), headers)


def _transport_error(e, answered):
    code = e.errno or 0
    text = str(e.args[1]) if len(e.args) > 1 else str(e)
    # mbedTLS's own errors are large and negative; -256 and up are passed-through errnos.
    if code < -256 and not answered:
        # An answer that is no TLS at all: a captive portal, or a wrong port.
        kind = "not_tls" if code == -0x7200 or "INVALID_RECORD" in text else "tls"
        return TransportError(kind, "TLS failed: " + text)
    return TransportError("closed", "the connection broke: " + text, answered)


def _certificate_error(e):
    # The texts are those of mbedTLS's x509 verify_info.
    text = ", ".join(line for line in str(e).split("\n") if line)
    low = text.lower()
    only_dates = "validity" in low and "trusted" not in low and "expected cn" not in low
    return TransportError("cert_time" if only_dates else "cert", "certificate refused: " + text)
