"""A new firmware on trial, on virtual time: what confirms it, and what ends it."""

import asyncio

import virtual
from _support import raises
from chip import Chip

from updates import boot, ended
from updates.trial import Trial
from uploader import Clock, memory


class Slots:
    def __init__(self):
        self.value = {"version": "2"}
        self.confirmed = False
        self.undone = None

    @property
    def last(self):
        return ["2", "undone", self.undone]

    def note(self, **more):
        self.value.update(more)

    def confirm(self):
        self.confirmed = True

    def undo(self, reason):
        self.undone = reason


class Up:
    roomy = True

    def __init__(self):
        self.links = Links()
        self.reported = 0
        self.events = []

    def report(self):
        self.reported += 1

    def emit(self, event, **info):
        self.events.append((event, info))


class Links:
    current = None


class Control:
    busy = False


class Store:
    def pending(self):
        yield from (1, 2)


class Settings:
    audio_rate = 16000


class Board:
    def make_microphone(self):
        self.opened = True
        return self

    def deinit(self):
        self.opened = False


class App:
    def __init__(self):
        self.chip = Chip()
        virtual.install(self.chip)
        self.clock = Clock(lambda: 0, self.chip.ticks_ms, virtual.sleep_ms)
        self.board, self.store, self.up = Board(), Store(), Up()
        self.settings, self.control = Settings(), Control()
        self.trial = None
        self.awake_ms = 5000


def begin(app, slots, wanted=None):
    """A trial whose notes are in `slots`; `wanted` is what was provisioned."""
    ended.kept = lambda app, image: slots
    memory.borrow = lambda name: ended
    return boot.begin(app, slots, False, wanted or {})


async def trial(seconds, *events, wanted=None):
    """Run one for so long; `events` are (second, event, info), `wanted` is as for `begin`. The
    Slots."""
    app, slots = App(), Slots()
    t = app.trial = begin(app, slots, wanted)
    assert isinstance(t, Trial)
    assert app.up.reported == 1 and app.board.opened is False
    ended = []

    async def restart(app, state, **info):
        ended.append(state)
        await asyncio.sleep(1 << 20)

    import updates.go

    updates.go.restart, before = restart, updates.go.restart
    task = asyncio.create_task(t.run())
    try:
        at = 0
        for second, event, info in events:
            await asyncio.sleep(second - at)
            at = second
            t.note(event, info)
        await asyncio.sleep(seconds - at)
    finally:
        task.cancel()
        updates.go.restart = before
    assert bool(slots.undone) == bool(ended)
    assert (slots.confirmed or bool(slots.undone)) == (app.trial is None)
    return slots


UP = "link", {"state": "up"}
DOWN = "link", {"state": "down"}
FAILED = "heartbeat", {"state": "failed", "reason": "a.test:443: ECONNRESET"}


async def test_an_answer_confirms_it_once_it_ran_for_a_minute():
    answer = ("heartbeat", {"state": "sent"})
    assert not (await trial(55, (2,) + UP, (5,) + answer)).confirmed
    for event in (answer, ("created", {}), ("sent", {}), ("completed", {})):
        assert (await trial(65, (2,) + UP, (5,) + event)).confirmed, event


async def test_an_error_is_an_answer_too():
    for event in ("heartbeat", "retry"):
        refused = (event, {"state": "failed", "reason": "503 unavailable: later"})
        assert (await trial(65, (2,) + UP, (5,) + refused)).confirmed


async def test_a_link_that_stays_mute_ends_it_after_its_time():
    assert not (await trial(890, (2,) + UP, (5,) + FAILED)).undone
    slots = await trial(910, (2,) + UP, (5,) + FAILED)
    assert "no answer" in slots.undone and not slots.confirmed
    # One that needs no bringing up shows by what fails.
    assert (await trial(920, (5,) + FAILED)).undone


async def test_an_answer_counts_however_long_it_has_to_run():
    answer = ("heartbeat", {"state": "sent"})
    slots = await trial(1500, (2,) + UP, (5,) + answer, wanted={"stood_s": 2000})
    assert not slots.undone and not slots.confirmed
    assert (await trial(2010, (2,) + UP, (5,) + answer, wanted={"stood_s": 2000})).confirmed


async def test_links_that_come_and_go_without_an_answer_end_it_too():
    def links(count):
        out = []
        for i in range(1, count + 1):
            out += [(60 * i,) + UP, (60 * i + 30,) + DOWN]
        return out

    assert not (await trial(2000, *links(10))).undone
    assert (await trial(2000, *links(11))).undone


async def test_where_memory_is_short_nothing_is_loaded_beside_a_link_or_a_microphone():
    answer = ("heartbeat", {"state": "sent"})
    Up.roomy = False
    try:
        for what, name in ((Links, "current"), (Control, "busy")):
            setattr(what, name, "wifi")
            slots = await trial(300, (2,) + UP, (5,) + answer)
            assert not slots.confirmed and "stood" not in slots.value, name
            setattr(what, name, None)
        slots = await trial(300, (2,) + UP, (5,) + answer)
        assert slots.confirmed and slots.value["stood"]
    finally:
        Up.roomy, Links.current, Control.busy = True, None, False


async def test_a_wanted_reset_counts_no_boot_and_loses_nothing_of_what_was_seen():
    app, slots = App(), Slots()
    slots.value.update(stood=1, boots=2, mute=3)
    t = app.trial = begin(app, slots)
    assert t.stood
    t.note(*UP)
    t.excuse()
    assert slots.value["boots"] == 1 and slots.value["mute"] == 4 and not slots.confirmed
    t.note("completed", {})
    t.excuse()
    assert slots.confirmed and app.trial is None
    assert app.up.events == [("update", {"state": "applied", "version": "2"})]
    app, slots = App(), Slots()
    t = app.trial = begin(app, slots)
    t.note("completed", {})
    t.excuse()
    assert not (t.stood or slots.confirmed or slots.value["boots"])


async def test_a_device_that_stays_offline_keeps_it():
    slots = await trial(3 * 3600)
    assert not slots.undone and not slots.confirmed and slots.value["stood"]
    slots = await trial(3600, (10, "retry", {"reason": "no_network: not there"}))
    assert not slots.undone


def test_it_does_not_sleep_before_it_stood_and_no_longer_than_usual_after():
    app, slots = App(), Slots()
    begin(app, slots)
    assert 60000 < app.awake_ms < 90000
    app, slots.value["stood"] = App(), 1
    begin(app, slots)
    assert app.awake_ms == 5000


def test_a_microphone_that_can_not_be_opened_or_a_store_that_fails_is_raised():
    app = App()
    app.board.make_microphone = lambda: [].pop()
    raises(IndexError, lambda: begin(app, Slots()))
    app = App()
    app.store.pending = lambda: 1 // 0
    raises(ZeroDivisionError, lambda: begin(app, Slots()))


def test_times_that_were_provisioned_wrong_are_the_usual_ones():
    for wrong in ({"confirm_s": "x"}, {"confirm_s": 0}, {"confirm_s": -1}, {}):
        assert begin(App(), Slots(), wrong).confirm_ms == 900000
    assert begin(App(), Slots(), {"confirm_s": 8}).confirm_ms == 8000
