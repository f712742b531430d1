"""Heartbeats: what they report, what their answer brings, once each."""

import asyncio
import json
import os

from _support import Device, Link, folder
from wire import Service

from uploader.clock import iso


class Beaten(Service):
    """A service that keeps heartbeats; `extra` is merged into its answers."""

    def __init__(self):
        super().__init__("dtok_a")
        self.beats = []
        self.extra = {}
        self.refuse_flags = False

    def _heartbeat(self, path, headers, body):
        fields = json.loads(body)
        if self.refuse_flags and "status_flags" in fields:
            return self.answer(400, {"error": {"code": "invalid_request", "message": "?"}})
        self.beats.append(fields)
        return self.answer(200, dict(self.extra, status="ok"))


class Desk(Device):
    """A device with WiFi that beats every 15 minutes."""

    percent = 80

    def __init__(self, service, **settings):
        super().__init__(service, heartbeat_minutes=15, device_name="Desk", **settings)

    def links(self):
        link = Link("wifi")
        link.dbm = -61
        return [link]

    async def beaten(self, times):
        """Run until so many heartbeats came and what they brought was done."""
        await self.run_until(lambda: len(self.service.beats) >= times, 20000)
        await self.run_for(1)


async def test_every_field_that_the_device_knows_is_reported_on_an_interval():
    service = Beaten()
    d = Desk(service)
    await d.beaten(3)
    assert len(service.beats) >= 3
    beat = service.beats[0]
    assert beat.pop("storage_total_mb") >= beat.pop("storage_used_mb") >= 0
    assert beat == {
        "battery_percent": 80,
        "signal_strength_dbm": -61,
        "firmware_version": "1.2.3",
        "device_name": "Desk",
        "device_state": "idle",
        "pending_recordings": 0,
        "status_flags": 8,
        "connection_type": ["wifi"],
    }
    assert d.ticks.ms // 60000 // 15 + 1 >= len(service.beats)


async def test_the_state_tells_what_the_device_is_doing():
    service = Beaten()
    d = Desk(service)
    d.percent = 5
    beat = d.up.heartbeat
    assert beat.facts()["device_state"] == "lowBattery" and beat.facts()["status_flags"] == 2
    d.record()
    recording = d.store.begin()
    facts = beat.facts()
    assert (facts["device_state"], facts["pending_recordings"]) == ("recording", 1)
    assert facts["status_flags"] == 2 + 32
    recording.end()
    d.settings.values["low_space_bytes"] = 1 << 50
    assert beat.facts()["device_state"] == "storageFull"


async def test_a_service_that_does_not_know_the_flags_is_asked_without_them():
    service = Beaten()
    service.refuse_flags = True
    d = Desk(service)
    await d.beaten(2)
    assert "status_flags" not in service.beats[0]
    assert service.calls["heartbeat"] == len(service.beats) + 1


async def test_commands_reach_the_recorder_once_each_also_over_a_reboot():
    for wrap in (lambda c: {"commands": c}, lambda c: {"remote_commands": c}):
        service = Beaten()
        start = {"id": "cmd_1", "type": "start_recording", "params": {}, "grant_token": "g"}
        service.extra = wrap([start, {"id": "cmd_2", "type": "reboot"}, "noise", None])
        d = Desk(service)
        await d.beaten(3)
        assert d.commands == [("start_recording", "cmd_1")], d.commands
        d = Desk(service)
        await d.beaten(len(service.beats) + 2)
        assert d.commands == []
        service.extra = {"command": {"id": 7, "command": "stop_recording"}}
        await d.beaten(len(service.beats) + 1)
        assert d.commands == [("stop_recording", 7)]
        for name in ("cmd.0", "cmd.1"):
            os.remove(d.settings.state + "/" + name)


async def test_an_expired_command_is_not_acted_on():
    service = Beaten()
    d = Desk(service)
    now = d.store.clock.now()
    service.extra = {
        "commands": [
            {"id": "old", "type": "start_recording", "expires_at": iso(now - 1)},
            {"id": "good", "type": "start_recording", "expires_at": iso(now + 3600)},
            {"id": "odd", "type": "stop_recording", "expires_at": "soon"},
        ]
    }
    await d.beaten(1)
    assert d.commands == [("start_recording", "good"), ("stop_recording", "odd")]
    states = {i["id"]: i["state"] for i in d.seen("command")}
    assert states == {"old": "expired", "good": "taken", "odd": "taken"}


async def test_settings_are_applied_and_kept_and_wrong_ones_are_not():
    service = Beaten()
    service.extra = {
        "settings": {
            "daily_data_limit_mb": 50,
            "allow_roaming": "yes",
            "off_peak_start": "22:00",
            "off_peak_end": "06:00",
            "api_url": "https://elsewhere.test",
            "storage": "/x",
        }
    }
    d = Desk(service)
    await d.beaten(1)
    settings = d.settings
    assert settings.daily_data_limit_mb == 50 and settings.off_peak_start == "22:00"
    assert settings.allow_roaming is False
    assert settings.api_url == "https://api.test/v1" and settings.storage == d.storage
    service.extra = {}
    d = Desk(service)
    assert d.settings.daily_data_limit_mb == 50 and d.settings.off_peak_end == "06:00"


async def test_any_answer_is_survived():
    for extra in (
        {"commands": "x", "settings": []},
        {"commands": [[1], {"id": None}, {"type": 5}], "settings": {"timezone": 7}},
        {"command": None},
        {"settings": {"network_preference": ["pigeon"], "off_peak_start": "22:00"}},
    ):
        service = Beaten()
        service.extra = extra
        d = Desk(service)
        await d.beaten(1)
        assert d.commands == [] and service.beats


async def test_a_heartbeat_that_fails_stops_no_upload():
    service = Beaten()
    service.override = lambda s, n: service.answer(500, {}) if s == "heartbeat" else None
    d = Desk(service)
    d.record()
    await d.run_until(lambda: d.seen("completed"))
    assert d.uploaded() == 1 and d.seen("heartbeat")[0]["state"] == "failed"


async def test_heartbeats_go_on_while_the_policy_defers_uploads():
    service = Beaten()
    d = Desk(service)
    d.percent = 5
    d.record()
    await d.beaten(4)
    assert len(service.beats) >= 4 and not service.recordings
    assert d.seen("deferred")[0]["rule"] == "battery"
    assert service.beats[-1]["device_state"] == "lowBattery"


class Quiet(Device):
    """A device with a low battery and no heartbeats."""

    percent = 5


async def test_a_low_battery_with_nothing_to_upload_is_no_reason_to_stay_awake():
    d = Quiet(Service("dtok_a"))
    await d.run_for(60, 100)
    assert d.up.idle and not d.events


async def test_where_the_board_sleeps_a_refused_heartbeat_is_repeated_less_and_less():
    beats = {}
    for sleeps in (True, False):
        service = Service("dtok_other")
        d = Device(
            service, "%s/%d" % (folder(), sleeps), heartbeat_minutes=30, sleep_when_idle=sleeps
        )
        task = asyncio.create_task(d.up.run())
        while d.ticks.ms < 86400000:
            await asyncio.sleep_ms(0)
            del d.events[:]
        task.cancel()
        beats[sleeps] = service.calls["heartbeat"]
    assert 8 <= beats[True] <= 12 and 47 <= beats[False] <= 49, beats
