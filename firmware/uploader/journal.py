"""Lines on flash that survive power cuts, and a small value kept in them.

A durable line is JSON, a space, the CRC-32 of that JSON in hex, a newline. Files grow by whole
lines and are never rewritten. An append is all or nothing on littlefs (content appears at
close) and on FAT (the directory entry's size is written last, in one sector), so one mechanism
serves both and nothing needs an atomic rename, which FAT lacks. A line that a power cut or a
bad card spoiled fails its CRC and is skipped.
"""

import binascii
import json

from micropython import const

# The longest line that is read back: metadata and names are bounded so that theirs fit.
_MAX_LINE = const(4096)
_PIECE = const(192)


def encode(value):
    """The bytes of one line that carries `value` (anything JSON can)."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return b"%s %08x\n" % (body, binascii.crc32(body))


def append(path, *values):
    """Append a line per value, in one write. Raises OSError as the file system does."""
    data = b"".join(encode(v) for v in values)
    # A spoiled tail without its newline must not swallow the line that follows.
    if not _ends_whole(path):
        data = b"\n" + data
    with open(path, "ab") as f:
        f.write(data)


def read(path):
    """Generate the values of the valid lines of a file. Raises OSError if it can't be read."""
    with open(path, "rb") as f:
        while True:
            # In pieces: readline allocates all that it is allowed to read.
            line = piece = f.readline(_PIECE)
            while len(piece) == _PIECE and piece[-1] != 10:
                piece = f.readline(_PIECE)
                if len(line) <= _MAX_LINE:
                    line += piece
            if not line:
                return
            value = decode(line)
            if value is not None:
                yield value


def decode(line):
    """The value of a line; None if it is not whole."""
    # A body, a space, eight hex digits, and a newline, which alone may be missing.
    if line[-1:] == b"\n":
        line = line[:-1]
    if len(line) < 10 or line[-9] != 32:
        return None
    body = line[:-9]
    try:
        if int(line[-8:], 16) == binascii.crc32(body):
            return json.loads(body)
    except ValueError:
        pass
    return None


def _ends_whole(path):
    try:
        with open(path, "rb") as f:
            f.seek(-1, 2)
            return f.read(1) == b"\n"
    except OSError:  # missing or empty
        return True


class Durable:
    """A small dict, `value`, `{}` until first saved; `path` is its files' common beginning.

    Two files, written in turn: the newer valid one is the value, so the one being written is
    never the only copy. Up to some 90 bytes of JSON stay inline in littlefs's directory
    metadata, where a write seldom costs an erase.
    """

    def __init__(self, path):
        self.value = {}
        self._path = path
        self._serial = 0
        self._written = None
        for slot in (0, 1):
            try:
                for serial, value in read("%s.%d" % (path, slot)):
                    if serial > self._serial and isinstance(value, dict):
                        self._serial = serial
                        self.value = value
            except (OSError, TypeError, ValueError):
                pass
        self._written = json.dumps(self.value)

    def save(self):
        """Write `value`, if it changed since it was last written. Raises OSError."""
        text = json.dumps(self.value)
        if text == self._written:
            return
        serial = self._serial + 1
        with open("%s.%d" % (self._path, serial & 1), "wb") as f:
            f.write(encode([serial, self.value]))
        self._serial = serial
        self._written = text
