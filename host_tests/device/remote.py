"""Settings that the service changes take effect: with the answer that brings them, and after a
reboot. Looked at where they are meant to be felt, not where they are kept."""

import json
import os

from _support import Device, Link, folder
from wire import Service

from uploader.remote import LEAVES


class Remote(Service):
    """A service that sends the settings `wanted` with each heartbeat's answer."""

    def __init__(self):
        super().__init__("dtok_a")
        self.wanted = {}
        self.beats = 0

    def _heartbeat(self, path, headers, body):
        json.loads(body)
        self.beats += 1
        return self.answer(200, {"status": "ok", "settings": self.wanted})


class Roamer(Device):
    """A device with WiFi, which is there while `in_reach`, and a modem; it is 17:46 UTC."""

    in_reach = True
    roams = False

    def __init__(self, percent=None, **settings):
        self.percent = percent
        super().__init__(Remote(), heartbeat_minutes=15, **settings)

    def links(self):
        self.wifi = Link("wifi", self.in_reach)
        self.cellular = Link("cellular", metered=True)
        self.cellular.roams = self.roams
        return [self.wifi, self.cellular]

    def reach(self, there):
        self.in_reach = self.wifi.works = there
        self.wifi.on = self.wifi.on and there


def felt_to(wanted, group=""):
    """Note that each of the settings `wanted` was felt, as a name of `remote.LEAVES`: a line each
    in the file SETTINGS_FELT, which `make service-test` counts."""
    path = os.getenv("SETTINGS_FELT")
    if not path:
        return
    names = json.loads(LEAVES)
    for key in wanted:
        if isinstance(wanted[key], dict):
            felt_to(wanted[key], key)
        else:
            with open(path, "a") as f:
                f.write((key if key in names else group + "." + key) + "\n")


async def goes_out(d):
    """True if a recording made now is uploaded within a minute."""
    before = d.uploaded()
    d.record()
    await d.run_for(60)
    return d.uploaded() > before


async def stays(d):
    return not await goes_out(d)


async def takes_effect(d, wanted, felt, nested=False):
    """Check that `felt` begins to hold with the answer that brings the settings, holds after a
    reboot at which the service says nothing, and would not without what was kept."""
    assert not await felt(d), "already before"
    d.service.wanted = wanted
    there, beats = d.in_reach, d.service.beats
    d.reach(True)
    await d.run_until(lambda: d.service.beats > beats)
    await d.run_for(5)
    d.reach(there)
    told = d.seen("settings")[-1]
    assert told["ignored"] is None and "" not in told["names"].split(",")
    assert nested or sorted(told["names"].split(",")) == sorted(wanted)
    assert await felt(d), "not with the answer"
    d.service.wanted = {}
    d.boot()
    assert await felt(d), "not after a reboot"
    felt_to(wanted)


async def test_pause_on_low_battery():
    await takes_effect(Roamer(percent=15), {"pause_on_low_battery": False}, goes_out)


async def test_low_battery_threshold_percent():
    await takes_effect(Roamer(percent=15), {"low_battery_threshold_percent": 10}, goes_out)


async def test_off_peak_start_and_end():
    await takes_effect(Roamer(), {"off_peak_start": "22:00", "off_peak_end": "06:00"}, stays)


async def test_timezone_shifts_the_hours():
    d = Roamer(off_peak_start="22:00", off_peak_end="06:00")
    await takes_effect(d, {"timezone": "+05:00"}, goes_out)


async def test_timezone_shifts_the_midnight_that_ends_the_days_limit():
    d = Roamer(daily_data_limit_mb=1)
    d.reach(False)
    d.up.policy.meter.add(10**6)
    # 17:46 UTC is 00:16 on the next day there.
    await takes_effect(d, {"timezone": "+06:30"}, goes_out)


async def test_upload_delay_minutes():
    await takes_effect(Roamer(), {"upload_delay_minutes": 120}, stays)


async def test_daily_data_limit_mb():
    d = Roamer()
    d.reach(False)
    d.up.policy.meter.add(10**6)
    await takes_effect(d, {"daily_data_limit_mb": 1}, stays)


async def test_allow_roaming():
    Roamer.roams = True
    d = Roamer()
    d.reach(False)
    await takes_effect(d, {"allow_roaming": True}, goes_out)


async def test_network_preference():
    async def by_modem(d):
        assert await goes_out(d)
        return d.up.links.current is d.cellular and not d.wifi.on

    await takes_effect(Roamer(), {"network_preference": ["cellular", "wifi"]}, by_modem)


async def test_a_link_that_the_preference_leaves_out_stays_off():
    async def never(d):
        d.reach(False)
        stayed = await stays(d)
        return stayed and not d.cellular.on

    await takes_effect(Roamer(), {"network_preference": ["wifi"]}, never)


async def test_a_preference_without_any_link_that_there_is_cuts_nobody_off():
    d = Roamer()
    d.service.wanted = {"network_preference": ["ble"]}
    await d.run_until(lambda: d.seen("settings"))
    await d.run_for(400)
    assert await goes_out(d) and d.up.links.current is d.wifi


async def test_radio_idle_timeout_s():
    async def off_after_20_s(d):
        d.record()
        count = d.uploaded() + 1
        await d.run_until(lambda: d.uploaded() == count)
        start = d.ticks.ms
        await d.run_until(lambda: not d.wifi.on)
        assert d.ticks.ms - start in range(19000, 22000) or d.ticks.ms - start >= 170000
        return d.ticks.ms - start < 22000

    await takes_effect(Roamer(), {"radio_idle_timeout_s": 20}, off_after_20_s)


async def test_what_waits_goes_out_with_the_answer_that_allows_it():
    """Not with the heartbeat after it, nor at the end of a wait that was measured before."""
    d = Roamer(off_peak_start="06:00", off_peak_end="17:00")
    d.service.wanted = {}
    d.record()
    await d.run_for(60)
    assert d.seen("deferred")[-1]["wait_s"] > 11 * 3600 and d.uploaded() == 0
    d.service.wanted = {"off_peak_start": "", "off_peak_end": ""}
    await d.run_until(lambda: d.seen("completed"))
    names = [name for name, _ in d.events]
    after = names[names.index("settings") + 1 : names.index("completed")]
    assert after[:4] == ["created", "progress", "progress", "sent"], after


async def test_what_the_service_changed_is_for_devices_that_listen_to_it():
    """Without heartbeats it could not be taken back: then the configuration alone holds."""
    d = Roamer()
    d.service.wanted = {"off_peak_start": "22:00", "off_peak_end": "06:00"}
    await d.run_until(lambda: d.seen("settings"))
    await d.run_for(400)
    d.boot(heartbeat_minutes=0)
    assert await goes_out(d)


async def test_the_module_that_checks_is_forgotten_again():
    import sys

    d = Roamer()
    d.service.wanted = {"timezone": "+01:00"}
    await d.run_until(lambda: d.seen("settings"))
    assert "uploader.config" not in sys.modules and folder()


async def test_where_memory_is_short_what_sends_is_let_go_before_settings_are_read():
    import sys

    loaded = []

    class Short(Roamer):
        def event(self, name, info):
            if name == "settings":
                loaded.append("uploader.http" in sys.modules)
            super().event(name, info)

    for roomy in (True, False):
        d = Short(storage=Roamer().storage + str(roomy))
        d.up.roomy = roomy
        d.service.wanted = {"timezone": "Europe/Berlin"}
        await d.run_until(lambda: d.seen("settings"))  # noqa: B023 it is called at once
    assert loaded == [True, False]
