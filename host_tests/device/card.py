"""An SD card as machine.SDCard gives it: pulled, put back, missing, unreadable."""

import asyncio
import os

import vfs
from _support import Script, Ticks, answer, raises
from flash import Flash
from full import content, finish, pattern
from sdcard import SDCardMaker, Socket
from wire import settings

from uploader import Uploader
from uploader.clock import FLOOR, Clock
from uploader.errors import StorageError, StorageFullError
from uploader.links.host import HostLink
from uploader.mount import mounter
from uploader.store import Store

SPI, SDMMC = 2, 1


def card(cells=None):
    """A socket with a formatted card in it."""
    cells = cells or Flash(512, 512, sectors=True)
    vfs.VfsFat.mkfs(cells)
    return Socket(cells)


def store(socket, slot, ticks=None, **more):
    ticks = ticks or Ticks()
    make = SDCardMaker(socket)
    made = settings(storage="/card/rec", sync_bytes=8192, **more)
    clock = Clock(lambda: FLOOR + 1000, ticks.ticks_ms, ticks.sleep_ms)
    return Store(made, clock, mounter(lambda: make(slot=slot), "/card")), made


def write_on(w):
    for _ in range(100):
        w.write(bytes(1000))
        w.sync()


def pulled_and_put_back(slot):
    socket = card()
    s, _ = store(socket, slot)
    rec = s.begin()
    w = rec.add("audio", "audio/mpeg")
    w.write(pattern(0, 8192))
    out = socket.pull()
    e = raises(StorageError, write_on, w)
    assert not isinstance(e, StorageFullError), e
    raises(StorageError, rec.end)
    raises(StorageError, s.begin)
    raises(StorageError, lambda: list(s.pending()))
    assert "/card: no " in str(raises(StorageError, s.reopen))
    socket.put(out)
    s.reopen()
    (entry,) = list(s.pending())
    assert entry.end["interrupted"] and content(s, entry.id)[:8192] == pattern(0, 8192)
    assert finish(s) == ["000001"]
    vfs.umount("/card")


def test_a_pulled_card_is_a_clear_error_and_recovers_when_it_is_back():
    pulled_and_put_back(SPI)


def test_so_it_does_on_the_sdmmc_host():
    pulled_and_put_back(SDMMC)


async def test_a_card_pulled_while_draining_is_told_and_draining_goes_on_when_it_is_back():
    ticks = Ticks()
    socket = card()
    s, made = store(socket, SPI, ticks, stall_timeout_s=1)
    for _ in range(2):
        rec = s.begin()
        rec.add("audio").write(pattern(0, 5000))
        rec.end()
    etag = b'ETag: "%s"' % list(next(s.pending()).files())[0]["md5"].encode()
    script = Script()
    out = []

    async def pulled(reader, writer, request):
        out.append(socket.pull())
        script.answers.extend(job * 2)
        await reader.read(1)

    async with script:
        grant = b'{"upload_url":"%s","headers":{}}' % script.url.encode()
        job = [answer(body=b'{"id":"rec_1"}'), answer(body=grant), answer(headers=[etag]), answer()]
        script.answers = [pulled]
        events = []
        waits = []

        def event(name, info):
            events.append((name, info.get("reason", "")))
            if name == "storage":
                waits.append(ticks.ms)
                if len(waits) == 3:
                    socket.put(out[0])

        made.values["api_url"] = script.url[:-2]
        up = Uploader(made, s, [HostLink()], event)
        task = asyncio.create_task(up.run())
        for _ in range(5000):
            if len([e for e in events if e[0] == "completed"]) == 2:
                break
            await asyncio.sleep_ms(1)
        task.cancel()
    assert len([e for e in events if e[0] == "completed"]) == 2, events[-6:]
    assert waits[1] - waits[0] == 30000, waits
    assert "/card: no " in events[[e[0] for e in events].index("storage") + 1][1], events
    vfs.umount("/card")


def test_a_missing_card_is_told_as_such():
    make = SDCardMaker(Socket())
    e = raises(StorageError, mounter(lambda: make(slot=SPI), "/card"))
    assert "no card" in str(e), e


class Shy(Flash):
    """Cells that can't be read a few times, as at a bad contact."""

    refusals = 0

    def readblocks(self, n, buf, off=0):
        if self.refusals:
            self.refusals -= 1
            return -5
        return super().readblocks(n, buf, off)


def test_a_card_that_can_not_be_read_is_not_formatted():
    cells = Shy(512, 512, sectors=True)
    socket = card(cells)
    make = SDCardMaker(socket)
    first = make(slot=SPI)
    vfs.mount(first, "/card")
    with open("/card/kept", "w") as f:
        f.write("kept")
    vfs.umount("/card")
    first.deinit()
    for refusals in range(1, 8):
        cells.refusals = refusals
        try:
            mounter(lambda: make(slot=SPI), "/card", vfs.VfsFat)()
        except StorageError:
            socket.owner.deinit()
            cells.refusals = 0
            again = make(slot=SPI)
            vfs.mount(again, "/card")
        assert os.listdir("/card") == ["kept"], refusals
        vfs.umount("/card")
        socket.owner.deinit()
