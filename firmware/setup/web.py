"""HTTP/1.1 for one page (RFC 9112): a request a connection, small ones only.

Whatever is asked of another host is sent to the page, which is how telephones and computers find
a captive portal. They ask, and expect something else than a redirect: Android
/generate_204 (AOSP, NetworkMonitor), Apple /hotspot-detect.html, Windows /connecttest.txt
and /ncsi.txt (Microsoft, "NCSI overview"), Firefox /canonical.html and /success.txt
(its setting captivedetect.canonicalURL). RFC 8910 has it by DHCP, which MicroPython can't send.
"""

import asyncio
import os

from micropython import const

_MAX_HEAD = const(4096)
_MAX_BODY = const(4096)
_MOST = const(4)  # at once; lwIP has few sockets
_PATIENCE_S = const(20)
_PIECE = const(1024)
_TEXTS = {200: "OK", 302: "Found", 400: "Bad Request", 404: "Not Found", 405: "Not Allowed"}


class Web:
    """Serves on `address` (text) and `port`. `answer(method, path, body)`, a coroutine function,
    gives (status, content type, content): bytes, or the path of a file."""

    def __init__(self, address, port, answer):
        self.host = address if port == 80 else "%s:%d" % (address, port)
        self._where = address, port
        self._answer = answer
        self._open = 0
        self._server = None

    async def start(self):
        """Begin. Raises OSError if the port is in use."""
        self._server = await asyncio.start_server(self._serve, *self._where)

    async def stop(self):
        """End."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader, writer):
        self._open += 1
        try:
            if self._open <= _MOST:
                await asyncio.wait_for(self._exchange(reader, writer), _PATIENCE_S)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError):
            pass  # it went away, or does not speak HTTP
        finally:
            self._open -= 1
            writer.close()
            await writer.wait_closed()

    async def _exchange(self, reader, writer):
        head, body = await _read(reader)
        method, path, _ = head[0].split(" ", 2)
        fields = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        if fields.get("host") != self.host:
            where = "Location: http://%s/\r\n" % self.host
            return await _send(writer, 302, "text/plain", b"", where)
        size = int(fields.get("content-length", 0))
        if size > _MAX_BODY:
            return await _send(writer, 400, "text/plain", b"too long")
        if method == "POST" and fields.get("content-type") != "application/json":
            # A form on a page elsewhere can't send this type unasked.
            return await _send(writer, 400, "text/plain", b"JSON only")
        while len(body) < size:
            more = await reader.read(size - len(body))
            if not more:
                raise EOFError
            body += more
        status, kind, content = await self._answer(method, path.split("?")[0], body)
        await _send(writer, status, kind, content)


async def _read(reader):
    """The lines of a request's head, and what has come after it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = await reader.read(_PIECE)
        if not more or len(data) > _MAX_HEAD:
            raise EOFError
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


async def _send(writer, status, kind, content, more=""):
    size = os.stat(content)[6] if isinstance(content, str) else len(content)
    head = "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s"
    head %= status, _TEXTS[status], kind, size, more
    writer.write((head + "Cache-Control: no-store\r\nConnection: close\r\n\r\n").encode())
    await writer.drain()
    if not isinstance(content, str):
        writer.write(content)
        return await writer.drain()
    buf = memoryview(bytearray(_PIECE))
    with open(content, "rb") as f:
        while True:
            n = f.readinto(buf)
            if not n:
                return
            writer.write(buf[:n])
            await writer.drain()
