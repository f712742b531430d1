"""May I upload now, over this link? Each rule at its boundary, on a virtual clock."""

from _support import Ticks, folder, raises

from uploader.clock import FLOOR, Clock
from uploader.meter import Meter
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


class Link:
    name = "cellular"

    def __init__(self, metered=True, roaming=False, dbm=None):
        self.metered = metered
        self._roaming = roaming
        self._dbm = dbm

    def roaming(self):
        return self._roaming

    def signal_dbm(self):
        return self._dbm


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
        refusal = p.now()
        assert bool(refusal) == refused, second
        assert not refused or (refusal.rule, refusal.wait_s) == ("hours", wait)
    p, _ = policy(0, **hours)  # no clock, no hours
    assert p.now() is None


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
    assert p.link(Link(roaming=True)).rule == "roaming"
    assert p.link(Link(metered=False, roaming=True)) is None
    assert p.link(Link(dbm=-106)).rule == "signal"
    assert p.link(Link(dbm=-105)) is None and p.link(Link(dbm=None)) is None
    p, _ = policy(allow_roaming=True)
    assert p.link(Link(roaming=True)) is None


def test_the_daily_cap_counts_to_the_byte_and_ends_at_local_midnight():
    p, ticks = policy(MIDNIGHT + 23 * 3600, daily_data_limit_mb=1, timezone_s=-3600)
    assert p.link(Link()) is None and p.file(Link(), 900000) is None
    p.meter.add(999999)
    assert p.link(Link()) is None
    p.meter.add(1)
    refusal = p.link(Link())
    # 22:00 local time: two hours to go.
    assert (refusal.rule, refusal.wait_s) == ("cap", 7200)
    assert p.link(Link(metered=False)) is None
    ticks.ms += 7199 * 1000
    assert p.link(Link())
    ticks.ms += 1000
    assert p.link(Link()) is None and p.meter.used() == 0


def test_a_file_that_cannot_fit_the_rest_of_the_cap_is_not_started():
    p, _ = policy(daily_data_limit_mb=1)
    size = 1000000 - 16384
    fits = size * 100 // 101
    assert p.file(Link(), fits) is None
    refusal = p.file(Link(), fits + 10)
    assert refusal.rule == "cap" and "do not fit" in refusal.reason
    assert p.file(Link(metered=False), 10**9) is None
    p.meter.add(100000)
    assert p.file(Link(), fits) is not None
    p, _ = policy()
    assert p.file(Link(), 10**9) is None  # 0 is unlimited


def test_what_its_caller_names_is_overridden_and_no_more():
    p, _ = policy(battery=lambda: 5, daily_data_limit_mb=1)
    p.meter.add(10**6)
    p.override(("battery",))
    assert p.now() is None and p.link(Link(roaming=True)).rule == "roaming"
    p.override(("roaming", "cap"))
    assert p.link(Link(roaming=True)) is None and p.now().rule == "battery"
    p.override(())
    assert p.link(Link()).rule == "cap"
    raises(ValueError, p.override, ("everything",))


def test_the_meter_forgets_no_byte_over_a_power_cut_and_writes_seldom():
    ticks = Ticks()
    clock = Clock(lambda: MIDNIGHT, ticks.ticks_ms)
    meter = Meter(folder() + "/m", clock)
    writes = []
    save = meter._durable.save
    meter._durable.save = lambda: writes.append(1) or save()
    total = 0
    for _ in range(3000):
        meter.add(1460)
        total += 1460
        if total % 146000 == 0:
            # Whatever is cut here, the next boot counts at least as much.
            again = Meter(folder() + "/m", clock)
            assert total <= again.used() <= total + 262144 + 1460
    assert len(writes) <= 17
    meter.settle()
    assert Meter(folder() + "/m", clock).used() == total


def test_without_a_clock_the_day_goes_on():
    ticks = Ticks()
    clock = Clock(lambda: MIDNIGHT, ticks.ticks_ms)
    Meter(folder() + "/m", clock).add(5000)
    unknown = Clock(lambda: 0, ticks.ticks_ms)
    meter = Meter(folder() + "/m", unknown)
    assert meter.used() >= 5000
    unknown.set(MIDNIGHT + 3600, "sntp")
    assert meter.used() >= 5000
    unknown.set(MIDNIGHT + 86400, "sntp")
    assert meter.used() == 0
