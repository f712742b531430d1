"""Sleeping and waking: what a device waits for, what it knows after it, why it woke."""

import asyncio
import json

import power
import product
from _support import folder, raises
from chip import Asleep
from product import Chips, WithButton, WithWifi, again, outcome
from wire import Service
from wlan import AccessPoint

from uploader import journal
from uploader.config import check
from uploader.errors import ConfigError

HOME = [{"ssid": "home", "key": "12345678"}]


class Both(WithWifi):
    BUTTON_PIN = 0


def app(service=None, board=None, chips=None, **more):
    settings = {"sleep_when_idle": True, "wifi": HOME, "awake_s": 20}
    settings.update(more)
    return product.app(service, board=board or WithWifi(), chips=chips, **settings)


def record(a, data=b"sound"):
    recording = a.store.begin()
    recording.add("audio").write(data)
    recording.end()


def wake(a, slept, wake=4, early_s=None, **more):
    """The app that deep sleep, `slept` (an Asleep), ends in: at its time, or earlier by a pin."""
    chip = a.chips.chip
    chip.us += early_s * 1000000 if early_s else slept.ms * 1000
    return app(a.service, a.board, Chips(chip, "DEEPSLEEP", 2 if early_s else wake), **more)


def told(a, name):
    return [line for line in a.log.lines if " %s" % name in line]


def made(service=None, **more):
    a = app(service, **more)
    a.service = service
    return a


def asleep(a, seconds=120):
    e = outcome(a, seconds)
    assert isinstance(e, Asleep), e
    return e


def test_without_network_it_sleeps_and_tries_less_and_less():
    a = made(heartbeat_minutes=30)
    record(a)
    chip = a.chips.chip
    waits = []
    awake = scans = 0
    while chip.us < 86400 * 1000000:
        before = chip.us - chip.dozed_us
        e = asleep(a, 600)
        awake += chip.us - chip.dozed_us - before
        scans += a.chips.wlan.scans
        assert not a.chips.wlan.active()
        waits.append(e.ms // 1000)
        last = a
        a = wake(a, e, heartbeat_minutes=30)
        a.service = last.service
    assert max(waits) <= 10800 and max(waits) > 3600, waits
    # The back-off outlived the sleep: without that each wake would begin at 15 s.
    assert len(waits) < 35 and scans < 45, (waits, scans)
    assert awake < 300000000, awake
    assert list(a.store.pending())


def test_a_deferred_recording_goes_out_at_the_first_wake_that_may():
    service = Service("dtok_a")
    a = made(service, upload_delay_minutes=60)
    a.chips.wlan.air = [AccessPoint("home", "12345678")]
    record(a)
    e = asleep(a)
    assert 3500 < e.ms / 1000 <= 3600 and a.chips.wlan.joins == 0 and not service.recordings
    assert "why=deferred" in told(a, "sleep")[0]
    a = wake(a, e, upload_delay_minutes=60)
    a.chips.wlan.air = [AccessPoint("home", "12345678")]
    assert "by=timer" in (outcome(a, 5) or told(a, "wake")[0])
    assert [r["status"] for r in service.recordings.values()] == ["uploaded"]


def test_what_comes_first_wakes_it():
    now = product.FLOOR + 10000000
    at = "%02d:%02d" % ((now + 1200) % 86400 // 3600, (now + 1200) // 60 % 60)
    schedule = [{"at": [at], "minutes": 1}]
    a = made(Service("dtok_a"), record_schedule=schedule, heartbeat_minutes=0)
    e = asleep(a)
    assert 1100 < e.ms / 1000 < 1200 and "why=schedule" in told(a, "sleep")[0]
    b = wake(a, e, record_schedule=schedule)
    outcome(b, 3)
    assert "by=schedule" in told(b, "capture")[0]
    c = made(board=Both(), heartbeat_minutes=10, record_schedule=schedule)
    c.chips.wlan.air = [AccessPoint("home", "12345678")]
    assert asleep(c).ms < 601000 and "why=heartbeat" in told(c, "sleep")[0]


def test_a_schedule_that_was_seen_to_does_not_keep_it_awake_nor_begin_again_after_a_sleep():
    now = product.FLOOR + 10000000
    at = "%02d:%02d" % ((now + 60) % 86400 // 3600, (now + 60) // 60 % 60)
    schedule = [{"at": [at], "minutes": 60}]
    a = made(board=Both(), record_schedule=schedule)

    async def stop():
        while not a.control.recording:
            await asyncio.sleep(1)
        a.stop()

    e = outcome(a, 600, stop)
    assert e.ms < 3600000, e
    b = wake(a, e, early_s=60, record_schedule=schedule)
    b.boot["by"] = "wake"  # not the button, which would begin one
    outcome(b, 60)
    assert not told(b, "capture")


def test_a_press_before_the_time_records_and_brings_no_radio_up_for_what_still_waits():
    a = made(board=Both(), heartbeat_minutes=0)
    record(a)
    for _ in range(6):
        e = asleep(a, 600)
        last = a
        a = wake(a, e, heartbeat_minutes=0)
        a.service = last.service
    e = asleep(a, 600)
    assert e.ms > 120000 and e.pin == 0, (e.ms, e.pin)
    scans = a.chips.wlan.scans
    b = wake(a, e, early_s=30)

    async def press():
        await asyncio.sleep(5)
        b.stop()

    again_ = outcome(b, 120, press)
    assert told(b, "capture") and told(b, "ended")
    assert b.chips.wlan.scans == 0 and scans <= 1
    assert again_.ms <= e.ms - 30000


def test_short_waits_are_light_sleep_with_the_radio_off():
    a = made(heartbeat_minutes=30, sleep_min_s=3000, awake_s=5, wifi_idle_timeout_s=10)
    record(a)
    assert outcome(a, 1200) is None
    assert a.chips.chip.dozed_us > 900 * 1000000 and not told(a, "sleep ")


def test_rtc_memory_that_is_not_whole_is_nothing():
    chips = Chips().install()
    rtc = chips.machine.RTC()
    assert power.load() == {"v": 1}
    power.save({"v": 1, "resets": 3})
    whole = rtc.memory()
    for i in range(len(whole) - 1):
        rtc.memory(whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :])
        assert "resets" not in power.load(), i
        rtc.memory(whole[:i])
        assert "resets" not in power.load(), i
    rtc.memory(journal.encode({"v": 0, "resets": 3}))
    assert power.load() == {"v": 1}
    rtc.memory(whole)
    assert power.load()["resets"] == 3


def test_what_is_kept_fits_rtc_memory_whatever_went_wrong():
    a = made(heartbeat_minutes=30, diagnostics=True)
    for i in range(300):
        a.up.emit("retry", reason="%d %s" % (400 + i, "x" * 60))
        a.up.emit("certificate", state="moved", host="h%d" % i + "x" * 40, root="r" * 60)
    e = asleep(a, 600)
    data = a.chips.chip.kept["rtc"]
    assert len(data) <= 2048 and journal.decode(data)["up"]["wait"], len(data)
    assert e.ms


def test_why_it_booted_is_told():
    board = WithButton()
    for reason, code, mark, by in (
        ("POWERON", 0, None, "power"),
        ("BROWNOUT", 0, None, "power"),
        ("TASK_WDT", 0, None, "watchdog"),
        ("PANIC", 0, None, "crash"),
        ("SW", 0, None, "crash"),
        ("SW", 0, "update", "reset"),
        ("DEEPSLEEP", 4, None, "timer"),
        ("DEEPSLEEP", 2, None, "pin"),
        ("DEEPSLEEP", 6, None, "wake"),
    ):
        chips = Chips().install()
        if mark:
            power.mark(mark)
        Chips(chips.chip, reason, code).install()
        boot = power.begin(board, 1000)
        assert (boot["by"], boot["mark"]) == (by, mark), (reason, boot)
        # The mark is for one reset.
        Chips(chips.chip, "SW").install()
        assert power.begin(board, 1000)["by"] == "crash"


def test_a_boot_loop_falls_back_to_recording_and_says_so():
    service = Service("dtok_a")
    a = made(service)
    for _ in range(5):
        a = product.app(service, board=WithButton(), chips=again(a, "PANIC"))
    record(a)

    async def meanwhile():
        await asyncio.sleep(30)
        a.start()

    assert outcome(a, 40, meanwhile) is None
    assert a.state() == "recording" and not service.recordings
    assert "state=only_records" in told(a, "boot_loop")[0]
    assert [line for line in a.log.kept() if "boot_loop" in line]


def test_resets_far_apart_wakes_and_wanted_resets_are_no_boot_loop_and_a_deed_ends_one():
    chips = Chips().install()
    board = WithButton()
    now = 5000
    for _ in range(20):
        Chips(chips.chip, "DEEPSLEEP", 4).install()
        power.begin(board, now)
        power.mark("update")
        Chips(chips.chip, "SW").install()
        assert power.begin(board, now)["resets"] == 0
    for _ in range(8):
        Chips(chips.chip, "TASK_WDT").install()
        now += 7300
        assert power.begin(board, now)["resets"] == 1
    for i in range(4):
        Chips(chips.chip, "TASK_WDT").install()
        assert power.begin(board, now)["resets"] == i + 2
    service = Service("dtok_a")
    a = product.app(service, board=board, chips=Chips(chips.chip, "DEEPSLEEP", 4))
    a.boot["resets"] = 4
    record(a)
    outcome(a, 10)
    assert service.recordings and power.load()["resets"] == 0


def test_after_an_hour_of_calm_what_caused_it_is_tried_again():
    a = product.app(Service("dtok_a"), board=WithButton())
    a.boot["resets"] = a.boot["kept"]["resets"] = 5
    e = outcome(a, 4000)
    assert e and e.reason == "SW" and 3600 < a.chips.chip.us / 1000000 < 3610
    again(a).install()
    boot = power.begin(a.board, 100000)
    assert (boot["by"], boot["mark"], boot["resets"]) == ("reset", "calm", 0)


def test_a_clock_that_nobody_vouched_for_is_not_believed_after_a_sleep():
    a = made(heartbeat_minutes=30)
    a.clock.doubt()
    e = asleep(a, 600)
    b = wake(a, e, heartbeat_minutes=30)
    assert b.clock.now() is None


def test_a_sleep_that_nothing_would_end_is_refused_with_the_configuration():
    root = folder() + "/root.der"
    with open(root, "wb") as f:
        f.write(b"\x30\x82\x01\x00")
    values = {
        "api_url": "https://api.test/v1",
        "device_token": "dtok_a",
        "storage": "/flash",
        "roots": [root],
        "sleep_when_idle": True,
    }
    assert "nothing would wake" in str(raises(ConfigError, check, values, "", False))
    for good in (
        {"heartbeat_minutes": 1},
        {"record_schedule": [{"at": ["08:00"], "minutes": 1}]},
        {"sleep_when_idle": False},
    ):
        check(dict(values, **good), "", False)
    check(values, "", True)
    check(values)
    # Nor may the service bring it about.
    from uploader import config

    settings = check(dict(values, heartbeat_minutes=1), "", False)
    assert config.amend(settings, {"heartbeat_minutes": 0}) == {}
    assert settings.heartbeat_minutes == 1
    json.dumps(settings.values)


class Celled(Both):
    """A board with a cell, that knows whether it is charged."""

    def __init__(self):
        super().__init__()
        self.charge = False

    def charging(self):
        return self.charge


def test_an_empty_battery_ends_the_recording_and_the_board_sleeps_until_it_is_charged():
    service = Service("dtok_a")
    board = Celled()
    a = made(service, board=board, sleep_when_idle=False, audio_rate=8000, audio_codec="adpcm")

    async def drain():
        await asyncio.sleep(55)
        board.percent = 4
        a.start()
        # A sag is not the end: it is looked at again.
        await asyncio.sleep(8)
        board.percent = 30
        await asyncio.sleep(60)
        assert a.state() == "recording" and not told(a, "battery")
        board.percent = 4

    e = outcome(a, 300, drain)
    assert e.ms == 3600000 and a.chips.chip.us < 200 * 1000000
    assert "state=empty" in told(a, "battery")[0]
    # Not before it holds what uploads want, unless it is being charged.
    for percent in (4, 12, 19):
        board.percent = percent
        b = wake(a, e, sleep_when_idle=False)
        b.service = service
        before = b.chips.chip.us
        e = outcome(b, 300)
        assert e and e.ms == 3600000 and b.chips.chip.us - before < 5000000
        assert b.chips.wlan.joins == 0 and b.chips.wlan.scans == 0
    board.charge = True
    c = wake(b, e, sleep_when_idle=False)
    c.chips.wlan.air = [AccessPoint("home", "12345678")]
    board.percent = 25
    assert outcome(c, 60) is None and "state=charged" in told(c, "battery")[0]
    (recording,) = service.recordings.values()
    assert recording["status"] == "uploaded" and not recording["metadata"].get("interrupted")


def test_charging_and_a_low_battery_reach_the_heartbeat():
    board = Celled()
    board.percent = 10
    a = made(board=board, heartbeat_minutes=30, low_battery_threshold_percent=20)
    facts = a.up.heartbeat.facts()
    assert facts["device_state"] == "lowBattery" and facts["status_flags"] & 3 == 2
    board.charge = True
    facts = a.up.heartbeat.facts()
    assert facts["device_state"] == "charging" and facts["status_flags"] & 3 == 3


def test_a_boot_loop_that_goes_on_ends_at_the_repl_and_a_person_may_go_on():
    import sys

    import app as product_app
    import start

    sys.modules["board"] = WithButton()
    chips = Chips().install()
    power.save({"v": 1, "resets": 9, "since": 0})
    Chips(chips.chip, "PANIC").install()
    start.unix_time = lambda: 1000
    said = []
    start.print = lambda *words: said.append(" ".join(words))
    assert product_app.make() is None and "boot_loop resets=10 state=repl" in said[0], said
    # What it says to do, done.
    power.go_on()
    Chips(chips.chip, "SW").install()
    del said[:]
    assert product_app.make() is None and "not provisioned" in said[0], said


def test_an_update_that_is_under_way_is_not_slept_through():
    a = made(heartbeat_minutes=30)
    a.up.links.left("wifi")[1] = 7200000
    a.updating = object()
    assert outcome(a, 100) is None
    a.updating = None
    b = made(heartbeat_minutes=30)
    assert asleep(b, 100)


def test_a_press_before_the_time_does_not_ask_a_service_again_that_refused_the_token():
    service = Service("dtok_other")
    a = made(service, board=Both())
    a.chips.wlan.air = [AccessPoint("home", "12345678")]
    record(a)
    e = asleep(a)
    assert 1000 < e.ms / 1000 < 1100 and service.calls == {"create": 1}
    b = wake(a, e, early_s=60)
    b.service = service
    b.chips.wlan.air = [AccessPoint("home", "12345678")]

    async def press():
        await asyncio.sleep(2)
        b.stop()

    e = outcome(b, 120, press)
    assert told(b, "ended") and service.calls == {"create": 1}
    assert 900 < e.ms / 1000 < 1000
    c = wake(b, e)
    c.chips.wlan.air = [AccessPoint("home", "12345678")]
    outcome(c, 5)
    assert service.calls["create"] == 2
