"""Filling the slot that is not running with what a bundle's list says.

Nothing is noted on the way: what is on flash already, whole, is left as it is, so that going on
after a power cut is doing it again.
"""

import os
from binascii import crc32, hexlify
from hashlib import sha256

from micropython import const

from .bundle import STORED, UpdateError

_DIR = const(0x4000)
_FOLDER = const(8192)  # a littlefs directory
_SPARE = const(16384)  # what is left over at least; a file is written before its old self goes
_PIECE = const(512)
_LONG = const(4096)


def same(path, entry):
    """True if the file at `path` is what an Entry says."""
    try:
        if os.stat(path)[6] != entry.size:
            return False
        h = sha256()
        buf = bytearray(_PIECE)
        with open(path, "rb") as f:
            while True:
                n = f.readinto(buf)
                if not n:
                    break
                h.update(memoryview(buf)[:n])
    except OSError:
        return False
    return hexlify(h.digest()).decode() == entry.sha256


def _folder(path):
    return path[: path.rfind("/")] if "/" in path else ""


def _files(folder):
    try:
        return [f[0] for f in os.ilistdir(folder or "/") if f[1] != _DIR]
    except OSError:
        return []


def tidy(listed, slot):
    """Remove from a slot what `listed()`, which generates entries, does not have: any file of its
    folders, and beside the folders what would be imported in a file's stead (a source)."""
    for folder in {_folder(entry.path) for entry in listed()}:
        names = {e.path[e.path.rfind("/") + 1 :] for e in listed() if _folder(e.path) == folder}
        stems = {name.split(".")[0] for name in names}
        place = slot + "/" + folder if folder else slot
        for name in _files(place):
            if name not in names and (folder or name.split(".")[0] in stems):
                os.remove(place + "/" + name)


def lacking(listed, slot):
    """Bytes that the flash of a slot lacks to take what is listed; 0 or less if there is room."""
    stat = os.statvfs("/")
    block = stat[0]
    need = _SPARE
    for folder in {_folder(entry.path) for entry in listed()} | {""}:
        place = slot + "/" + folder if folder else slot
        try:
            os.stat(place)
        except OSError:
            need += _FOLDER
    for entry in listed():
        need += -entry.size // block * -block
        try:
            need -= -os.stat(slot + "/" + entry.path)[6] // block * -block
        except OSError:
            pass
    return need - stat[0] * stat[3]


def make_folders(path):
    """Make the folders that a file at `path` needs."""
    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError as e:
            if e.errno != 17:  # EEXIST
                raise
        at = path.find("/", at + 1)


def _copy(source, target):
    buf = bytearray(_PIECE)
    with open(source, "rb") as f, open(target, "wb") as to:
        while True:
            n = f.readinto(buf)
            if not n:
                return
            to.write(memoryview(buf)[:n])


async def fill(listed, source, wbits, slots, between):
    """Make the slot `slots[1]` hold what is listed: what `slots[0]` has is copied, the rest comes
    by `await source.read(at, size)`. `await between()` is done before each file. Returns how many
    files were written. Raises UpdateError, OSError, and as the source does."""
    old, new = slots
    count = 0
    for entry in listed():
        await between()
        path = new + "/" + entry.path
        if same(path, entry):
            continue
        count += 1
        make_folders(path)
        if same(old + "/" + entry.path, entry):
            _copy(old + "/" + entry.path, path)
            continue
        if entry.stored > STORED:
            await _take_long(entry, source, path)
            continue
        data = await source.read(entry.at, entry.stored)
        with open(path, "wb") as f:
            entry.unpack(data, wbits, f.write)
    return count


async def _take_long(entry, source, path):
    """Write a file that memory does not hold, which is stored as it is, piece by piece."""
    if not entry.plain:
        raise UpdateError("%s: too large" % entry.path, True)
    h = sha256()
    crc = at = 0
    with open(path, "wb") as f:
        while at < entry.size:
            data = await source.read(entry.at + at, min(_LONG, entry.size - at))
            if not data:
                break
            f.write(data)
            h.update(data)
            crc = crc32(data, crc)
            at += len(data)
    if "%08x" % crc != entry.crc:
        raise UpdateError("%s: damaged" % entry.path)
    entry.check(h)
