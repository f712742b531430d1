"""Making media that were cut off playable, without writing to them."""

import struct

from micropython import const

_MAX_HEAD = const(256)


def wav_head(f, size):
    """The head that makes a WAV file of `size` bytes valid, or None if there is nothing to do.

    A recorder knows the two sizes in a WAV's head only at its end; cut off before, they are
    zero or too small. They are set to what is there (RIFF: Multimedia Programming Interface
    and Data Specifications 1.0, chapter 2 "Resource Interchange File Format").
    """
    f.seek(0)
    head = bytearray(f.read(_MAX_HEAD))
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    at = 12
    align = 1
    while at + 8 <= len(head):
        name, length = bytes(head[at : at + 4]), struct.unpack_from("<I", head, at + 4)[0]
        if name == b"fmt " and at + 22 <= len(head):
            align = struct.unpack_from("<H", head, at + 20)[0] or 1
        if name == b"data":
            data = (size - at - 8) // align * align
            fixed = bytearray(head[: at + 8])
            struct.pack_into("<I", fixed, 4, at + data)
            struct.pack_into("<I", fixed, at + 4, data)
            return bytes(fixed) if fixed != head[: at + 8] else None
        at += 8 + length + (length & 1)
    return None


def ogg_length(f, size):
    """The length of an Ogg file up to the end of its last whole page (RFC 3533 section 6).

    `size` itself if it is no Ogg file (raw Opus, say).
    """
    at = 0
    head = bytearray(27 + 255)
    while True:
        f.seek(at)
        n = f.readinto(head)
        if n < 4 or head[:4] != b"OggS":
            return at or size
        if n < 27 or n < 27 + head[26]:
            return at
        page = 27 + head[26] + sum(head[27 : 27 + head[26]])
        if at + page > size:
            return at
        at += page
