"""MicroPython's image in the other slot: power cuts at every step of it, what does harm, and what
is refused. The Partition is as unkind as the chip's."""

import asyncio
import os
import random
import sys
from binascii import hexlify
from hashlib import sha256

from _support import fails, folder

import updates.image
from updates.bundle import Head, UpdateError
from updates.image import Images
from updates.offer import Kept
from uploader.errors import TransportError
from uploader.journal import Durable

BLOCK = 4096
SLOT = 24 * BLOCK
VERSION = "micropython-9.0.0"


class Cut(Exception):
    """The power fails."""


class Chip:
    """Two slots, otadata, and the bootloader (ESP-IDF: components/app_update/esp_ota_ops.c,
    bootloader_support/src/bootloader_utility.c). At operation `cut` the power fails, half way
    through what writes."""

    def __init__(self):
        self.slots = [app(1), bytearray(b"\0" * SLOT)]
        self.slots[0].extend(b"\xff" * (SLOT - len(self.slots[0])))
        self.otadata = None  # [slot, state]
        self.running = 0
        self.cut = None
        self.count = 0

    def step(self):
        """True if the power fails here."""
        self.count += 1
        return self.count == self.cut

    def boot(self):
        """What the bootloader does at any reset."""
        if self.otadata and self.otadata[1] == "pending":
            self.otadata = None  # aborted
        self.running = 0
        if self.otadata:
            if self.otadata[1] == "new":
                self.otadata[1] = "pending"
            self.running = self.otadata[0]

    def valid(self, n):
        """What esp_image_verify finds: the magic, and the SHA-256 at the end."""
        s = self.slots[n]
        size = int.from_bytes(s[1:5], "little")
        return s[0] == 0xE9 and sha256(s[:size]).digest() == s[size : size + 32]


chip = None


class Partition:
    """esp32.Partition (MicroPython, ports/esp32/esp32_partition.c)."""

    RUNNING = 1
    BOOT = 0

    def __init__(self, which):
        assert which == self.RUNNING
        self.n = chip.running

    def info(self):
        return (0, 16 + self.n, 0x10000 + self.n * SLOT, SLOT, "ota_%d" % self.n, False)

    def get_next_update(self):
        if len(chip.slots) == 0:
            raise OSError(2)
        other = Partition(self.RUNNING)
        other.n = (self.n + 1) % len(chip.slots)
        return other

    def readblocks(self, n, buf):
        assert (n * BLOCK + len(buf)) <= SLOT
        if chip.step():
            raise Cut
        buf[:] = chip.slots[self.n][n * BLOCK : n * BLOCK + len(buf)]

    def writeblocks(self, n, data):
        if len(data) % BLOCK or n * BLOCK + len(data) > SLOT:
            raise OSError(-0x102)  # ESP_ERR_INVALID_ARG
        assert self.n != chip.running
        s, at = chip.slots[self.n], n * BLOCK
        half = BLOCK // 2
        if chip.step():
            s[at : at + half] = b"\xff" * half
            raise Cut
        s[at : at + BLOCK] = b"\xff" * BLOCK
        if chip.step():
            s[at : at + half] = data[:half]
            raise Cut
        s[at : at + BLOCK] = data

    def set_boot(self):
        if chip.step():
            raise Cut
        if not chip.valid(self.n):
            raise OSError(-0x1503, "ESP_ERR_OTA_VALIDATE_FAILED")
        chip.otadata = [self.n, "new"]
        if chip.step():
            raise Cut

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        if chip.step():
            raise Cut
        chip.otadata[1] = "valid"
        if chip.step():
            raise Cut


class Kept2(Durable):
    """Power fails before and after each save, too."""

    def save(self):
        if chip.step():
            raise Cut
        super().save()
        if chip.step():
            raise Cut


class Esp32:
    pass


Esp32.Partition = Partition
sys.modules["esp32"] = Esp32
updates.image.Durable = Kept2


def app(seed, blocks=19):
    """An app of so many blocks and a bit."""
    random.seed(seed)
    size = blocks * BLOCK + 100
    out = bytearray(b"\xe9" + size.to_bytes(4, "little"))
    while len(out) < size:
        out.extend(random.getrandbits(30).to_bytes(4, "little"))
    out = out[:size]
    out.extend(sha256(out).digest())
    return out


class Source:
    """What a URL gives: the head, then the app. `asked` is how much was read."""

    def __init__(self, image, **more):
        import json

        values = {
            "update": 2,
            "version": VERSION,
            "board": "test",
            "micropython": [9, 0, 0],
            "mpy": sys.implementation._mpy & 255,
            "key": "00",
            "downgrade": False,
            "size": len(image),
            "image": hexlify(sha256(image).digest()).decode(),
        }
        values.update(more)
        start = json.dumps(values).encode() + b"\n" + b"0" * 128 + b"\n"
        self.data = start + image
        self.head = Head(start)
        self.asked = 0

    async def read(self, at, size):
        await asyncio.sleep(0)
        self.asked += size
        return bytearray(self.data[at : at + size])


class App:
    NAME = "test"
    watchdog_s = 120

    def __init__(self):
        self.settings = self.board = self
        self.state = folder()


async def between():
    await asyncio.sleep(0)


def fresh():
    global chip
    chip = Chip()
    for name in os.listdir(folder()):
        os.remove(folder() + "/" + name)
    k = Kept(folder())
    k.take({"url": "https://a.test/", "version": VERSION, "size": None, "crc": None})


async def install(source, app=None):
    await updates.image.install(app or App(), source.head, source, VERSION, between)


async def boot(source, good):
    """One boot: what `boot.look` and `go` do about an image. True once nothing is left to do."""
    chip.boot()
    state = Images(folder())
    if state.on_trial:
        if not good:
            return False  # a crash, say
        state.confirm()
    else:
        state.back()
    kept = Kept(folder())
    if not kept.value.get("url"):
        return True
    try:
        await install(source)
    except UpdateError as e:
        if e.final:
            kept.end(str(e))
    return False


async def life(source, good, cut):
    """Boots until nothing is left to do, with one power cut; whether that came."""
    fresh()
    chip.cut = cut
    old = bytes(chip.slots[0])
    for _ in range(12):
        try:
            if await boot(source, good):
                break
        except Cut:
            pass
        assert bytes(chip.slots[0]) == old
        assert chip.running == 0 or chip.valid(chip.running)
    else:
        raise AssertionError("it never ends")
    chip.boot()
    return chip.count >= cut


async def test_a_power_cut_at_any_step_ends_with_the_new_one_confirmed():
    source = Source(app(2))
    cut = 0
    while True:
        cut += 1
        came = await life(source, True, cut)
        assert chip.running == 1 and chip.otadata == [1, "valid"], cut
        assert Images(folder()).last[1] == "applied", cut
        if not came:
            break
    assert cut > 60, cut


async def test_one_that_is_never_confirmed_is_undone_whenever_the_power_fails():
    source = Source(app(2))
    cut = 0
    while True:
        cut += 1
        came = await life(source, False, cut)
        assert chip.running == 0 and Images(folder()).last[1] == "undone", cut
        assert Kept(folder()).value["failed"][0] == VERSION
        if not came:
            break
    assert cut > 60, cut
    assert "tried before" in str(await fails(UpdateError, install(source)))


async def test_what_was_written_before_a_cut_is_not_asked_for_again():
    noted = 2 + 2 * 16 + 2  # the first note, 16 blocks, the second
    for cut in (noted + 1, noted + 2, noted + 3):
        fresh()
        source = Source(app(2))
        chip.cut = cut
        await fails(Cut, install(source))
        source.asked = 0
        await install(source)
        assert source.asked < 4 * BLOCK and chip.valid(1)


async def test_a_wrong_hash_is_refused_and_the_slot_not_run():
    fresh()
    wrong = Source(app(2))
    wrong.data = wrong.data[:-1] + bytes([wrong.data[-1] ^ 1])
    e = await fails(UpdateError, install(wrong))
    assert "hash" in str(e) and e.final and chip.otadata is None
    # Behind a power cut it may be the flash: it is fetched once more, whole.
    fresh()
    source = Source(app(2))
    chip.cut = 60
    await fails(Cut, install(source))
    chip.slots[1][5] ^= 1
    e = await fails(UpdateError, install(source))
    assert not e.final and chip.otadata is None
    await install(source)
    assert chip.otadata == [1, "new"]


async def test_what_the_bootloader_would_not_take_is_not_tried():
    fresh()
    e = await fails(UpdateError, install(Source(b"\xe9" + bytes(5000))))
    assert "bootloader" in str(e) and e.final and chip.otadata is None
    assert Images(folder()).last[1] == "undone"


async def test_what_does_not_fit_here_is_refused_before_anything_is_written():
    image = app(2, 3)
    older = {"micropython": [1, 20, 0]}
    for source, words in (
        (Source(image, size=SLOT + 1), "the slot has"),
        (Source(image, board="other"), "for the board other"),
        (Source(image, mpy=5), "another format"),
        (Source(image, **older), "not newer"),
        (Source(image, micropython=None), "not a bundle"),
    ):
        fresh()
        before = bytes(chip.slots[1])
        e = await fails(UpdateError, install(source))
        assert words in str(e) and e.final, (words, e)
        assert bytes(chip.slots[1]) == before and source.asked == 0
    fresh()
    await install(Source(image, downgrade=True, **older))


async def test_one_slot_or_no_watchdog_is_told():
    fresh()
    app_ = App()
    app_.watchdog_s = 0
    source = Source(app(2, 3))
    assert "watchdog" in str(await fails(UpdateError, install(source, app_)))
    chip.slots.pop()  # the running one is the next, too
    assert "one slot" in str(await fails(UpdateError, install(source)))
    chip.slots.clear()
    assert "one slot" in str(await fails(UpdateError, install(source)))


class Broken(Source):
    """The link breaks for good after so many pieces."""

    left = 18

    async def read(self, at, size):
        self.left -= 1
        if self.left < 0:
            raise TransportError("closed", "gone")
        return await super().read(at, size)


async def test_a_broken_link_goes_on_later():
    fresh()
    await fails(TransportError, install(Broken(app(2))))
    source = Source(app(2))
    await install(source)
    assert source.asked < 5 * BLOCK and chip.valid(1)
