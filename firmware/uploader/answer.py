"""Reading one HTTP/1.1 answer (RFC 9112): its head, its length, its body within bounds."""

from micropython import const

from .errors import TransportError

_MAX_HEAD = const(8192)  # bytes of one answer's head
_MAX_LINE = const(256)  # bytes of a chunk's size line, or of a trailer field
_MAX_DRAIN = const(65536)  # a longer answer body ends the connection instead

# The answer's header fields that anyone here asks for; the rest is not kept.
KEPT = (
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
    """An answer: `status`, `headers` (those of KEPT, names in lower case), `body` (bytes).

    `early` is True if it came before the whole request had been sent.
    """

    def __init__(self, status, headers):
        self.status = status
        self.headers = headers
        self.body = b""
        self.early = False


async def read_answer(conn, method, max_body):
    """Read the Response that comes over a Connection to a request with `method`, skipping
    interim (1xx) ones (RFC 9110 section 15.2). Of its body at most `max_body` bytes are kept.
    Raises OSError, TransportError."""
    buffer = conn.buffer
    while True:
        head = b""
        while True:
            await conn.fill()
            head += buffer.take(buffer.end - buffer.at)
            end = head.find(b"\r\n\r\n")
            if end >= 0:
                buffer.at = buffer.end - (len(head) - end - 4)
                break
            if len(head) > _MAX_HEAD:
                raise _protocol("the answer is too long")
        response = _parse_head(head[:end])
        if response.status >= 200:
            response.body = bytes(await _read_body(conn, response, method, max_body))
            return response


async def _read_body(conn, response, method, max_body):
    # RFC 9112 section 6.3
    headers = response.headers
    body = bytearray()
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if method == "HEAD" or response.status in (204, 304):
        pass
    elif coding is not None:
        if length is not None or coding.lower() != "chunked":
            raise _protocol("an unusable length")
        await _read_chunked(conn, body, max_body)
    elif length is not None:
        if not length.isdigit() or len(length) > 12:
            raise _protocol("an unusable length")
        if not await _take(conn, int(length), body, max_body):
            headers["connection"] = "close"
    else:
        headers["connection"] = "close"
        await _take(conn, None, body, max_body)
    return body


async def _take(conn, length, body, max_body):
    """Append `length` bytes (None: up to the end) to `body`, of which `max_body` are kept.

    False if the rest is so long that it is left unread.
    """
    buffer = conn.buffer
    taken = 0
    while length is None or taken < length:
        if taken > max_body + _MAX_DRAIN:
            return False
        if not await conn.fill(length is None):
            return True
        n = buffer.end - buffer.at
        if length is not None:
            n = min(n, length - taken)
        keep = min(n, max_body - len(body))
        part = buffer.take(n)
        if keep > 0:
            body.extend(part[:keep])
        taken += n
    return True


async def _line(conn):
    buffer = conn.buffer
    line = bytearray()
    while True:
        await conn.fill()
        c = buffer.take(1)[0]
        if c == 10:
            return bytes(line).strip()
        line.append(c)
        if len(line) > _MAX_LINE:
            raise _protocol("an unusable chunk")


async def _read_chunked(conn, body, max_body):
    # RFC 9112 section 7.1
    total = 0
    while True:
        size = (await _line(conn)).split(b";")[0].strip()
        try:
            if not 0 < len(size) <= 8 or size[0] in b"+-" or b"_" in size:
                raise ValueError
            size = int(size, 16)
        except ValueError:
            raise _protocol("an unusable chunk")
        if size == 0:
            break
        total += size
        if total > max_body + _MAX_DRAIN:
            raise _protocol("the answer is too long")
        await _take(conn, size, body, max_body)
        if await _line(conn):
            raise _protocol("an unusable chunk")
    for _ in range(32):  # trailer fields
        if not await _line(conn):
            return
    raise _protocol("the answer is too long")


def _parse_head(head):
    # RFC 9112 sections 4 and 5
    lines = head.split(b"\r\n")
    status = lines[0].strip().split(None, 2)
    if len(status) < 2 or status[0] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise _protocol("the answer is not HTTP/1.1")
    code = status[1]
    if len(code) != 3 or not code.isdigit() or not 100 <= int(code) <= 599:
        raise _protocol("the answer is not HTTP/1.1")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[0] in b" \t" or name[-1] in b" \t":
            raise _protocol("a malformed header field")
        try:
            name, value = name.decode().lower(), value.strip().decode()
        except UnicodeError:
            continue
        if name in KEPT:
            if name in headers and headers[name] != value:
                if name in ("content-length", "transfer-encoding"):
                    raise _protocol("an unusable length")
            headers[name] = value
    connection = headers.get("connection", "").lower()
    if status[0] == b"HTTP/1.0" and connection != "keep-alive":
        connection = "close"
    headers["connection"] = "close" if "close" in connection else connection
    return Response(int(code), headers)


def _protocol(text):
    return TransportError("protocol", text, True)
