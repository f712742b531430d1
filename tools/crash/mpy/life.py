"""Lives of a device with power cuts, on a real littlefs or FAT in RAM. Runs in MicroPython.

life.py FIRMWARE CONFIG KIND FIRST STEP COUNT [SECOND]: for each cut number FIRST, FIRST + STEP,
... (COUNT of them) live up to that cut, boot, drain, check what is left on flash, and print a
line of JSON: the cut, whether it was reached, and what the service must have. With SECOND, the
recovery itself is cut too. A cut number is an operation (a program or an erase) and how much
of it was done; `life.py FIRMWARE CONFIG KIND count` prints how many there are.
"""

import sys

sys.path.insert(0, sys.argv[1])
sys.path.insert(1, sys.argv[0].rsplit("/", 1)[0])

import asyncio
import gc
import hashlib
import json
import os
from binascii import hexlify

import vfs
from flash import Flash, PowerCut

from uploader import Clock, Store, Uploader, load_config
from uploader.clock import FLOOR
from uploader.errors import StorageError
from uploader.links.host import HostLink

SYNC = 1024
settings = load_config(sys.argv[2])
settings.values.update(sync_bytes=SYNC, low_space_bytes=0)
kind = sys.argv[3]


# Geometries, by KIND: littlefs with the program sizes of internal flash and of larger NOR
# pages; FAT as small cards have it (FAT12) and larger ones (FAT16, larger clusters).
GEOMETRY = {
    "lfs32": dict(blocks=64, block_size=4096, unit=32),
    "lfs64": dict(blocks=96, block_size=4096, unit=64),
    "lfs256": dict(blocks=64, block_size=4096, unit=256),
    "fat12": dict(blocks=256, block_size=512, sectors=True),
    "fat16": dict(blocks=9000, block_size=512, sectors=True),
}


def options():
    if kind[:3] == "fat":
        return {}
    unit = GEOMETRY[kind]["unit"]
    return {"readsize": unit, "progsize": unit, "lookahead": 32}


def make_flash():
    flash = Flash(**GEOMETRY[kind])
    (vfs.VfsFat if kind[:3] == "fat" else vfs.VfsLfs2).mkfs(flash, **options())
    return flash


# A file that nobody closed writes through its file system when it is collected. Were that one swept
# before it, the interpreter would crash, which no power cut does.
file_systems = []


def mount(flash):
    file_system = (vfs.VfsFat if kind[:3] == "fat" else vfs.VfsLfs2)(flash, **options())
    file_systems.append(file_system)
    vfs.mount(file_system, "/flash")


def umount():
    try:
        vfs.umount("/flash")
    except OSError:
        pass


async def no_wait(ms):
    await asyncio.sleep_ms(0)


def boot():
    """The store and uploader of a device that has just been switched on."""
    clock = Clock(lambda: FLOOR + 1000000, sleep_ms=no_wait)
    store = Store(settings, clock)
    return store, Uploader(settings, store, [HostLink()])


class Expect:
    """What the world may expect of the recordings of one life.

    Per capture id: `ended` (end() returned), `files`: per file the MD5 of all that was
    written, and the bytes, of which at least `synced` must arrive if it was cut.
    """

    def __init__(self):
        self.captures = {}

    def begin(self, store, recording):
        capture = {"ended": False, "files": []}
        self.captures[store.capture_id(recording)] = capture
        return capture


def media_bytes(seed, size):
    out = b""
    block = hashlib.sha256(str(seed).encode()).digest()
    while len(out) < size:
        out += block
        block = hashlib.sha256(block).digest()
    return out[:size]


def record(store, expect, seed, sizes, end=True):
    """Record one capture of files of these sizes; each write of 700 bytes."""
    recording = store.begin("life")
    capture = expect.begin(store, recording)
    for i in range(len(sizes)):
        what = ("audio", "audio/mpeg") if i == 0 else ("image", "image/jpeg")
        writer = recording.add(*what)
        data = media_bytes(seed * 10 + i, sizes[i])
        file = {"data": hexlify(data).decode(), "synced": 0}
        capture["files"].append(file)
        at = 0
        while at < len(data):
            n = writer.write(memoryview(data)[at : at + 700])
            at += n
            file["synced"] = writer.synced
        if end or i < len(sizes) - 1:
            writer.close()
            file["synced"] = len(data)
    if end:
        recording.end()
        capture["ended"] = True


def live(expect):
    """The life: record, upload, record while some is pending, upload, record."""
    store, up = boot()
    record(store, expect, 1, [2500])
    record(store, expect, 2, [900, 1300])
    assert asyncio.run(up.drain(600))
    record(store, expect, 3, [3000])
    store, up = boot()
    record(store, expect, 4, [600])
    assert asyncio.run(up.drain(600))
    record(store, expect, 5, [2100], end=False)


def strays():
    """What is on flash beyond the store's own files."""
    return [f[0] for f in os.ilistdir("/flash/rec") if f[0][:6] not in ("store.", "token.")]


def recover(flash):
    """Boot again and upload what is there."""
    mount(flash)
    store, up = boot()
    asyncio.run(up.drain(600))


def until_cut(flash, life):
    """Run `life()`; True if the power cut that `flash` has in it ended it."""
    try:
        life()
    except (PowerCut, StorageError, OSError):
        # An __exit__ on the way up may have met the dead flash and raised its own error.
        if not flash.dead:
            raise
    cut = flash.dead
    # Life is over one way or another: an end without a cut is switching off.
    flash.dead = True
    umount()
    return cut


def one(number, second):
    """One life with one cut (or two); the report."""
    expect = Expect()
    flash = make_flash()
    mount(flash)
    # A cut number counts operations; its fraction tells how much of the operation was done.
    flash.cut_after, flash.torn = plan[number]
    report = {"cut": number}
    report["reached"] = until_cut(flash, lambda: live(expect))
    if second is not None:
        flash = flash.revive()
        flash.cut_after, flash.torn = second, number % 2
        report["twice"] = until_cut(flash, lambda: recover(flash))
    flash = flash.revive()
    mount(flash)
    store, up = boot()
    report["drained"] = asyncio.run(up.drain(600))
    report["strays"] = strays()
    # Numbers are not used again: the next capture id is new.
    recording = store.begin("next")
    report["reused"] = store.capture_id(recording) in expect.captures
    umount()
    flash.revive()  # this one is dead, and without its cells
    gc.collect()
    report["captures"] = expect.captures
    return report


def count():
    """All cuts of a life: a list of (operation, units done)."""
    cuts = []
    expect = Expect()
    flash = make_flash()
    mount(flash)
    spans = []
    write, erase = flash.writeblocks, flash.erase

    class Spy:
        """Notes how many units each operation has."""

        def readblocks(self, n, buf, off=0):
            return flash.readblocks(n, buf, off)

        def writeblocks(self, n, buf, off=0):
            result = write(n, buf, off)
            spans.append(flash.units_of_last)
            return result

        def ioctl(self, op, arg):
            if op == 6 and not flash.sectors:
                result = erase(arg)
                spans.append(1)
                return result
            return flash.ioctl(op, arg)

    umount()
    mount(Spy())
    live(expect)
    umount()
    for i in range(len(spans)):
        for torn in range(spans[i] + 1):
            cuts.append((i, torn))
    return cuts


plan = count()
if sys.argv[4] == "count":
    print(len(plan))
else:
    first, step, many = (int(a) for a in sys.argv[4:7])
    second = int(sys.argv[7]) if len(sys.argv) > 7 else None
    for k in range(many):
        number = first + k * step
        if number >= len(plan):
            break
        print(json.dumps(one(number, second)))
