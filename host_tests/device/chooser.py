"""The chooser (firmware/main.py), which no update can mend: whatever it finds, something is run."""

import asyncio
import json
import os
import sys

import vfs
from _support import raises
from chip import Chip, Reset
from flash import Flash
from reset import Machine

from updates.slots import Slots, kept
from uploader import journal

with open(sys.argv[0].rsplit("/", 1)[0] + "/../../firmware/main.py") as _f:
    MAIN = _f.read()
APP = "import seen\nseen.note(%r)\n\ndef make():\n    return seen.App()\n"
# What main.py asks for the app.
BOOT = "def app():\n    from app import make\n\n    return make()\n"


class Seen:
    """What the firmware in a slot did."""

    def __init__(self):
        self.events = []
        self.machine = None
        self.act = None

    def note(self, slot):
        self.events.append((slot, self.machine.watchdog.timeout_ms))

    def App(self):
        return self.act() if self.act else self

    async def run(self):
        self.events.append("run")

    def close(self):
        self.events.append("close")


def device():
    """A root of its own with a firmware in both slots; a Seen."""
    vfs.umount("/")
    flash = Flash(64)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/")
    for slot in ("/lib", "/lib2"):
        os.mkdir(slot)
        os.mkdir(slot + "/setup")
        with open(slot + "/setup/boot.py", "w") as f:
            f.write(BOOT)
        with open(slot + "/app.py", "w") as f:
            f.write(APP % slot)
    seen = sys.modules["seen"] = Seen()
    return seen


def boot(seen, reason="POWERON"):
    """Run main.py: which slot ran; `reset` if it ended in one."""
    sys.path[:] = ["", ".frozen", "/lib"]
    for name in ("app", "setup", "setup.boot"):
        sys.modules.pop(name, None)
    seen.events = []
    seen.machine = sys.modules["machine"] = Machine(Chip(), reason)
    asyncio.new_event_loop()
    try:
        exec(MAIN, {"__name__": "__main__"})
    except Reset:
        return "reset"
    assert seen.events[1:] == ["run", "close"]
    return seen.events[0][0]


def keep(*values):
    """Have these lines as /slot.0, /slot.1."""
    for i in range(len(values)):
        with open("/slot.%d" % i, "wb") as f:
            data = values[i]
            f.write(data if isinstance(data, bytes) else journal.encode(data))


def configure(**values):
    with open("/config.json", "w") as f:
        json.dump(values, f)


def test_without_an_update_it_is_what_was_deployed():
    seen = device()
    assert boot(seen) == "/lib" and not kept()
    assert seen.machine.watchdog.timeout_ms is None, "nobody is there to watch over yet"


def test_the_watchdog_runs_before_anything_of_a_slot_does():
    seen = device()
    for config, ms in (({"watchdog_s": 30}, 30000), ({}, 120000), ({"watchdog_s": 0}, None)):
        configure(**config)
        boot(seen)
        assert seen.events[0][1] == ms, config
    # On trial there is one, whatever is configured.
    Slots().begin("2", "m")
    for config in ({"watchdog_s": 0}, {"watchdog_s": "long"}, {"watchdog_s": 10**12}):
        configure(**config)
        Slots().note(boots=0)
        assert boot(seen) == "/lib2" and seen.events[0][1] == 120000, config
    for text in ("", "[]", "null", '"x"', "{"):
        with open("/config.json", "w") as f:
            f.write(text)
        Slots().note(boots=0)
        assert boot(seen) == "/lib2" and seen.events[0][1] == 120000, text


def test_what_does_not_confirm_itself_is_given_up_after_three_boots():
    seen = device()
    Slots().begin("2.0.0", "mark")
    for reason in ("POWERON", "TASK_WDT", "PANIC"):
        assert boot(seen, reason) == "/lib2"
    assert boot(seen, "SW") == "/lib"
    slots = Slots()
    assert slots.on_trial is None and slots.run == "/lib" and slots.free == "/lib2"
    assert slots.last == ["2.0.0", "undone", "3 boots without a confirmation", "mark"]
    assert boot(seen) == "/lib"


def files():
    """{serial: (path, content)} of the state files."""
    found = {}
    for path in ("/slot.0", "/slot.1"):
        try:
            with open(path, "rb") as f:
                data = f.read()
            found[json.loads(data[:-10])[0]] = (path, data)
        except OSError:
            pass
    return found


def test_the_newest_state_is_never_the_one_that_is_written_over():
    """A file system may keep nothing of a file that was being written."""
    seen = device()
    Slots().begin("2", "m")
    for reason in ("POWERON", "TASK_WDT", "PANIC", "SW"):
        before = files()
        boot(seen, reason)
        newest = max(before)
        assert files()[newest] == before[newest] and max(files()) > newest


def test_wakes_from_deep_sleep_do_not_count_nor_power_on_once_it_stood():
    seen = device()
    Slots().begin("2", "m")
    for _ in range(20):
        assert boot(seen, "DEEPSLEEP") == "/lib2"
    Slots().note(stood=1)
    for _ in range(20):
        assert boot(seen, "POWERON") == "/lib2", "offline, and switched off at night"
    for _ in range(3):
        assert boot(seen, "TASK_WDT") == "/lib2"
    assert boot(seen, "TASK_WDT") == "/lib"


def test_what_is_confirmed_stays():
    seen = device()
    Slots().begin("2", "m")
    assert boot(seen) == "/lib2"
    Slots().confirm()
    for reason in ("POWERON", "TASK_WDT", "PANIC", "SW", "DEEPSLEEP"):
        assert boot(seen, reason) == "/lib2"
    # And back again: the next one goes to the slot that was left.
    slots = Slots()
    assert (slots.run, slots.free, slots.last[:2]) == ("/lib2", "/lib", ["2", "applied"])
    slots.begin("3", "m")
    assert boot(seen) == "/lib"
    Slots().confirm()
    assert boot(seen) == "/lib"


def test_what_crashes_on_trial_is_reset_and_its_reason_kept():
    seen = device()
    Slots().begin("2", "m")
    with open("/lib2/app.py", "w") as f:
        f.write("raise ValueError('x' * 200)\n")
    for _ in range(3):
        assert boot(seen, "SW") == "reset"
    assert boot(seen, "SW") == "/lib"
    assert Slots().last[2].startswith("ValueError: xxx") and len(Slots().last[2]) == 60


def test_what_can_not_be_made_or_ends_on_trial_is_reset():
    seen = device()
    Slots().begin("2", "m")
    seen.act = lambda: None
    original, Seen.App = Seen.App, lambda self: None
    try:
        assert boot(seen, "SW") == "reset"
    finally:
        Seen.App = original
    assert "could not be made" in Slots().value["why"]


def test_a_confirmed_firmware_that_raises_is_left_for_a_person_to_see():
    device()
    seen = sys.modules["seen"]
    with open("/lib/app.py", "w") as f:
        f.write("raise ValueError('x')\n")
    raises(ValueError, boot, seen)


def test_whatever_the_state_files_hold_something_runs():
    good = [7, {"run": "/lib2"}]
    older = [6, {"run": "/lib"}]
    for junk in (
        b"",
        b"\n",
        b"\xff" * 1024,
        b"x" * 3000,
        journal.encode([9, {"run": "/lib"}])[:-5],
        journal.encode([9, {"run": "/lib"}]).replace(b"lib", b"liX"),
        journal.encode([9, {"run": "/elsewhere"}]),
        journal.encode([9, {}]),
        journal.encode([9, []]),
        journal.encode([9]),
        journal.encode([]),
        journal.encode({}),
        journal.encode(9),
        journal.encode(["9", {"run": "/lib"}]),
        journal.encode([None, None]),
    ):
        for first in (True, False):
            seen = device()
            keep(*((junk, good) if first else (good, junk)))
            assert boot(seen) == "/lib2", junk
            keep(junk, junk)
            assert boot(seen) == "/lib", junk
    seen = device()
    keep(good, older)
    assert boot(seen) == "/lib2"
    for strange in ({"try": "/etc"}, {"try": 5}, {"try": "/lib", "boots": "many"}, {"try": []}):
        keep([8, dict({"run": "/lib2"}, **strange)])
        assert boot(seen) == "/lib2", strange


def test_a_flash_that_can_not_be_written_tries_nothing():
    """Else what hangs would be tried for ever: its boots could not be counted."""
    seen = device()
    Slots().begin("2", "m")

    class ReadOnly(Flash):
        def writeblocks(self, n, buf, off=0):
            return -30

        def erase(self, n):
            return -30

    data = {}
    names = ("app.py", "setup/boot.py")
    for name in ("slot.0", "slot.1") + tuple(s + n for s in ("lib/", "lib2/") for n in names):
        try:
            with open("/" + name, "rb") as f:
                data[name] = f.read()
        except OSError:
            pass
    vfs.umount("/")
    flash = Flash(64)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/")
    for name in ("/lib", "/lib2", "/lib/setup", "/lib2/setup"):
        os.mkdir(name)
    for name in data:
        with open("/" + name, "wb") as f:
            f.write(data[name])
    vfs.umount("/")
    broken = ReadOnly(0)
    broken.blocks, broken.data = flash.blocks, flash.data
    vfs.mount(vfs.VfsLfs2(broken), "/")
    for _ in range(5):
        assert boot(seen) == "/lib"
