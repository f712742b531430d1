"""Making a FLAC file (RFC 9639) that was cut off whole again, without writing to it."""

import struct

from micropython import const

_HEAD = const(42)
# Three of the longest frames that `recorders/flac.py` makes: at least one is whole.
_WINDOW = const(6656)
# The longest frame header.
_HEADER = const(16)


def flac_end(f, size):
    """Where the last whole frame of a FLAC file of `size` bytes ends, and the head to send.

    The head's total of samples, which is known at a recording's end only, becomes what is
    there; None if there is nothing to do. Files with other metadata than STREAMINFO are left
    alone: `recorders/flac.py` makes none.
    """
    f.seek(0)
    head = bytearray(f.read(_HEAD))
    if len(head) < _HEAD or head[:5] != b"fLaC\x80" or head[21] & 15 or any(head[22:26]):
        return size, None
    block = struct.unpack_from(">H", head, 8)[0]
    end = size
    samples = 0
    while end > _HEAD:
        start = max(_HEAD, end - _WINDOW)
        f.seek(start)
        whole = _last_whole(f.read(end - start))
        if whole:
            end = start + whole[0]
            samples = whole[1] * block + whole[2]
            break
        # An end that is no sound at all: a window back, with room for the frame in between.
        end = start + _WINDOW // 3 if start > _HEAD else _HEAD
    rate = struct.unpack_from(">I", head, 18)[0] & 0xFFFFFFF0
    struct.pack_into(">II", head, 18, rate | samples >> 32, samples & 0xFFFFFFFF)
    return end, bytes(head)


def _last_whole(data):
    """(end, number, samples) of the last frame in `data` whose CRC-16 is right, or None."""
    size = at = len(data)
    # Zeros, as FAT leaves them, keep a CRC that is right right: up to two may be its own.
    bare = len(data.rstrip(b"\0"))
    ends = [end for end in (bare, bare + 1, bare + 2) if end <= size]
    if data[-1:] == b"\xff":
        ends.append(size - 1)  # of the next frame
    while True:
        at = data.rfind(b"\xff\xf8", 0, at + 1 if at < size else at)
        if at < 0:
            return None
        frame = _header(data, at)
        if frame:
            for end in ends:
                if _crc(data, at, end, 16, 0x8005) == 0:
                    return end, frame[0], frame[1]
        if frame or size - at < _HEADER:  # a header that was cut can't be judged
            ends.append(at)


def _header(data, at):
    """(number, samples) of the frame header (section 9.1) at `at`, or None if it is none."""
    head = data[at : at + 16]
    if len(head) < 8:
        return None
    number, i = head[4], 5
    if number >= 0x80:
        more = 0
        while number << more & 0x40:
            more += 1
        if 5 + more >= len(head):
            return None
        number &= 0x3F >> more
        for i in range(5, 5 + more):
            number = number << 6 | head[i] & 0x3F
        i = 5 + more
    samples = 256 << (head[2] >> 4) - 8 if head[2] >> 4 > 7 else 0
    if head[2] >> 4 in (6, 7):
        samples = int.from_bytes(head[i : i + (head[2] >> 4) - 5], "big") + 1
        i += (head[2] >> 4) - 5
    i += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if i >= len(head) or not samples or _crc(head, 0, i + 1, 8, 0x07):
        return None
    return number, samples


def _crc(data, start, end, width, polynomial):
    """The CRC (section 9.1.8, 9.3) of a part; 0 if the part ends in its own."""
    crc = 0
    top = 1 << (width - 1)
    mask = (1 << width) - 1
    for i in range(start, end):
        crc ^= data[i] << (width - 8)
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc & top else crc << 1) & mask
    return crc
