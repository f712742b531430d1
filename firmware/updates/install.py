"""From a bundle to a slot that is tried at the next boot."""

from binascii import crc32

from micropython import const

from . import apply
from .bundle import HEAD, Head, UpdateError, entries

_PIECE = const(2048)


class Bundle:
    """A bundle of `source` (see `source`), whose list is kept in the file `path` meanwhile.
    `await between()` is done all the time: it may raise what ends it."""

    def __init__(self, source, path, between):
        self.head = None
        self._source = source
        self._path = path
        self._between = between

    async def open(self, keys):
        """Read the manifest and have it prove its origin by one of `keys` (hex), unless that is
        None. Raises UpdateError and as the source does."""
        data = await self._source.read(0, HEAD)
        self.head = Head(bytes(data))
        self._start = data[: self.head.at]
        if keys is not None:
            await self.head.verify(keys, self._between)

    @property
    def mark(self):
        """What tells it from others."""
        return self.head.values["list"][1][:8]

    async def fetch_list(self):
        """Have the list. Raises UpdateError, OSError and as the source does."""
        try:
            self.head.check_list(self._path)
            return
        except (OSError, UpdateError):
            pass
        at, end = self.head.at, self.head.data_at
        with open(self._path, "wb") as f:
            while at < end:
                data = await self._source.read(at, min(_PIECE, end - at))
                if not data:
                    break
                f.write(data)
                at += len(data)
        self.head.check_list(self._path)

    def entries(self):
        """Generate what is listed."""
        return entries(self._path, self.head.data_at)

    async def fill(self, slots):
        """Fill the free slot, then read all of it back. Raises as `apply.fill`, UpdateError if
        flash does not keep what is written."""
        for _ in range(3):
            both = slots.run, slots.free
            wbits = self.head.values["wbits"]
            if not await apply.fill(self.entries, self._source, wbits, both, self._between):
                return
        raise UpdateError("the flash does not keep what is written")

    def check_whole(self, size, crc):
        """Raise UpdateError unless the whole has this size and CRC-32, as far as either is given
        (not None). The files need not be there: the list has their CRCs, which are put together."""
        end = self.head.data_at
        value = crc32(self._start)
        with open(self._path, "rb") as f:
            while True:
                data = f.read(512)
                if not data:
                    break
                value = crc32(data, value)
        for entry in self.entries():
            end = entry.at + entry.stored
            value = combined(value, int(entry.crc, 16), entry.stored)
        if size is not None and size != end or crc is not None and crc != value:
            raise UpdateError("not what the service announced", True)


def _product(a, b):
    """Of two polynomials over GF(2) modulo CRC-32's, its bits in reverse (RFC 1952, zlib)."""
    out = 0
    for i in range(31, -1, -1):
        if a >> i & 1:
            out ^= b
        b = b >> 1 ^ (0xEDB88320 if b & 1 else 0)
    return out


def combined(first, second, size):
    """The CRC-32 of two pieces one after the other, of theirs and the `size` of the second: the
    first is carried over as many zero bytes, by squaring (zlib's crc32_combine)."""
    power = 0x00800000  # x ** 8, a byte
    while size:
        if size & 1:
            first = _product(power, first)
        power = _product(power, power)
        size >>= 1
    return first ^ second


async def install(bundle, slots, board, version):
    """Fill the free slot with an open Bundle and have it tried at the next boot. `board` is its
    NAME, `version` the one that runs. Raises UpdateError, OSError and as the source does."""
    head = bundle.head
    head.check(board, version)
    last = slots.last
    if last and last[1] == "undone" and last[3] == bundle.mark:
        raise UpdateError("tried before: %s" % last[2], True)
    if slots.on_trial:
        raise UpdateError("another is on trial")
    listed = bundle.entries
    apply.tidy(listed, slots.free)
    lacking = apply.lacking(listed, slots.free)
    if lacking > 0:
        raise UpdateError("%d bytes of flash are lacking" % lacking)
    await bundle.fill(slots)
    slots.begin(head.values["version"], bundle.mark)
