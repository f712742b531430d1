"""What stands before S3: TLS, and AWS's behaviour where the implementation is kinder.

Amazon S3 API reference, "Error responses" and "PutObject"; what each rule answers is named
beside it. Everything else is passed on byte for byte.
"""

import asyncio
import ssl
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

_MAX_HEAD = 65536
_MAX_PUT = 5 * 1024**3  # "upload an object of up to 5 GB in a single operation"
_CHUNK = 262144
_IDLE_S = 20  # S3 closes idle sockets after about this: RequestTimeout


class _Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(code)
        self.answer = _xml(status, code, message)


class Edge:
    """Listens with TLS on a free port of loopback and passes on to `upstream` (host, port).

    `connections` and `puts` count what was accepted, `received` bytes of bodies.
    `intercept(method, target, headers)` may return (status, code, message) to answer in S3's
    stead before the body is read.
    """

    def __init__(self, upstream: tuple[str, int]):
        self._upstream = upstream
        self.port = None
        self.connections = 0
        self.puts = 0
        self.received = 0
        self.intercept = None
        self._server = None
        self._tasks = set()

    async def start(self, context: ssl.SSLContext, port: int = 0):
        """Begin to listen."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", port, ssl=context, limit=_MAX_HEAD
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        """Close the port and every connection."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        upstream = None
        try:
            upstream = await asyncio.open_connection(*self._upstream, limit=_MAX_HEAD)
            while await self._exchange(reader, writer, *upstream):
                pass
        except _Refused as e:
            # As S3 does: answer at once, then close, whatever is still being sent.
            writer.write(e.answer)
            await _quietly(writer.drain())
            await _quietly(_linger(reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        except asyncio.CancelledError:
            # Not in order: a client that is idle, or no more, is waited for half a minute.
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            for w in (writer, upstream and upstream[1]):
                if w:
                    w.close()
                    await _quietly(w.wait_closed())

    async def _exchange(self, reader, writer, up_reader, up_writer) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        method, target, headers = parse(head)
        length = self._check(method, target, headers)
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = head.replace(b"Expect:", b"X-Was-Expect:")
        up_writer.write(head)
        left = length
        while left:
            try:
                data = await asyncio.wait_for(reader.read(min(left, _CHUNK)), _IDLE_S)
            except asyncio.TimeoutError:
                raise _Refused(
                    400, "RequestTimeout", "Your socket connection to the server was not read from"
                )
            if not data:
                raise _Refused(
                    400, "IncompleteBody", "You did not provide the number of bytes specified"
                )
            left -= len(data)
            self.received += len(data)
            up_writer.write(data)
            await up_writer.drain()
        if method == "PUT":
            self.puts += 1
        answer = await up_reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        status, _, fields = parse(answer)
        await self._body(method, int(_), fields, up_reader, writer)
        await writer.drain()
        return "close" not in (headers.get("connection", "") + fields.get("connection", ""))

    @staticmethod
    async def _body(method, status, fields, up_reader, writer):
        if method == "HEAD" or status in (204, 304):
            return
        if fields.get("transfer-encoding", "").lower() == "chunked":
            while True:
                line = await up_reader.readline()
                data = await up_reader.readexactly(int(line, 16) + 2)
                writer.write(line + data)
                if len(data) == 2:
                    return
        left = int(fields.get("content-length", 0))
        while left:
            data = await up_reader.read(min(left, _CHUNK))
            if not data:
                raise OSError("S3 closed within its answer")
            left -= len(data)
            writer.write(data)
            await writer.drain()

    def _check(self, method, target, headers) -> int:
        if self.intercept:
            answer = self.intercept(method, target, headers)
            if answer:
                raise _Refused(*answer)
        query = {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}
        if method == "PUT":
            if "transfer-encoding" in headers:
                raise _Refused(
                    501, "NotImplemented", "A header you provided implies functionality not here"
                )
            if "content-length" not in headers:
                raise _Refused(
                    411, "MissingContentLength", "You must provide the Content-Length HTTP header."
                )
            if int(headers["content-length"]) > _MAX_PUT:
                raise _Refused(400, "EntityTooLarge", "Your proposed upload is too large")
        if "authorization" in headers and ("X-Amz-Signature" in query or "Signature" in query):
            raise _Refused(
                400, "InvalidArgument", "Only one auth mechanism allowed; the query has one"
            )
        if "X-Amz-Date" in query:
            at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
            end = at.replace(tzinfo=timezone.utc) + timedelta(seconds=int(query["X-Amz-Expires"]))
            if datetime.now(timezone.utc) >= end:
                raise _Refused(403, "AccessDenied", "Request has expired")
            signed = query.get("X-Amz-SignedHeaders", "").split(";")
            for name in headers:
                if name.startswith("x-amz-") and name not in signed:
                    raise _Refused(
                        403,
                        "AccessDenied",
                        "There were headers present in the request which were not signed",
                    )
        return int(headers.get("content-length", 0))


def parse(head: bytes):
    """A head's first line's first two words, and its header fields, names in lower case."""
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    words = first.split()
    if len(words) < 2:
        raise ValueError("not HTTP")
    return words[0], words[1], headers


def _xml(status, code, message) -> bytes:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
        f"<Message>{message}</Message><RequestId>LOCAL</RequestId></Error>"
    ).encode()
    head = (
        f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _linger(reader, writer):
    # Read on for a moment, so that closing does not reset the answer away.
    if writer.can_write_eof():
        writer.write_eof()
    for _ in range(64):
        if not await asyncio.wait_for(reader.read(_CHUNK), 1):
            return


async def _quietly(awaitable):
    try:
        await awaitable
    except (OSError, asyncio.TimeoutError, ssl.SSLError):
        pass
