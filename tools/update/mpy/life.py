"""Lives of a device that is updated, with power cuts. Runs in MicroPython.

life.py FIRMWARE PLAN KIND count | none | FIRST STEP COUNT [SECOND]: PLAN is a JSON file with the
files of the old firmware, the bundle, and the files of the new one (hex). The chooser is the real
main.py, the flash a littlefs in RAM; with KIND `fat` the bundle's list lies on a FAT, whose
operations are those that are cut. For each cut (see tools/crash/mpy/life.py) a line of JSON tells
what came of it.
"""

import sys

sys.path.insert(0, sys.argv[1])
sys.path.insert(1, sys.argv[0].rsplit("/", 1)[0] + "/../../chip/mpy")
sys.path.insert(1, sys.argv[0].rsplit("/", 1)[0] + "/../../crash/mpy")

import asyncio
import gc
import json
import os
from binascii import hexlify, unhexlify
from hashlib import sha256

import vfs
from chip import Chip, Reset
from flash import Flash, PowerCut
from reset import Machine

from updates.install import Bundle, install
from updates.slots import Slots

with open(sys.argv[1] + "/main.py") as f:
    MAIN = f.read()
with open(sys.argv[2]) as f:
    PLAN = json.load(f)
KIND = sys.argv[3]
BUNDLE = unhexlify(PLAN["bundle"])
BOARD = "A board"
OLD, NEW = "1.0.0", "1.0.1"
HASHES = {
    v: {p: hexlify(sha256(unhexlify(data)).digest()) for p, data in PLAN[v].items()}
    for v in (OLD, NEW)
}
CAPTURES = {"/captures/00000100.wav": b"sound" * 900, "/captures/store.spr": bytes(16384)}
STATE = "/sd" if KIND == "fat" else "/state"
file_systems = []


class Done(BaseException):
    """The device is where it will stay."""


class Source:
    """The bundle in the host's memory."""

    async def read(self, at, size):
        await asyncio.sleep_ms(0)
        return BUNDLE[at : at + size]


class App:
    """What the firmware of either version does here."""

    def __init__(self, version):
        self.version = version
        life.booted.append(version)

    async def run(self):
        slot = sys.path[0] if sys.path[0] in ("/lib", "/lib2") else "/lib"
        for path, digest in HASHES[self.version].items():
            with open(slot + "/" + path, "rb") as f:
                if hexlify(sha256(f.read()).digest()) != digest:
                    life.harmed.append(slot + "/" + path)
        slots = Slots()
        if slots.on_trial:
            slots.note(stood=1)
            slots.confirm()
        if self.version == NEW or slots.last and slots.last[1] == "undone":
            raise Done
        bundle = Bundle(Source(), STATE + "/update.lst", between)
        await bundle.open(None)
        await bundle.fetch_list()
        bundle.check_whole(len(BUNDLE), PLAN["crc"])
        await install(bundle, slots, BOARD, self.version)
        life.machine.reset()

    def close(self):
        pass


class Life:
    """What the fakes know of each other, and what was seen."""

    App = App

    def __init__(self):
        self.booted = []
        self.harmed = []
        self.machine = None


life = Life()
sys.modules["life"] = life


async def between():
    await asyncio.sleep_ms(0)


def write(path, data):
    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass
        at = path.find("/", at + 1)
    with open(path, "wb") as f:
        f.write(data)


class Device:
    """Both flashes; `cut` is the one whose power is counted."""

    def __init__(self, flash=Flash):
        self.root = flash(96)
        vfs.VfsLfs2.mkfs(self.root)
        self.card = flash(256, 512, sectors=True)
        vfs.VfsFat.mkfs(self.card)
        self.mount()
        for path, data in PLAN[OLD].items():
            write("/lib/" + path, unhexlify(data))
        for path, data in CAPTURES.items():
            write(path, data)
        os.mkdir("/state")

    @property
    def cut(self):
        return self.card if KIND == "fat" else self.root

    def mount(self):
        for device, kind, at in (
            (self.root, vfs.VfsLfs2, "/"),
            (self.card, vfs.VfsFat, "/sd"),
        ):
            file_system = kind(device)
            file_systems.append(file_system)  # see tools/crash/mpy/life.py
            vfs.mount(file_system, at)

    def umount(self):
        for at in ("/sd", "/"):
            try:
                vfs.umount(at)
            except OSError:
                pass

    def off(self):
        """What ran is gone: nothing that is still open reaches the cells. A cut that has not
        come yet comes at its moment."""
        left = None
        if self.cut.cut_after is not None and not self.cut.dead:
            left = self.cut.cut_after - self.cut.operations, self.cut.torn
        self.root.dead = self.card.dead = True
        self.umount()
        self.root, self.card = self.root.revive(), self.card.revive()
        if left:
            self.cut.cut_after, self.cut.torn = left
        gc.collect()
        self.mount()

    def boot(self, reason):
        """One run of main.py: the name of what ended it."""
        for name in list(sys.modules):
            if name in ("app", "setup", "setup.boot"):
                sys.modules.pop(name)
        sys.path[:] = ["", ".frozen", "/lib"]
        life.machine = sys.modules["machine"] = Machine(Chip(), reason)
        asyncio.new_event_loop()
        try:
            exec(MAIN, {"__name__": "__main__"})
        except (Done, PowerCut, Reset) as e:
            return type(e).__name__
        except OSError:
            # An __exit__ on the way up may have met the dead flash and raised its own error.
            if not self.cut.dead:
                raise
            return "PowerCut"
        return "ended"


def captures_whole():
    for path, data in CAPTURES.items():
        with open(path, "rb") as f:
            if f.read() != data:
                return False
    return True


def live(device, second=None):
    """Boot until the device stays where it is; how often the power was cut on the way. After the
    first cut comes another, `second` operations later."""
    cuts = 0
    reason = "POWERON"
    for _ in range(12):
        end = device.boot(reason)
        if end == "Done":
            return cuts
        cut = device.cut.dead
        device.off()
        reason = "POWERON" if cut else "SW"
        if cut and not cuts and second is not None:
            device.cut.cut_after, device.cut.torn = second, 1
        cuts += cut
    raise RuntimeError("it never stays: %r" % life.booted)


def one(number, second):
    """One life with one cut (or two); what came of it."""
    life.booted, life.harmed = [], []
    device = Device()
    device.off()  # counted from here on
    if number is not None:
        device.cut.cut_after, device.cut.torn = plan[number]
    report = {"cut": number, "cuts": live(device, second)}
    slots = Slots()
    report["trial"] = slots.on_trial
    report["last"] = slots.last and slots.last[1]
    report["why"] = slots.last and slots.last[2]
    report["version"] = life.booted[-1]
    report["boots"] = len(life.booted)
    report["harmed"] = life.harmed
    report["captures"] = captures_whole()
    device.root.dead = device.card.dead = True
    device.umount()
    device.root.revive()
    device.card.revive()
    gc.collect()
    return report


def count():
    """All cuts of a life: a list of (operation, units done)."""
    spans = []

    class Spy(Flash):
        """Notes how many units each operation has."""

        def writeblocks(self, n, buf, off=0):
            result = Flash.writeblocks(self, n, buf, off)
            if result == 0 and self.sectors == (KIND == "fat"):
                spans.append(self.units_of_last)
            return result

        def erase(self, n):
            result = Flash.erase(self, n)
            if result == 0 and self.sectors == (KIND == "fat"):
                spans.append(1)
            return result

        def revive(self):
            again = Flash.revive(self)
            spied = Spy(0, self.block_size, self.unit, self.sectors)
            spied.blocks, spied.data, again.data = again.blocks, again.data, None
            return spied

    device = Device(Spy)
    device.off()
    spans.clear()
    live(device)
    device.root.dead = device.card.dead = True
    device.umount()
    return [(i, torn) for i in range(len(spans)) for torn in range(spans[i] + 1)]


plan = count()
if sys.argv[4] == "count":
    print(len(plan))
elif sys.argv[4] == "none":
    print(json.dumps(one(None, None)))
else:
    first, step, many = (int(a) for a in sys.argv[4:7])
    second = int(sys.argv[7]) if len(sys.argv) > 7 else None
    for k in range(many):
        number = first + k * step
        if number >= len(plan):
            break
        print(json.dumps(one(number, second)))
