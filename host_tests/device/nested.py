"""The service's nested settings: each takes effect with the answer that brings it and after a
reboot, and so does taking it back. Looked at where they are meant to be felt."""

import asyncio

from product import app as made
from product import outcome
from remote import Remote, Roamer, felt_to, goes_out, stays
from wire import Service


async def sent(d, wanted):
    """Have the service send settings once; what was told of them."""
    d.service.wanted = wanted
    there, count = d.in_reach, d.service.beats
    d.reach(True)
    await d.run_until(lambda: d.service.beats > count)
    await d.run_for(5)
    d.reach(there)
    d.service.wanted = {}
    told = d.seen("settings")
    return told[-1] if told else None


async def set_and_unset(d, wanted, back, felt):
    """Check that `felt` holds once `wanted` came, and over a reboot; no more once `back` came,
    and over a reboot."""
    assert not await felt(d), "already before"
    told = await sent(d, wanted)
    assert told["ignored"] is None, told
    assert await felt(d), "not with the answer"
    d.boot()
    assert await felt(d), "not after a reboot"
    assert (await sent(d, back))["ignored"] is None
    assert not await felt(d), "not taken back"
    d.boot()
    assert not await felt(d), "not taken back after a reboot"
    felt_to(wanted)


async def by_modem(d):
    d.boot()
    return await goes_out(d) and d.up.links.current is d.cellular


def connection(**groups):
    return {"connection": groups}


def upload(**leaves):
    return {"upload": leaves}


async def test_a_radio_that_is_not_enabled_is_not_used():
    for back in (True, None):
        d = Roamer(storage=Roamer().storage + str(back))
        await set_and_unset(
            d,
            connection(enabled_connections={"wifi": False}),
            connection(enabled_connections={"wifi": back}),
            by_modem,
        )


async def test_a_modem_that_is_not_enabled_is_not_used():
    d = Roamer()
    d.reach(False)
    await set_and_unset(
        d,
        connection(enabled_connections={"cellular": False}),
        connection(enabled_connections={"cellular": True}),
        stays,
    )


async def test_the_upload_preference_of_networks():
    await set_and_unset(
        Roamer(),
        connection(upload_network_preference=["cellular", "wifi"]),
        connection(upload_network_preference=["wifi", "ble", "cellular"]),
        by_modem,
    )


async def test_the_mode_prefers_and_forbids():
    await set_and_unset(Roamer(), upload(mode="4g_preferred"), upload(mode="auto"), by_modem)
    d = Roamer(storage=Roamer().storage + "2")
    d.reach(False)
    await set_and_unset(d, upload(mode="wifi_only"), upload(mode="wifi_preferred"), stays)


async def test_each_radio_has_its_own_idle_timeout():
    async def off_after_20_s(d):
        await goes_out(d)
        return not d.wifi.on

    for back in (180, 0, None):
        await set_and_unset(
            Roamer(storage=Roamer().storage + str(back)),
            connection(power_management={"wifi_idle_timeout_seconds": 20}),
            connection(power_management={"wifi_idle_timeout_seconds": back}),
            off_after_20_s,
        )

    async def modem_off(d):
        d.reach(False)
        await goes_out(d)
        off = not d.cellular.on
        d.reach(True)
        return off

    await set_and_unset(
        Roamer(storage=Roamer().storage + "m"),
        connection(power_management={"cellular_idle_timeout_seconds": 30}),
        connection(power_management={"cellular_idle_timeout_seconds": 100}),
        modem_off,
    )


async def test_a_radio_that_may_not_carry_heartbeats_carries_uploads_all_the_same():
    async def silent(d):
        """No heartbeat in 40 minutes over the modem; uploads pass."""
        d.reach(False)
        beats = d.service.beats
        await d.run_for(2400)
        beats = d.service.beats - beats
        assert await goes_out(d) and d.cellular.on
        d.reach(True)
        return not beats

    await set_and_unset(
        Roamer(),
        connection(power_management={"cellular_heartbeat_enabled": False}),
        connection(power_management={"cellular_heartbeat_enabled": True}),
        silent,
    )

    async def by_modem_alone(d):
        """Heartbeats go over the modem though WiFi, over which uploads go, is there."""
        ups = d.cellular.ups
        await d.run_for(2400)
        assert await goes_out(d) and d.wifi.ups
        return d.cellular.ups > ups

    await set_and_unset(
        Roamer(storage=Roamer().storage + "w"),
        connection(power_management={"wifi_heartbeat_enabled": False}),
        connection(power_management={"wifi_heartbeat_enabled": None}),
        by_modem_alone,
    )


async def test_off_peak_hours_in_a_zone_with_summer_time():
    """It is 17:46 UTC on 26 April: 13:46 in New York, which without summer time were 12:46."""
    hours = {"enabled": True, "start": "13:30", "end": "16:00", "timezone": "America/New_York"}
    d = Roamer(off_peak_start="22:00", off_peak_end="06:00")
    await set_and_unset(
        d,
        upload(off_peak_hours=hours),
        upload(off_peak_hours={"start": "20:00", "end": "21:00"}),
        goes_out,
    )


async def test_off_peak_hours_are_disabled_and_enabled_by_one_leaf_and_null_is_none():
    hours = {"enabled": True, "start": "01:00", "end": "02:00", "timezone": "Asia/Kolkata"}
    for back in ({"enabled": False}, None):
        d = Roamer(storage=Roamer().storage + str(back is None))
        await set_and_unset(d, upload(off_peak_hours=hours), upload(off_peak_hours=back), stays)
        again = {"enabled": True} if back else hours
        await set_and_unset(d, upload(off_peak_hours=again), upload(off_peak_hours=back), stays)


async def test_a_zone_that_is_not_known_is_named_and_leaves_the_offset_as_it_was():
    d = Roamer(timezone="-04:00")
    hours = {"enabled": True, "start": "13:00", "end": "14:00", "timezone": "Mars/Olympus"}
    told = await sent(d, upload(off_peak_hours=hours))
    assert told["ignored"] == "timezone" and "off_peak_start" in told["names"]
    assert await goes_out(d), "13:46 by the offset"
    await sent(d, {"timezone": "+00:00"})
    assert await stays(d)


async def test_the_other_leaves_of_upload_and_power():
    low = {"low_battery_threshold_percent": 10}
    d = Roamer(percent=15)
    await set_and_unset(
        d, {"power": low}, {"power": {"low_battery_threshold_percent": None}}, goes_out
    )
    for leaf, value, back in (("upload_delay_minutes", 90, 0), ("allow_roaming", False, True)):
        d = Roamer(storage=Roamer().storage + leaf, allow_roaming=True)
        if leaf == "allow_roaming":
            d.reach(False)
            d.roams = d.cellular.roams = True
        await set_and_unset(d, upload(**{leaf: value}), upload(**{leaf: back}), stays)
    d = Roamer(percent=15, storage=Roamer().storage + "p")
    await set_and_unset(
        d, upload(pause_on_low_battery=False), upload(pause_on_low_battery=True), goes_out
    )
    d = Roamer(storage=Roamer().storage + "c")
    d.reach(False)

    async def capped(d):
        d.up.policy.meter.add(10**6)
        return await stays(d)

    await set_and_unset(d, upload(daily_data_limit_mb=1), upload(daily_data_limit_mb=0), capped)


async def test_null_takes_a_setting_back_to_what_the_configuration_says():
    d = Roamer(upload_delay_minutes=60)
    assert await stays(d)
    await set_and_unset(
        d, upload(upload_delay_minutes=0), upload(upload_delay_minutes=None), goes_out
    )


async def test_one_answer_may_change_all_groups_and_one_wrong_leaf_spoils_no_other():
    d = Roamer(percent=15)
    told = await sent(
        d,
        {
            "upload": {"mode": "sideways", "upload_delay_minutes": "soon", "surprise": 1},
            "power": {"low_battery_threshold_percent": 10},
            "audio": {"codec": "opus", "bitrate_kbps": 32},
            "connection": {"power_management": {"wifi_idle_timeout_seconds": 5}},
            "api_url": "https://elsewhere.test",
        },
    )
    assert told["names"] == "low_battery_threshold_percent"
    assert told["ignored"].split(",") == sorted(
        "api_url audio_codec bitrate_kbps mode surprise upload_delay_minutes"
        " wifi_idle_timeout_s".split()
    )
    assert await goes_out(d)


async def test_settings_that_come_with_each_answer_are_told_of_once():
    d = Roamer()
    d.service.wanted = {"audio": {"codec": "opus"}}
    await d.run_for(7200)
    assert d.service.beats >= 8 and len(d.seen("settings")) == 1


async def test_settings_in_a_device_object_are_taken_too():
    class Nested(Remote):
        def answer(self, status, value, fields=""):
            if value and value.get("settings"):
                value = {"status": "ok", "device": {"settings": value["settings"]}}
            return super().answer(status, value, fields)

    d = Roamer()
    d.service = Nested()
    d.boot()
    await set_and_unset(d, upload(mode="4g_preferred"), upload(mode="auto"), by_modem)


async def test_a_phone_is_no_way_for_this_device_and_what_would_leave_no_link_is_refused():
    d = Roamer(wifi=[{"ssid": "home"}])
    assert (await sent(d, upload(mode="ble_only")))["ignored"] == "mode"
    assert (await sent(d, upload(mode="4g_only")))["ignored"] == "mode"
    off = connection(enabled_connections={"wifi": False, "cellular": False})
    assert "wifi_enabled" in (await sent(d, off))["ignored"]
    assert await goes_out(d)


class Told(Service):
    """Sends `wanted` with the answer to a heartbeat."""

    wanted = {}

    def _heartbeat(self, path, headers, body):
        return self.answer(200, {"status": "ok", "settings": self.wanted})


def files_of(service, seconds=6, **more):
    """The size and the head of each file of a recording made after the next heartbeat."""
    a = made(service, heartbeat_minutes=60, **more)

    async def record():
        await asyncio.sleep(5)
        a.start()
        await asyncio.sleep(seconds)
        a.stop()
        await asyncio.sleep(5)

    assert outcome(a, 0, record) is None
    files = service.recordings["rec_%d" % len(service.recordings)]["files"]
    found = [(len(f), f[:64]) for f in files.values()]
    files.clear()  # the heap is not made for all of them
    return found


def test_streaming_cuts_a_recording_into_files_that_go_out_while_it_goes_on():
    service = Told("dtok_a")
    streaming = {"streaming_enabled": True, "streaming_chunk_kb": 64}
    assert len(files_of(service)) == 1
    for wanted in (upload(**streaming), {}):
        service.wanted = wanted
        sizes = [size for size, _ in files_of(service)]
        assert len(sizes) == 3 and 65000 < max(sizes) < 69000, sizes
    for wanted in (upload(streaming_flush_interval_seconds=2, streaming_chunk_kb=1024), {}):
        service.wanted = wanted
        assert len(files_of(service)) in (3, 4)
    for wanted in (upload(streaming_enabled=False), {}):
        service.wanted = wanted
        assert len(files_of(service)) == 1
    felt_to(upload(streaming_flush_interval_seconds=2, **streaming))


def test_the_codec_and_the_rate_of_the_sound():
    """With the answer and after a reboot; taken back by null, and by the names that the service
    has for what the device does anyway."""
    service = Told("dtok_a")

    def sound(**own):
        ((size, head),) = files_of(service, 3, **own)
        if head[:4] == b"fLaC":
            return "flac", int.from_bytes(head[18:21], "big") >> 4
        assert head[8:12] == b"WAVE" and size > 20000
        return head[20], int.from_bytes(head[24:28], "little")

    assert sound(audio_codec="flac") == ("flac", 16000)
    for audio, becomes in (
        ({"codec": "wav"}, (1, 16000)),
        ({"sample_rate_khz": 24}, (1, 24000)),
        ({"codec": "adpcm", "sample_rate_khz": 48}, (0x11, 48000)),
        ({"codec": None, "sample_rate_khz": 16}, ("flac", 16000)),
        ({"codec": "wav", "sample_rate_khz": 24}, (1, 24000)),
        ({"codec": None, "sample_rate_khz": None}, ("flac", 16000)),
    ):
        for wanted in ({"audio": audio}, {}):
            service.wanted = wanted
            assert sound(audio_codec="flac") == becomes, (audio, wanted)
    # What no encoder here makes changes nothing, nor does what goes with it.
    service.wanted = {"audio": {"codec": "opus", "sample_rate_khz": 44, "bitrate_kbps": 32}}
    assert sound(audio_codec="flac") == ("flac", 16000)
    felt_to({"codec": "wav", "sample_rate_khz": 24})


def test_auto_sleep():
    service = Told("dtok_a")

    def slept_after():
        a = made(service, heartbeat_minutes=60)
        asleep = outcome(a, 1500)
        return asleep and a.chips.chip.us // 60000000

    assert slept_after() is None
    for wanted in ({"power": {"auto_sleep_minutes": 10}}, {}):
        service.wanted = wanted
        assert slept_after() == 10
    for wanted in ({"power": {"auto_sleep_minutes": 0}}, {}):
        service.wanted = wanted
        assert slept_after() is None
    felt_to({"auto_sleep_minutes": 10})
