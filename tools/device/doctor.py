"""`make doctor`: everything between the cable and the cloud, looked at one by one."""

import ast
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from . import package
from .connection import Device, DeviceError, choose
from .deploy import ROOMY, chip_of, present
from .trust import S3_URL

_LITTLE = 64 << 10

_FACTS = """
import gc, os, sys
gc.collect()
answer = {"free": gc.mem_free(), "board": None, "slots": None, "version": None}
# What main.py chose; without it the first that is imported from.
answer["slot"] = "/lib2" if sys.path[:1] == ["/lib2"] else "/lib"
s = os.statvfs("/")
answer["flash"] = [s[0] * s[3], s[0] * s[2]]
try:
    from esp32 import Partition as P
    answer["slots"] = [list(p.info()[2:5]) for t in (P.TYPE_APP, P.TYPE_DATA) for p in P.find(t)]
except (ImportError, AttributeError):
    pass
try:
    import board
    answer["board"] = board.NAME
    import uploader
    answer["version"] = uploader.__version__
except (ImportError, AttributeError):
    pass
"""

_CONFIGURED = """
try:
    app
except NameError:
    app = None
answer = None
try:
    from uploader import load_config
    from uploader.errors import ConfigError
    try:
        load_config("/config.json")
    except ConfigError as e:
        answer = str(e)
except ImportError as e:
    answer = "nothing is deployed: %s" % e
"""

# Where memory is short there is room for this beside what sends, not beside what records.
_LEAN = """
import sys
if sys.path[:1] != [slot]:
    sys.path.insert(0, slot)
import sender
app = sender.make()
answer = None
"""

_EXAMINE = """
if app is None:
    from app import make
    app = make()
answer = []
if app:
    import doctor
    doctor.run(app, lambda *row: answer.append(row), s3_url)
"""


@dataclass(frozen=True)
class Check:
    """What was looked at: `ok` is True, False, or None for what can't be said; `text` says what
    was found and, where it is not ok, what to do."""

    name: str
    ok: bool | None
    text: str


def examine(port: str | None, board: str | None = None, s3_url: str = S3_URL) -> Iterator[Check]:
    """Look at a device, a Check after the other; it is interrupted for that, and restarted.
    `board` is the one that it should be, found by its name if left out. Ends early where nothing
    further can be looked at."""
    try:
        port = choose(port)
    except DeviceError as e:
        yield Check("cable", False, str(e))
        return
    yield Check("cable", True, port)
    if not os.access(port, os.R_OK | os.W_OK):
        text = f"{port} is not yours to use: join its group (dialout, on most), log in again"
        yield Check("port rights", False, text)
        return
    yield Check("port rights", True, "readable and writable")
    try:
        with Device(port) as device:
            yield from _look(device, board, s3_url)
            device.restart()
    except DeviceError as e:
        yield Check("answer", False, str(e))


def _look(device: Device, board: str | None, s3_url: str) -> Iterator[Check]:
    version = ".".join(map(str, device.info["version"]))
    yield Check("image", True, f"MicroPython {version}, {device.info['machine'] or 'unix port'}")
    facts = device.ask(_FACTS)
    name = board or named(facts["board"])
    yield from hardware(device, facts, name and package.board(name))
    yield _files(device, name, facts["slot"], facts["version"])
    wrong = device.ask(_CONFIGURED)
    if wrong:
        text = f"{wrong}; write it with make provision PORT={device.port}"
        yield Check("configuration", False, text)
        return
    yield Check("configuration", True, "/config.json is complete and valid")
    if facts["slots"] is not None and facts["free"] <= ROOMY:
        device.renew()
        device.ask(_LEAN, slot=facts["slot"])
    rows = device.ask(_EXAMINE, s3_url=s3_url)
    # Else the storage can't be opened, or it was reset too often: it says which by itself.
    for row in rows or [("start", False, device.told())]:
        yield Check(*row)


def named(title: str | None) -> str | None:
    """The folder of the board whose board.py has that NAME."""
    for folder in package.boards():
        for node in ast.parse((package.BOARDS / folder / "board.py").read_text()).body:
            if isinstance(node, ast.Assign) and node.targets[0].id == "NAME":
                if ast.literal_eval(node.value) == title:
                    return folder
    return None


def hardware(device: Device, facts: dict, board: dict | None) -> Iterator[Check]:
    """What the facts of a connected device say of its chip, memory and flash, against its board's
    (None: not known)."""
    machine, chip = device.info["machine"], board and board["chip"]
    if not chip:
        yield Check("chip", None, f"{machine or device.info['platform']}, not an ESP32's")
    elif chip == chip_of(machine):
        yield Check("chip", True, f"{chip}, as {board['name']} has")
    else:
        yield Check("chip", False, f"{machine}, but {board['name']} has an {chip}: BOARD= is wrong")
    roomy, wanted = facts["free"] > ROOMY, bool(chip and "SPIRAM" in board["variant"])
    if wanted and not roomy:
        text = (
            f"the board has some, this image does not use it: flash {board['build']}, variant "
            f"{board['variant']} (make flash BOARD={board['name']})"
        )
        yield Check("PSRAM", False, text)
    else:
        free = f"the heap can grow by {facts['free'] >> 10:,} KB"
        yield Check("PSRAM", True if roomy else None, free + ("" if roomy else ": none"))
    if facts["slots"] is None:
        yield Check("partitions", None, "not an ESP32: it has no partition table")
    else:
        text = ", ".join(
            f"{label} {size >> 10:,} KB at {at:#x}" for at, size, label in facts["slots"]
        )
        yield Check("partitions", True, text)
    free, total = facts["flash"]
    text = f"{free >> 10:,} of {total >> 10:,} KB free"
    if free < _LITTLE:
        text += ": upload or pull what it holds (make pull)"
    yield Check("flash", free >= _LITTLE, text)


def _files(device: Device, board: str | None, slot: str, version: str | None) -> Check:
    if board is None:
        text = f"none of our boards is deployed: make deploy PORT={device.port} BOARD=..."
        return Check("files", False, text)
    # An update has a version of its own, which is no difference.
    updated = slot != package.SLOT
    built = package.build(board, version if updated else None)
    wanted = {package.placed(f, slot): f.sha256 for f in built}
    there = present(device, slot=slot)
    lacking = sorted(p for p in wanted if p not in there)
    other = sorted(p for p in wanted if p in there and there[p] != wanted[p])
    stale = sorted(set(there) - set(wanted))
    if not lacking and not other and not stale:
        text = f"all {len(wanted)} are those of this checkout, for {board}"
        if updated:
            text += f", as version {version} in {slot}"
        return Check("files", True, text)
    parts = [
        f"{len(paths)} {what} ({paths[0]}{', ...' if paths[1:] else ''})"
        for paths, what in ((lacking, "missing"), (other, "of another version"), (stale, "stale"))
        if paths
    ]
    return Check(
        "files", False, f"{', '.join(parts)}: make deploy PORT={device.port} BOARD={board}"
    )


def as_json(checks: list[Check]) -> dict:
    """What `--json` prints: `ok`, and `checks` in their order."""
    return {"ok": all(c.ok is not False for c in checks), "checks": [asdict(c) for c in checks]}
