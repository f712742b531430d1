"""What a bundle is, and whether it is to be trusted.

A bundle is one file: a line of JSON, the manifest; a line with the Ed25519 signature of that line
(without its newline) in lower-case hex; a line of JSON for each file, the list, whose length
and SHA-256 are in the manifest; then the files as they are stored, in the list's order:

    {"update": 1, "version": "1.2.0", "board": "LILYGO T-A7670", "micropython": [1, 26],
     "mpy": 6, "key": "ab12cd34", "downgrade": false, "wbits": 12, "files": 92, "size": 123456,
     "list": [11000, "<SHA-256>"]}
    ["uploader/http.mpy", <size>, "<SHA-256>", <size as stored>, "<CRC-32 as stored>"]

What is stored smaller than it is (16 KB at most: it is held in memory) is a raw DEFLATE stream (RFC
1951) with a window of 2 ** wbits bytes. `key` is how the public key begins, `size` what all files
take unpacked. Every byte is covered: by the signature, by the list's hash, or by a CRC-32 in the
list (deflate leaves bits unused that no hash of the file would miss).
"""

import json
import sys
from binascii import crc32, hexlify, unhexlify
from hashlib import sha256

from micropython import const

from uploader.errors import UploaderError

HEAD = const(2048)  # bytes from the start in which manifest and signature must end
_FORMAT = const(1)
_IMAGE = const(2)  # MicroPython itself, see `image`
_LIST = const(32768)
STORED = const(16384)  # of a file in one piece
_SIGNATURE = const(128)


class UpdateError(UploaderError):
    """An update can't be done; `final` tells that this bundle never can be here."""

    def __init__(self, text, final=False):
        super().__init__(text)
        self.final = final


class Head:
    """The manifest of a bundle that begins with `data` (bytes), not verified yet: `values` (a
    dict), `at` where the list begins. Raises UpdateError."""

    def __init__(self, data):
        end = data.find(b"\n")
        self._signed = data[:end]
        self.at = end + 1 + _SIGNATURE + 1
        text = data[end + 1 : self.at - 1]
        try:
            if end < 0 or data[self.at - 1] != 10:
                raise ValueError
            self._signature = unhexlify(text)
            self.values = v = json.loads(self._signed)
            good = hexlify(self._signature) == bytes(text)
            if v["update"] == _IMAGE:
                good = good and v["size"] > 0 and len(v["image"]) == 64
            else:
                good = good and v["update"] == _FORMAT
                good = good and 0 < v["list"][0] <= _LIST and 9 <= v["wbits"] <= 15
        except (ValueError, KeyError, TypeError, IndexError):
            good = False
        if not good:
            raise UpdateError("not a bundle", True)

    @property
    def image(self):
        """True if it is MicroPython's."""
        return self.values["update"] == _IMAGE

    @property
    def data_at(self):
        """Where the files' bytes begin."""
        return self.at + self.values["list"][0]

    async def verify(self, keys, between):
        """Raise UpdateError unless the signature is by one of `keys` (hex)."""
        from .ed25519 import verify

        for key in keys:
            if key[:8] == self.values.get("key"):
                raw = unhexlify(key)
                if await verify(raw, self._signature, self._signed, between):
                    return
                raise UpdateError("the signature is wrong", True)
        raise UpdateError("signed by a key that is not provisioned", True)

    def check(self, board, version):
        """Raise UpdateError unless the bundle is for this board's NAME, this MicroPython, and
        newer than `version`, or allowed to be older."""
        try:
            reason = self._misfit(board, version)
        except (KeyError, TypeError):
            reason = "not a bundle"
        if reason:
            raise UpdateError(reason, True)

    def _misfit(self, board, version):
        v = self.values
        running = sys.implementation
        if v["board"] != board:
            return "for the board %s" % v["board"]
        if tuple(v["micropython"]) > running.version[:2] or v["mpy"] != running._mpy & 255:
            return "needs MicroPython %d.%d" % tuple(v["micropython"])
        if not v["downgrade"] and numbers(v["version"]) <= numbers(version):
            return "%s is not newer than %s" % (v["version"], version)

    def check_list(self, path):
        """Raise UpdateError unless the file at `path` is the list."""
        h = sha256()
        size = 0
        buf = bytearray(512)
        with open(path, "rb") as f:
            while True:
                n = f.readinto(buf)
                if not n:
                    break
                size += n
                h.update(memoryview(buf)[:n])
        if [size, hexlify(h.digest()).decode()] != self.values["list"]:
            raise UpdateError("the list is not the manifest's", True)


class Entry:
    """A file of a bundle: `path` within the slot, `size`, `sha256` (hex), `at` where it is stored
    from the bundle's start, `stored` bytes, `crc` of those (hex)."""

    def __init__(self, line, at):
        self.path, self.size, self.sha256, self.stored, self.crc = json.loads(line)
        self.at = at

    def unpack(self, data, wbits, write):
        """Give the file's bytes to `write(view)`; `data` is what is stored. Raises UpdateError
        if they are not what they should be."""
        if len(data) != self.stored or "%08x" % crc32(data) != self.crc:
            raise UpdateError("%s: damaged" % self.path)
        h = sha256()
        if self.plain:
            h.update(data)
            write(data)
        else:
            import io

            import deflate

            buf = bytearray(512)
            left = self.size
            with deflate.DeflateIO(io.BytesIO(data), deflate.RAW, wbits) as source:
                while left:
                    n = source.readinto(memoryview(buf)[: min(left, len(buf))])
                    if not n:
                        break
                    h.update(memoryview(buf)[:n])
                    write(memoryview(buf)[:n])
                    left -= n
        self.check(h)

    @property
    def plain(self):
        """True if it is stored as it is."""
        return self.stored == self.size

    def check(self, h):
        """Raise UpdateError unless a sha256 object has the file's digest."""
        if hexlify(h.digest()).decode() != self.sha256:
            raise UpdateError("%s: not what its hash says" % self.path, True)


def entries(path, at):
    """Generate the Entry of each line of the list at `path`, of a bundle whose files' bytes begin
    at `at`. Raises OSError."""
    with open(path, "rb") as f:
        while True:
            line = f.readline()
            if not line:
                return
            entry = Entry(line, at)
            at += entry.stored
            yield entry


def numbers(version):
    """A version's numbers, to be compared: (1, 2, 0) of `1.2.0`, () of what is none."""
    try:
        return tuple([int(part) for part in version.split(".")])
    except (ValueError, AttributeError):
        return ()
