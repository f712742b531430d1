"""May I upload now, over this link? Each rule at its boundary, on a virtual clock."""

from _support import Link, Ticks, folder, raises

from uploader.clock import FLOOR, Clock
from uploader.data_meter import DataMeter
from uploader.policy import Policy
from uploader.settings import Settings

DEFAULTS = {
    "pause_on_low_battery": True,
    "low_battery_threshold_percent": 20,
    "off_peak_start": "",
    "off_peak_end": "",
    "timezone_s": 0,
    "upload_delay_minutes": 0,
    "allow_roaming": False,
    "min_signal_dbm": -140,
    "daily_data_limit_mb": 0,
}
MIDNIGHT = FLOOR + 86400 * 100  # 2026-04-11T00:00:00Z


def link(metered=True, roaming=False, dbm=None):
    made = Link("cellular", metered=metered)
    made.roams, made.dbm = roaming, dbm
    return made


def policy(now=MIDNIGHT, battery=None, clock=None, **changes):
    ticks = Ticks()
    clock = clock or Clock(lambda: now, ticks.ticks_ms)
    settings = Settings(dict(dict(DEFAULTS, state=folder()), **changes))
    return Policy(settings, clock, battery), ticks


def test_battery():
    for percent, refused in ((19, True), (20, False), (100, False), (None, False)):
        p, _ = policy(battery=lambda percent=percent: percent)
        assert bool(p.now()) == refused, percent
        if refused:
            assert p.now().rule == "battery" and "19 %" in p.now().reason and p.now().wait_s == 300
    p, _ = policy(battery=lambda: 5, pause_on_low_battery=False)
    assert p.now() is None
    p, _ = policy(battery=lambda: 5, low_battery_threshold_percent=5)
    assert p.now() is None


def test_off_peak_hours_with_a_time_zone_and_over_midnight():
    hours = {"off_peak_start": "22:00", "off_peak_end": "06:00", "timezone_s": 7200}
    for second, refused, wait in (
        (20 * 3600 - 1, True, 1),  # 21:59:59 local
        (20 * 3600, False, None),
        (4 * 3600 - 1, False, None),  # 05:59:59 local
        (4 * 3600, True, 16 * 3600),
        (12 * 3600, True, 8 * 3600),
    ):
        p, _ = policy(MIDNIGHT + second, **hours)
        refusal = p.hours()
        assert bool(refusal) == refused, second
        assert not refused or (refusal.rule, refusal.wait_s) == ("hours", wait)
    p, _ = policy(0, **hours)  # no clock, no hours
    assert p.hours() is None


def test_delay():
    p, _ = policy(upload_delay_minutes=10)
    assert p.recording(None) is None
    for ended, wait in ((MIDNIGHT, 600), (MIDNIGHT - 599, 1), (MIDNIGHT - 600, None)):
        refusal = p.recording(ended)
        assert (refusal.wait_s if refusal else None) == wait
    # An end in the future is a clock's mistake: it is not waited for longer than the delay.
    assert p.recording(MIDNIGHT + 10**6).wait_s == 600


def test_roaming_and_signal_are_for_metered_links():
    p, _ = policy(min_signal_dbm=-105)
    assert p.link(link(roaming=True)).rule == "roaming"
    assert p.link(link(metered=False, roaming=True)) is None
    assert p.link(link(dbm=-106)).rule == "signal"
    assert p.link(link(dbm=-105)) is None and p.link(link(dbm=None)) is None
    p, _ = policy(allow_roaming=True)
    assert p.link(link(roaming=True)) is None


def test_the_daily_cap_counts_to_the_byte_and_ends_at_local_midnight():
    p, ticks = policy(MIDNIGHT + 23 * 3600, daily_data_limit_mb=1, timezone_s=-3600)
    assert p.link(link()) is None and p.file(link(), 900000) is None
    p.meter.add(999999)
    assert p.link(link()) is None
    p.meter.add(1)
    refusal = p.link(link())
    # 22:00 local time: two hours to go.
    assert (refusal.rule, refusal.wait_s) == ("cap", 7200)
    assert p.link(link(metered=False)) is None
    ticks.ms += 7199 * 1000
    assert p.link(link())
    ticks.ms += 1000
    assert p.link(link()) is None and p.meter.used() == 0


def test_a_file_that_cannot_fit_the_rest_of_the_cap_is_not_started():
    p, _ = policy(daily_data_limit_mb=1)
    size = 1000000 - 16384
    fits = size * 100 // 101
    assert p.file(link(), fits) is None
    refusal = p.file(link(), fits + 10)
    assert refusal.rule == "cap" and "do not fit" in refusal.reason
    assert p.file(link(metered=False), 10**9) is None
    p.meter.add(100000)
    assert p.file(link(), fits) is not None
    p, _ = policy()
    assert p.file(link(), 10**9) is None  # 0 is unlimited


def test_what_its_caller_names_is_overridden_and_no_more():
    p, _ = policy(battery=lambda: 5, daily_data_limit_mb=1)
    p.meter.add(10**6)
    p.override(("battery",))
    assert p.now() is None and p.link(link(roaming=True)).rule == "roaming"
    p.override(("roaming", "cap"))
    assert p.link(link(roaming=True)) is None and p.now().rule == "battery"
    p.override(())
    assert p.link(link()).rule == "cap"
    raises(ValueError, p.override, ("everything",))


def meter(clock):
    return DataMeter(Settings({"state": folder(), "timezone_s": 0}), clock)


def written():
    """What the meter's two files hold, which are written in turn."""
    out = []
    for name in ("/meter.0", "/meter.1"):
        try:
            with open(folder() + name) as f:
                out.append(f.read())
        except OSError:
            pass
    return out


def test_the_meter_forgets_no_byte_over_a_power_cut_and_writes_seldom():
    ticks = Ticks()
    clock = Clock(lambda: MIDNIGHT, ticks.ticks_ms)
    first = meter(clock)
    writes = total = 0
    before = written()
    for _ in range(3000):
        first.add(1460)
        total += 1460
        if written() != before:
            before = written()
            writes += 1
        if total % 146000 == 0:
            # Whatever is cut here, the next boot counts at least as much.
            assert total <= meter(clock).used() <= total + 262144 + 1460
    assert 0 < writes <= 17
    first.settle()
    assert meter(clock).used() == total


def test_a_clock_that_was_years_ahead_for_a_while_does_not_stop_the_count():
    ticks = Ticks()
    clock = Clock(lambda: 0, ticks.ticks_ms)
    clock.set(MIDNIGHT + 4000 * 86400, "sntp")
    meter(clock).add(5000)
    right = Clock(lambda: MIDNIGHT, ticks.ticks_ms)
    counted = meter(right)
    assert counted.used() == 0
    counted.add(7)
    assert counted.used() == 7


def test_without_a_clock_the_day_goes_on():
    ticks = Ticks()
    meter(Clock(lambda: MIDNIGHT, ticks.ticks_ms)).add(5000)
    unknown = Clock(lambda: 0, ticks.ticks_ms)
    later = meter(unknown)
    assert later.used() >= 5000
    unknown.set(MIDNIGHT + 3600, "sntp")
    assert later.used() >= 5000
    unknown.set(MIDNIGHT + 86400, "sntp")
    assert later.used() == 0
