"""Where a bundle's bytes come from: an URL, piece by piece, or a file."""

from micropython import const

from uploader import memory
from uploader.errors import TransportError

_PIECE = const(4096)
_PIECE_SHORT = const(2048)  # where memory is short
# What an answer without the bytes may mean: S3 says 403 of a signed URL that has expired.
_EXPIRED = (401, 403, 404, 410)


class Expired(TransportError):
    """The URL is no longer good."""


class UrlSource:
    """A bundle at `url`, read with Range requests (RFC 9110 section 14) by an Http: each piece is
    a request of its own, over a connection that is kept, so nothing is lost with one. `await
    between()` is done before each."""

    def __init__(self, http, url, between):
        self._http = http
        self._url = url
        self._between = between
        self._piece = _PIECE if memory.roomy() else _PIECE_SHORT

    async def read(self, at, size):
        """`size` bytes from `at` on; fewer at the end of the bundle. Raises TransportError."""
        out = bytearray()
        while len(out) < size:
            await self._between()
            want = min(self._piece, size - len(out))
            first = at + len(out)
            headers = [("Range", "bytes=%d-%d" % (first, first + want - 1))]
            answer = await self._get(headers, want)
            if answer.status == 416:  # nothing there
                break
            if answer.status != 206:
                if answer.status in _EXPIRED:
                    raise Expired("refused", "the URL answers %d" % answer.status, True)
                text = "the URL answers %d to a Range" % answer.status
                raise TransportError("protocol", text, True)
            out.extend(answer.body)
            if len(answer.body) < want:
                break
        return out

    async def _get(self, headers, want):
        try:
            return await self._http.request("GET", self._url, headers, b"", want)
        except TransportError as e:
            if e.kind != "closed":
                raise
        # The server had enough of an idle connection: a signature was verified meanwhile, say.
        return await self._http.request("GET", self._url, headers, b"", want)


class FileSource:
    """A bundle in the file at `path`."""

    def __init__(self, path):
        self._path = path

    async def read(self, at, size):
        """`size` bytes from `at` on; fewer at its end. Raises OSError."""
        with open(self._path, "rb") as f:
            f.seek(at)
            return f.read(size)
