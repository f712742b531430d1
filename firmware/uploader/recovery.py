"""What to make of a recording that was never ended: a power cut, a pulled card, a kill.

What was synced is on flash; the manifest's lines for it may be missing. Nothing is rewritten:
the recovered file is described (its length, the head that it should have), so a second power
cut during recovery finds the same files as the first.
"""

import os
import struct
from binascii import hexlify

from micropython import const

from . import layout

_MAX_HEAD = const(256)
_IMA_ADPCM = const(0x11)


def recover(store, entry):
    """Append to the manifest what an interrupted recording holds, and its end.

    False if there was nothing in it: then it has been removed. False, too, if a file that
    the manifest names is gone: then it is quarantined. Raises StorageError.
    """
    known = 0  # bit i: file i
    for file in entry.files():
        known |= 1 << file["index"]
    found = []
    for rest in store.media(entry.seq):
        if not known & 1 << int(rest[:2], 36):
            path = store.path(entry.seq, rest)
            content_type = layout.content_type_of(rest)
            file = store.space.guard(_describe, path, content_type)
            if file["size"]:
                file["index"] = int(rest[:2], 36)
                found.append({"file": file})
    found.sort(key=lambda line: line["file"]["index"])
    if not known and not found:
        store.remove(entry.seq)
        return False
    count = entry.count + len(found)
    if entry.end and entry.end.get("count") != count:
        store.quarantine(entry, "%d files, not %s" % (count, entry.end.get("count")), True)
        return False
    # An end that was there is still true; only lines before it were lost.
    end = dict(entry.end) if entry.end else {"interrupted": True}
    end["count"] = count
    found.append({"end": end})
    store.append(store.path(entry.seq, ".rec"), *found)
    return True


def manifest_lost(store, entry):
    """Quarantine media whose manifest does not even begin; remove what is nothing at all.
    Raises StorageError."""
    for rest in store.media(entry.seq):
        if store.space.guard(os.stat, store.path(entry.seq, rest))[6]:
            store.quarantine(entry, "the manifest is lost or damaged", True)
            return
    store.remove(entry.seq)


def _describe(path, content_type):
    file = {"content_type": content_type, "size": os.stat(path)[6]}
    head = None
    with open(path, "rb") as f:
        if content_type == "audio/wav":
            head = _wav_head(f, file["size"])
        elif content_type == "audio/flac":
            from .flac_recovery import flac_end

            file["size"], head = flac_end(f, file["size"])
        elif content_type in ("audio/opus", "audio/ogg"):
            file["size"] = _ogg_length(f, file["size"])
    if head:
        file["head"] = hexlify(head).decode()
    return file


def _wav_head(f, size):
    """The head that makes a WAV file of `size` bytes valid, or None if there is nothing to do.

    A recorder knows the two sizes in a WAV's head only at its end; cut off before, they are
    zero or too small. They are set to what is there (RIFF: Multimedia Programming Interface
    and Data Specifications 1.0, chapter 2 "Resource Interchange File Format"). IMA ADPCM has
    its length in samples, too, in the `fact` chunk: of whole blocks then.
    """
    f.seek(0)
    head = bytearray(f.read(_MAX_HEAD))
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    at = 12
    align = 1
    per_block = fact = 0
    while at + 8 <= len(head):
        name, length = bytes(head[at : at + 4]), struct.unpack_from("<I", head, at + 4)[0]
        if name == b"fmt " and at + 22 <= len(head):
            align = struct.unpack_from("<H", head, at + 20)[0] or 1
            if length == 20 and head[at + 8] == _IMA_ADPCM and at + 28 <= len(head):
                per_block = struct.unpack_from("<H", head, at + 26)[0]
        if name == b"fact":
            fact = at + 8
        if name == b"data":
            data = (size - at - 8) // align * align
            fixed = bytearray(head[: at + 8])
            struct.pack_into("<I", fixed, 4, at + data)
            struct.pack_into("<I", fixed, at + 4, data)
            # One that was finished knows better: its last block may be filled up.
            if fact and per_block and not any(fixed[fact : fact + 4]):
                struct.pack_into("<I", fixed, fact, data // align * per_block)
            return bytes(fixed) if fixed != head[: at + 8] else None
        at += 8 + length + (length & 1)
    return None


def _ogg_length(f, size):
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
