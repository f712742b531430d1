"""MicroPython itself, in the slot of the partition table that does not run.

What is downloaded begins as a bundle does, the manifest (`"update": 2`, `"image"`: the SHA-256 of
the app's `size` bytes) and its signature; then come those bytes. They go into the slot block by
block, are read back, and are run by the next boot. The bootloader goes back at the boot after,
whatever its cause, unless they were confirmed before (ESP-IDF, "Over The Air Updates", rollback,
which all images of MicroPython have: ports/esp32/boards/sdkconfig.base).

`<state>/image.0` and `.1` hold `sha` and `at` (blocks that are written for certain) of what is
downloaded; `try` (the slot's label), `tries` and `version` of what is tried; `last` as in `slots`.
"""

import sys
from binascii import hexlify
from hashlib import sha256

from micropython import const

from uploader.journal import Durable

from .bundle import UpdateError
from .offer import Kept

_BLOCK = const(4096)  # of flash that is erased at once: a Partition's block, too
_NOTED = const(16)  # blocks between two notes
_TRIES = const(2)  # a power cut, too, ends one


def _running():
    from esp32 import Partition

    return Partition(Partition.RUNNING)


class Images:
    """What is kept in the directory `state`: a Trial's `slots`. Saving raises OSError."""

    def __init__(self, state):
        self._durable = Durable(state + "/image")
        self._state = state
        self.value = self._durable.value

    @property
    def last(self):
        """What came of the last one: [version, `applied` or `undone`, reason, SHA-256]."""
        return self.value.get("last")

    @property
    def on_trial(self):
        """True if what runs is to be confirmed."""
        label = self.value.get("try")
        return bool(label) and label == _running().info()[4]

    def note(self, **more):
        """Keep something."""
        self.value.update(more)
        self._durable.save()

    def _end(self, outcome, reason=""):
        v = self.value
        version = v.get("version")
        last = [version, outcome, reason[:60], v.get("sha")]
        kept = Kept(self._state)
        if kept.value.get("version") == version:
            kept.end(reason or outcome)  # not to be taken again, however often it is offered
        v.clear()
        self.note(last=last)

    def confirm(self):
        """What runs stays. Raises OSError."""
        _running().mark_app_valid_cancel_rollback()
        self._end("applied")

    def undo(self, reason):
        """It is given up: a reset leads back to the other."""
        self._end("undone", reason)

    def back(self):
        """The reason if one was tried and the bootloader went back for good; None otherwise. The
        first time it may have been a power cut: then it is tried once more."""
        v = self.value
        if not v.get("try") or self.on_trial:
            return None
        if v.get("tries", 0) < _TRIES:
            v.pop("try")
            self.note()
            return None
        self.undo("reset before it was confirmed")
        return self.last[2]


def check(values, board, state):
    """Raise UpdateError unless a manifest's values are for this board's NAME, newer than what runs
    or allowed to be older, and not undone before."""
    try:
        version = tuple(values["micropython"])
        running = sys.implementation
        if values["board"] != board:
            reason = "for the board %s" % values["board"]
        elif values["mpy"] != running._mpy & 255:
            reason = "its modules are of another format"
        elif not values["downgrade"] and version <= tuple(running.version[:3]):
            reason = "MicroPython %d.%d.%d is not newer" % version
        elif state.last and state.last[3] == values["image"]:
            reason = "tried before: %s" % state.last[1]
        else:
            return
    except (KeyError, TypeError):
        reason = "not a bundle"
    raise UpdateError(reason, True)


def target(size):
    """The Partition that does not run. Raises UpdateError if there is none for `size` bytes."""
    try:
        running = _running()
        part = running.get_next_update()
    except (ImportError, OSError):
        part = None
    if part is None or part.info()[2] == running.info()[2]:
        raise UpdateError("one slot for MicroPython: make flash OTA=1", True)
    if size > part.info()[3]:
        raise UpdateError("%d bytes, the slot has %d" % (size, part.info()[3]), True)
    return part


async def _fill(part, head, source, state, between):
    size = head.values["size"]
    blocks = -(-size // _BLOCK)
    at = state.value.get("at", 0)
    for n in range(at, blocks):
        if n > at and n % _NOTED == 0:
            state.note(at=n)
        want = min(_BLOCK, size - n * _BLOCK)
        data = await source.read(head.at + n * _BLOCK, want)
        if len(data) != want:
            raise UpdateError("it ends early", True)
        data.extend(b"\xff" * (_BLOCK - want))
        part.writeblocks(n, data)  # erases first
    state.note(at=blocks)
    data = bytearray(_BLOCK)
    h = sha256()
    for n in range(blocks):
        await between()
        part.readblocks(n, data)
        h.update(memoryview(data)[: min(_BLOCK, size - n * _BLOCK)])
    if hexlify(h.digest()).decode() != head.values["image"]:
        state.note(at=0)
        # What was there before a reset may be to blame: then it is worth another download.
        raise UpdateError("not what its hash says", not at)


async def install(app, head, source, version, between):
    """Have the slot filled with what a verified Head announces, and run by the next boot.
    `version` is the offer's. Raises UpdateError, OSError and as the source does."""
    values = head.values
    state = Images(app.settings.state)
    check(values, app.board.NAME, state)
    if not app.settings.watchdog_s:
        raise UpdateError("watchdog_s is 0: nothing would end a hang", True)
    part = target(values["size"])
    label = part.info()[4]
    if [state.value.get(k) for k in ("sha", "label")] != [values["image"], label]:
        last = state.last
        state.value.clear()
        state.note(sha=values["image"], label=label, last=last)
    await _fill(part, head, source, state, between)
    state.note(**{"try": label, "tries": state.value.get("tries", 0) + 1, "version": version})
    try:
        part.set_boot()  # checks the image
    except OSError as e:
        state.undo("the bootloader's check: %s" % e)
        raise UpdateError(state.last[2], True)
