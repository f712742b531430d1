"""Time: formats, stamps, an unknown clock."""

import asyncio
import time

from _support import Ticks, raises

from uploader.clock import FLOOR, Clock, iso
from uploader.dates import parse_http_date, parse_iso


def test_iso_8601_agrees_with_the_calendar_and_back():
    for day in range(0, 60000, 7):
        t = day * 86400 + day * 7919 % 86400
        text = "%04d-%02d-%02dT%02d:%02d:%02dZ" % time.gmtime(t)[:6]
        assert iso(t) == text
        assert parse_iso(text) == t


def test_iso_8601_takes_offsets_and_fractions():
    assert parse_iso("2026-01-31T23:59:59.123+01:00") == parse_iso("2026-01-31T22:59:59Z")
    assert parse_iso("2026-01-31T23:59:59-00:30") == parse_iso("2026-02-01T00:29:59Z")


def test_what_is_not_a_time_with_a_zone_is_refused():
    for bad in (
        "",
        None,
        7,
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00Zx",
        "2026-01-01 00-00-00Z",
        "+026-01-01T00:00:00Z",
    ):
        raises(ValueError, parse_iso, bad)


def test_http_dates_are_read_and_others_ignored():
    assert parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777
    for bad in ("", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nvo 1994 08:49:37 GMT", "x" * 29):
        assert parse_http_date(bad) is None


def test_a_clock_that_nobody_set_is_unknown_and_stamps_wait_for_it():
    ticks = Ticks()
    clock = Clock(lambda: 100, ticks.ticks_ms, boot="b1")
    assert clock.now() is None
    ticks.ms += 5000
    stamp = clock.stamp()
    assert stamp == ["b1", 5000]
    assert clock.resolve(stamp) is None
    ticks.ms += 5000
    assert clock.set(FLOOR + 1000, "sntp")
    assert clock.resolve(stamp) == iso(FLOOR + 995)
    assert clock.stamp() == iso(FLOOR + 1000)


def test_another_boots_stamp_is_left_out_never_invented():
    clock = Clock(lambda: FLOOR + 5, boot="b2")
    assert clock.resolve(["b1", 5000]) is None
    assert clock.resolve(None) is None
    assert clock.resolve("2026-01-01T00:00:00Z") == "2026-01-01T00:00:00Z"


def test_a_time_before_the_module_existed_is_not_believed():
    clock = Clock(lambda: 0)
    assert not clock.set(FLOOR - 61, "modem")
    assert clock.now() is None


def test_the_machine_clock_jumping_later_moves_nothing():
    machine = [FLOOR + 100]
    ticks = Ticks()
    clock = Clock(lambda: machine[0], ticks.ticks_ms)
    machine[0] = 0
    ticks.ms += 3000
    assert clock.now() == FLOOR + 103


def test_uptime_survives_the_wrap_of_the_tick_counter():
    ticks = Ticks(time.ticks_add(0, -10))
    clock = Clock(lambda: 0, ticks.ticks_ms)
    ticks.ms += 100
    assert clock.uptime_ms() == 100


async def test_sleeping_for_weeks_outlives_the_wrap_of_the_tick_counter():
    ticks = Ticks()
    clock = Clock(lambda: 0, ticks.ticks_ms, ticks.sleep_ms)
    await clock.sleep(30 * 86400)
    assert ticks.ms == 30 * 86400 * 1000
    assert clock.uptime_ms() == ticks.ms


async def test_waiting_ends_with_the_event_or_with_the_time_and_forgets_neither():
    ticks = Ticks()
    clock = Clock(lambda: 0, ticks.ticks_ms, ticks.sleep_ms)
    event = asyncio.Event()
    await clock.wait(event, 5)
    assert ticks.ms >= 5000 and not event.is_set()
    event.set()
    before = ticks.ms
    await clock.wait(event)
    assert ticks.ms == before and event.is_set()


def test_a_time_of_before_now_and_one_after_deep_sleep_are_said_as_they_are():
    ticks = Ticks()
    clock = Clock(lambda: FLOOR + 1000 + ticks.ms // 1000, ticks.ticks_ms, boot="b1")
    ticks.ms += 60000
    assert clock.stamp(2000) == ["b1", 58000, FLOOR + 1058]
    assert not clock.guesses(clock.stamp())
    clock.estimate()
    stamp = clock.stamp(2000)
    assert stamp == ["b1", 58000, FLOOR + 1058, 1] and clock.guesses(stamp)
    assert clock.resolve(stamp) == iso(FLOOR + 1058)
    # Of this boot: right, and known to be, as soon as somebody knows.
    for tell in (lambda: clock.set(FLOOR + 5000, "sntp"), lambda: clock.refine(FLOOR + 5000)):
        clock.estimate()
        assert clock.guesses(stamp)
        tell()
        assert clock.resolve(stamp) == iso(FLOOR + 4998) and not clock.guesses(stamp)
    assert clock.stamp(2000) == iso(FLOOR + 4998)
    # Of another boot: what was believed then, and marked.
    later = Clock(lambda: FLOOR + 9000, ticks.ticks_ms, boot="b2")
    assert later.resolve(stamp) == iso(FLOOR + 1058) and later.guesses(stamp)
    for certain in (None, "", iso(FLOOR), ["b1", 5], ["b1", 5, FLOOR]):
        assert not later.guesses(certain)


async def test_a_wait_without_an_end_keeps_ahead_of_the_wrap():
    ticks = Ticks()
    clock = Clock(lambda: FLOOR, ticks.ticks_ms, ticks.sleep_ms)
    event = asyncio.Event()
    task = asyncio.create_task(clock.wait(event))
    days = 40  # it wraps after 12.4, where it has 30 bits
    while ticks.ms < days * 86400000:
        await asyncio.sleep_ms(0)
    event.set()
    await task
    assert clock.uptime_ms() >= days * 86400000
