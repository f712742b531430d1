"""A video of 200 MB on a card's FAT."""

import asyncio
import hashlib
import os
import struct
from binascii import hexlify

import vfs
from _support import folder
from wire import settings

from uploader.clock import FLOOR, Clock
from uploader.entry import digest
from uploader.store import Store

SIZE = 200 * 1000 * 1000
PIECE = 65536
SECTOR = 512


class Card:
    """A card of 256 MB in a file."""

    def __init__(self, path):
        self._file = open(path, "w+b")
        self._sectors = 256 * 1024 * 1024 // SECTOR
        self._file.seek(self._sectors * SECTOR - 1)
        self._file.write(b"\0")

    def readblocks(self, n, buf):
        self._file.seek(n * SECTOR)
        self._file.readinto(buf)

    def writeblocks(self, n, buf):
        self._file.seek(n * SECTOR)
        self._file.write(buf)

    def ioctl(self, op, arg):
        return self._sectors if op == 4 else SECTOR if op == 5 else 0


def store():
    made = settings(storage="/card/captures", state=folder() + "/state", sync_bytes=4 << 20)
    return Store(made, Clock(lambda: FLOOR + 1000, boot="b"))


def write(writer, pieces):
    """Write that many pieces, each unlike the others; returns the MD5 of all."""
    md5 = hashlib.md5()
    buf = bytearray(PIECE)
    left = SIZE
    for i in range(pieces):
        struct.pack_into("<I", buf, 0, i)
        part = memoryview(buf)[: min(left, PIECE)]
        writer.write(part)
        md5.update(part)
        left -= len(part)
    return hexlify(md5.digest()).decode()


def test_a_video_of_200_mb_is_stored_read_back_and_recovered_after_a_cut():
    card = Card(folder() + "/card.img")
    vfs.VfsFat.mkfs(card)
    vfs.mount(vfs.VfsFat(card), "/card")
    os.mkdir("/card/captures")
    s = store()
    recording = s.begin("door")
    video = recording.add("video", "video/mp4")
    md5 = write(video, -(-SIZE // PIECE))
    assert video.size == SIZE
    recording.end()
    (entry,) = list(store().pending())
    (file,) = entry.files()
    assert (file["content_type"], file["size"], file["md5"]) == ("video/mp4", SIZE, md5)
    reader = entry.open(file)
    assert asyncio.run(digest(reader, SIZE, bytearray(PIECE))) == md5
    reader.close()
    s.remove(entry.seq)
    # Another, whose power fails: what was synced is there, by its size alone.
    video = s.begin("gate").add("video", "video/mp4")
    write(video, 1000)
    assert video.synced >= 900 * PIECE
    s = store()
    (entry,) = list(s.pending())
    (file,) = entry.files()
    assert entry.end["interrupted"] and file["content_type"] == "video/mp4"
    assert file["size"] >= video.synced and "md5" not in file
    assert s.space.free_bytes() > 256 * 1024 * 1024 - 1000 * PIECE - 16 * 1024 * 1024
