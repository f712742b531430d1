"""What bookkeeping costs the flash: a one-file recording from begin to deletion on littlefs,
against the same bytes written and deleted as a bare file. Runs in MicroPython."""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE)
sys.path.insert(1, HERE + "/../../../firmware")

import json
import os

import vfs
from flash import Flash

from uploader.clock import FLOOR, Clock
from uploader.config import check
from uploader.store import Store

SIZE = 40000
ROUNDS = 200
SYNC = 32768


def new():
    flash = Flash(256)
    vfs.VfsLfs2.mkfs(flash, readsize=32, progsize=32, lookahead=32)
    vfs.mount(vfs.VfsLfs2(flash, readsize=32, progsize=32, lookahead=32), "/flash")
    return flash


def used():
    s = os.statvfs("/flash")
    return s[2] - s[3]


def bare():
    """The media alone: opened, written, synced as often, closed, deleted."""
    with open("/flash/media", "wb") as f:
        for at in range(0, SIZE, 1000):
            f.write(bytes(1000))
            if at + 1000 == SYNC // 1000 * 1000 + 1000:
                f.flush()
        f.flush()
    blocks = used()
    os.remove("/flash/media")
    return blocks


def recorded(store):
    """The same as a recording, through every step of its upload."""
    recording = store.begin("Weekly standup")
    audio = recording.add("audio", "audio/wav")
    for _ in range(0, SIZE, 1000):
        audio.write(bytes(1000))
    recording.end()
    blocks = used()
    entry = store.entry(recording.id)
    entry.note("id", "rec_" + "0" * 24)
    entry.note("sent", 0)
    entry.note("asked")
    entry.note("done")
    store.remove(entry.seq)
    return blocks


def measure(flash, call):
    before = flash.programmed, flash.erased
    blocks = 0
    base = used()
    for _ in range(ROUNDS):
        blocks = max(blocks, call() - base)
    return (flash.programmed - before[0]) / ROUNDS, (flash.erased - before[1]) / ROUNDS, blocks


flash = new()
os.mkdir("/flash/rec")
plain = measure(flash, bare)
vfs.umount("/flash")
flash = new()
settings = check(
    {
        "api_url": "http://api.test/v1",
        "allow_insecure": True,
        "device_token": "dtok_x",
        "storage": "/flash/rec",
        "state": "/flash",  # the token's file is not the recording's bookkeeping
        "sync_bytes": SYNC,
        "roots": [],
    }
)
store = Store(settings, Clock(lambda: FLOOR + 1000))
mine = measure(flash, lambda: recorded(store))
print(
    json.dumps(
        {
            "bookkeeping_bytes": round(mine[0] - plain[0]),
            "bookkeeping_erases": round(mine[1] - plain[1], 2),
            "bookkeeping_blocks": mine[2] - plain[2],
            "media_bytes": round(plain[0]),
            "media_erases": round(plain[1], 2),
        }
    )
)
