"""What begins and ends recordings, in the product, on the chip's stand-ins."""

import asyncio
import json
import os
import struct
import sys

import product
from _support import folder
from esp32board import Board as Chips
from heartbeat import Beaten
from product import Board, app
from wire import Service

from uploader.clock import iso
from uploader.config import check
from uploader.dates import parse_iso
from uploader.errors import ConfigError, StorageFullError


def told(a, name):
    """The lines of the log that tell of `name`."""
    return [line for line in a.log.lines if " %s " % name in line + " "]


async def running(a, seconds=1):
    task = asyncio.create_task(a.run())
    await asyncio.sleep(seconds)
    return task


def health_told(service):
    """The last diagnostics that a heartbeat brought."""
    return [b["diagnostics"] for b in service.beats if "diagnostics" in b][-1]


def sizes(service):
    return [len(f) for r in service.recordings.values() for f in r["files"].values()]


async def test_each_codec_is_recorded_and_uploaded_and_smaller():
    found = {}
    for codec in ("wav", "adpcm", "flac"):
        service = Service("dtok_a")
        a = app(service, audio_codec=codec, storage=folder() + "/" + codec)
        task = await running(a)
        a.start()
        await asyncio.sleep(4)
        assert a.status()["recorder"]["codec"] == codec
        a.stop()
        await asyncio.sleep(5)
        task.cancel()
        (recording,) = service.recordings.values()
        assert recording["status"] == "uploaded" and told(a, "gap") == []
        found[codec] = recording["files"][0]
    assert found["wav"][8:12] == b"WAVE" and found["wav"][20] == 1
    assert found["adpcm"][8:12] == b"WAVE" and found["adpcm"][20] == 0x11
    assert found["flac"][:4] == b"fLaC" and any(found["flac"][26:42])
    assert 3.8 < len(found["wav"]) / len(found["adpcm"]) < 4.1
    # A ramp is what a fixed predictor is best at.
    assert len(found["flac"]) < len(found["wav"]) / 8


async def test_the_start_and_the_status_say_how_long_can_be_recorded():
    lefts = []
    for codec in ("wav", "adpcm"):
        a = app(audio_codec=codec)
        task = await running(a)
        a.start()
        await asyncio.sleep(1)
        (line,) = told(a, "capture")
        left = int(line.split("seconds_left=")[1].split(" ")[0])
        # Others write to this machine's disk, too.
        assert abs(a.status()["recorder"]["seconds_left"] - left) < left // 100
        free = os.statvfs(folder())
        assert 0.5 < left * (32000 if codec == "wav" else 8055) / (free[1] * free[4]) < 1.5
        lefts.append(left)
        a.stop()
        await asyncio.sleep(2)
        task.cancel()
    assert 3.5 < lefts[1] / lefts[0] < 4.5


async def test_too_little_room_is_refused_with_the_reason_not_recorded_for_ten_seconds():
    a = app(min_record_s=86400, audio_rate=48000)
    room = a.store.space.sizes
    a.store.space.sizes = lambda: (3000000, room()[1])
    task = await running(a)
    a.start()
    await asyncio.sleep(2)
    assert a.state() != "recording" and a.store.count_pending() == 0
    (line,) = told(a, "not_started")
    assert "room for 31 s" in line and "by=button" in line
    task.cancel()


async def test_a_board_without_a_microphone_says_so():
    class Deaf(Board):
        MICROPHONE = None

    a = app(board=Deaf())
    task = await running(a)
    a.command("start_recording", {"params": {}})
    await asyncio.sleep(1)
    (line,) = told(a, "not_started")
    assert "no microphone" in line and "by=command" in line
    assert a.status()["recorder"]["microphone"] is False
    task.cancel()


async def test_a_remote_start_ends_by_itself():
    for params, seconds in (
        ({"max_duration_sec": 5}, 5),
        ({}, 3600),
        ({"max_duration_sec": 0}, 3600),
    ):
        a = app(audio_codec="flac")
        task = await running(a)
        a.command("start_recording", {"params": params})
        await asyncio.sleep(1)
        assert seconds - 2 <= a.control.ends_in_s() <= seconds
        await asyncio.sleep(min(seconds, 60) - 2)
        assert a.state() == "recording"
        if seconds == 5:
            await asyncio.sleep(4)
            assert a.state() != "recording"
            # Its sound is as long as it was to be, to one buffer.
            assert 5 <= a.control.samples / 16000 <= 5.13
        task.cancel()
        a.close()


async def test_a_remote_recording_ends_even_if_the_microphone_stops():
    a = app()
    task = await running(a)
    a.command("start_recording", {"params": {"max_duration_sec": 20}})
    await asyncio.sleep(5)
    a.chips.chip.dma_free = 0
    a.chips.machine.I2S.port(0).stop_clock()
    await asyncio.sleep(10)
    assert a.state() == "recording" and told(a, "microphone")
    await asyncio.sleep(12)
    assert a.state() != "recording"
    task.cancel()
    (entry,) = list(a.store.pending())
    assert entry.whole()


async def test_with_psram_the_buffers_outlast_a_handshake_and_without_it_is_a_gap_that_is_told():
    for roomy, gaps in ((True, 0), (False, 1)):
        a = app(audio_buffer_ms=0)
        a.up.roomy = roomy
        task = await running(a)
        a.start()
        await asyncio.sleep(3)
        a.chips.chip.block(1100)
        await asyncio.sleep(4)
        assert len(told(a, "gap")) == gaps, roomy
        a.stop()
        await asyncio.sleep(4)
        assert a.state() != "recording"
        task.cancel()


async def test_gaps_are_in_the_metadata_the_events_the_status_and_the_heartbeat():
    service = Beaten()
    a = app(service, heartbeat_minutes=1, diagnostics=True)
    task = await running(a)
    a.command("start_recording", {"params": {"metadata": {"room": "7"}}})
    await asyncio.sleep(3)
    a.chips.chip.block(2500)
    await asyncio.sleep(3)
    assert len(told(a, "gap")) == 1
    status = a.status()["recorder"]
    assert status["gaps"] == 1 and 2000 < status["lost_ms"] < 2400
    json.dumps(status)
    a.stop()
    await asyncio.sleep(65)
    task.cancel()
    (recording,) = service.recordings.values()
    metadata = recording["metadata"]
    (gap,) = metadata["gaps"]
    assert metadata["room"] == "7"
    assert gap["length_ms"] == status["lost_ms"] and 2500 < gap["offset_ms"] < 3600
    # With the silence the sound is as long as the time that it took.
    assert abs(len(recording["files"][0]) / 32000 - 8.5) < 0.5
    health = health_told(service)
    assert (health["gaps"], health["gaps_ms"]) == (1, gap["length_ms"])


async def test_a_microphone_in_trouble_is_counted_in_the_heartbeats_diagnostics():
    service = Beaten()
    a = app(service, heartbeat_minutes=1, diagnostics=True)
    a.chips.machine.I2S.sound = lambda frame: 0
    task = await running(a, 1)
    assert "errors" not in health_told(service)
    a.start()
    await asyncio.sleep(35)
    assert a.status()["recorder"]["microphone"] == "constant"
    await asyncio.sleep(60)
    assert health_told(service)["errors"] == {"microphone": 1}
    task.cancel()
    a.close()


MONDAY = 1767571200  # 2026-01-05 00:00 UTC


async def test_the_schedule_starts_and_ends_recordings():
    plan = [{"days": ["mon"], "at": ["08:00"], "minutes": 1}]
    service = Service("dtok_a")
    now = MONDAY + 8 * 3600 - 20  # a Monday, twenty seconds before
    a = app(service, now=now, record_schedule=plan, audio_codec="flac")
    task = await running(a, 10)
    assert a.state() != "recording" and 0 < a.control.due_s() < 20
    await asyncio.sleep(15)
    assert a.state() == "recording"
    await asyncio.sleep(60)
    assert a.state() != "recording"
    await asyncio.sleep(60)
    task.cancel()
    (recording,) = service.recordings.values()
    # Till the end of its minute, not for a minute from wherever it began.
    (samples,) = struct.unpack_from(">I", recording["files"][0], 22)
    assert abs(samples / 16000 - 60) < 2, samples


async def test_the_schedule_is_by_the_zones_summer_time():
    plan = [{"at": ["08:00"], "minutes": 10}]
    july = MONDAY + 181 * 86400  # a Sunday, when Berlin is two hours ahead
    a = app(now=july + 6 * 3600 - 20, record_schedule=plan, timezone="Europe/Berlin")
    task = await running(a, 10)
    assert a.state() != "recording" and 0 < a.control.due_s() < 20, a.control.due_s()
    await asyncio.sleep(15)
    assert a.state() == "recording"
    task.cancel()
    a.close()


async def test_a_scheduled_recording_that_was_stopped_by_hand_is_not_begun_again():
    plan = [{"at": ["08:00"], "minutes": 10}]
    a = app(now=MONDAY + 8 * 3600 + 60, record_schedule=plan)
    task = await running(a, 5)
    assert a.state() == "recording"
    a.stop()
    await asyncio.sleep(120)
    assert a.state() != "recording" and len(told(a, "capture")) == 1
    task.cancel()


def test_a_board_asleep_wakes_for_its_schedule():
    plan = [{"at": ["09:00"], "minutes": 10}]
    a = app(now=MONDAY + 8 * 3600, record_schedule=plan, sleep_when_idle=True)
    e = product.outcome(a, 120)
    assert e and 3500000 < e.ms <= 3600000


def test_what_is_no_schedule_is_refused_by_the_configuration():
    try:
        app(record_schedule=[{"at": ["8"], "minutes": 1}])
    except ConfigError as e:
        assert "record_schedule" in str(e) and "time of the day" in str(e)
    else:
        raise AssertionError


async def test_a_voice_starts_a_recording_and_silence_ends_it():
    service = Service("dtok_a")
    a = app(service, voice_start=True, voice_silence_s=3)
    talk = []

    def sound(frame):
        second = frame / 16000
        loud = any(b <= second < e for b, e in talk)
        return ((frame * 7919 >> 3) % (8000 if loud else 40)) - (4000 if loud else 20)

    a.chips.machine.I2S.sound = sound
    talk.append((8, 11))
    task = await running(a, 7)
    assert a.state() != "recording"
    await asyncio.sleep(3)
    assert a.state() == "recording"
    await asyncio.sleep(8)
    assert a.state() != "recording"
    talk.clear()  # the stand-in's sound begins anew with each stream
    await asyncio.sleep(5)
    (recording,) = service.recordings.values()
    assert recording["status"] == "uploaded"
    assert 5.5 < len(recording["files"][0]) / 32000 < 8
    (line,) = told(a, "capture")
    assert "by=voice" in line
    # It listens on, and a command is heard meanwhile.
    a.command("start_recording", {})
    await asyncio.sleep(2)
    assert a.state() == "recording"
    task.cancel()
    a.close()


class Dated(Service):
    """Keeps the moments of files, as Unix seconds."""

    def __init__(self):
        super().__init__("dtok_a")
        self.moments = []

    def _url(self, path, headers, body):
        if "captured_at" in json.loads(body):
            self.moments.append(parse_iso(json.loads(body)["captured_at"]))
        return super()._url(path, headers, body)


class Seeing(Board):
    """With a camera that has `left` pictures."""

    left = 1000

    def make_camera(self):
        return self

    def capture(self):
        self.left -= 1
        if self.left < 0:
            raise OSError("camera gone")
        return b"\xff\xd8jpeg"


class Odd(Seeing):
    """... whose library raises what no driver of MicroPython's does."""

    def capture(self):
        raise RuntimeError("0x105")


async def test_a_camera_that_fails_in_its_own_way_leaves_the_sound_alone():
    service = Service("dtok_a")
    a = app(service, board=Odd(), stills_every_s=1)
    task = await running(a)
    a.start()
    await asyncio.sleep(4)
    assert a.state() == "recording" and "state=failed" in told(a, "camera")[0]
    a.stop()
    await asyncio.sleep(5)
    task.cancel()
    (size,) = sizes(service)
    assert size > 3 * 32000


async def test_a_recording_that_can_not_begin_leaves_no_microphone_open():
    def full(**_):
        raise StorageFullError("no space for a recording", 0)

    a = app(Service("dtok_a"))
    task = await running(a)
    real, a.up.record = a.up.record, full
    a.start()
    await asyncio.sleep(3)
    assert "no space" in told(a, "storage")[0]
    a.up.record = real
    await asyncio.sleep(60)
    a.start()
    await asyncio.sleep(3)
    a.stop()
    await asyncio.sleep(2)
    task.cancel()
    assert told(a, "gap") == [], "what was not recorded is no loss"


class SeeingOnly(Seeing):
    MICROPHONE = None


async def test_stills_are_a_recording_of_their_own_without_a_microphone_or_if_wished():
    for board, codec in ((SeeingOnly(), "wav"), (Seeing(), "none")):
        service = Dated()
        a = app(service, board=board, stills_every_s=60, audio_codec=codec)
        task = await running(a)
        a.command("start_recording", {"params": {"max_duration_sec": 400}})
        await asyncio.sleep(390)
        assert a.state() == "recording" and 5 <= a.control.ends_in_s() <= 10
        json.dumps(a.status())
        await asyncio.sleep(20)
        assert a.state() == "idle" and told(a, "microphone") == []
        (recording,) = service.recordings.values()
        assert recording["status"] == "uploaded"
        assert list(recording["files"].values()) == [b"\xff\xd8jpeg"] * 7
        steps = [service.moments[i + 1] - service.moments[i] for i in range(6)]
        assert min(steps) >= 59 and max(steps) <= 61, steps
        task.cancel()


async def test_pictures_alone_end_by_a_stop_a_camera_that_fails_or_are_refused_with_the_reason():
    service = Dated()
    a = app(service, board=SeeingOnly(), stills_every_s=5)
    task = await running(a)
    a.start()
    await asyncio.sleep(12)
    a.stop()
    await asyncio.sleep(3)
    assert a.state() == "idle" and service.recordings["rec_1"]["status"] == "uploaded"
    a.board.left = 2
    a.start()
    await asyncio.sleep(20)
    assert a.state() == "idle" and "camera gone" in told(a, "camera")[0]
    assert len(service.recordings["rec_2"]["files"]) == 2
    a.settings.values["low_space_bytes"] = 1 << 60
    a.start()
    await asyncio.sleep(2)
    assert "room for" in told(a, "not_started")[0]
    task.cancel()
    for board, codec, word in ((Board(), "none", "no camera"), (SeeingOnly(), "wav", "microphone")):
        a = app(board=board, audio_codec=codec, stills_every_s=5 * (codec == "none"))
        task = await running(a)
        a.start()
        await asyncio.sleep(1)
        assert word in told(a, "not_started")[0], told(a, "not_started")
        task.cancel()


async def test_stills_are_taken_beside_the_sound_each_with_its_moment():
    service = Service("dtok_a")
    a = app(service, board=Seeing(), stills_every_s=5)
    task = await running(a)
    a.start()
    await asyncio.sleep(12)
    a.stop()
    await asyncio.sleep(5)
    task.cancel()
    files = list(list(service.recordings.values())[0]["files"].values())
    assert len([f for f in files if f[:2] == b"\xff\xd8"]) == 3
    assert len([f for f in files if f[:4] == b"RIFF"]) == 1


async def test_a_board_without_a_camera_says_so_and_records_the_sound():
    service = Service("dtok_a")
    a = app(service, stills_every_s=5)
    task = await running(a)
    a.start()
    await asyncio.sleep(3)
    a.stop()
    await asyncio.sleep(5)
    task.cancel()
    (line,) = told(a, "camera")
    assert "no camera" in line
    assert sizes(service)[0] > 60000


def test_a_press_that_wakes_the_board_starts_the_recording():
    a = app(board=product.WithButton(), chips=product.Chips(reason="DEEPSLEEP", wake=2))
    assert product.outcome(a, 5) is None
    a.close()
    assert len(told(a, "capture")) == 1


def test_the_settings_of_the_recorder_are_checked():
    good = {"api_url": "https://a.test", "device_token": "dtok_a", "storage": "/x", "roots": []}
    for key, value in (
        ("audio_codec", "mp3"),
        ("audio_buffer_ms", 1),
        ("audio_rate", 96000),
        ("voice_threshold_db", 0),
        ("record_schedule", {}),
    ):
        values = dict(good, allow_insecure=True, api_url="http://a.test")
        values[key] = value
        try:
            check(values)
        except ConfigError as e:
            assert key in str(e)
        else:
            raise AssertionError(key)


async def test_where_memory_is_short_what_records_is_loaded_for_a_recording_and_let_go():
    a = app(audio_codec="adpcm")
    a.up.roomy = False
    task = await running(a)
    for count in (1, 2):
        a.start()
        await asyncio.sleep(3)
        assert a.state() == "recording" and "uploader.sending" not in sys.modules
        assert "recorders.recorder" in sys.modules
        a.stop()
        await asyncio.sleep(5)
        for name in ("recorder", "capture", "gaps", "level", "adpcm", "codecs", "microphone"):
            assert "recorders." + name not in sys.modules, name
        assert a.status()["recorder"]["gaps"] == 0
        assert len(list(a.store.pending())) == count
    task.cancel()


async def test_where_memory_is_short_a_microphone_that_can_not_be_opened_does_not_keep_uploads():
    a = app()
    a.up.roomy = False
    task = await running(a)
    a.chips.chip.dma_free = 0
    a.start()
    await asyncio.sleep(5)
    assert told(a, "microphone") and a.state() != "recording"
    a.chips.chip.dma_free = 100000
    a.start()
    await asyncio.sleep(3)
    assert a.state() == "recording"
    task.cancel()
    a.close()


def http_date(seconds):
    """Of a server whose clock is right, on 26 April 2026."""
    return "Sun, 26 Apr 2026 %s GMT" % iso(seconds)[11:19]


async def test_times_after_deep_sleep_are_corrected_once_known_and_marked_where_they_can_not_be():
    real = parse_iso("2026-04-26T12:00:00Z")
    service = Service("dtok_a")
    asleep = Chips(reason="DEEPSLEEP")
    a = app(service, now=real - 300, chips=asleep)  # five minutes slow
    service.date = lambda: http_date(real + a.chips.chip.us // 1000000)
    service.override = lambda step, number: b"" if up["link"] == "down" else None
    up = {"link": "down"}
    task = await running(a)
    for _ in range(2):
        a.start()
        await asyncio.sleep(3)
        a.stop()
        await asyncio.sleep(5)
        if up["link"] == "down":
            up["link"] = "up"
            await asyncio.sleep(1200)
    task.cancel()
    first, second = service.recordings["rec_1"], service.recordings["rec_2"]
    began = parse_iso(first["started_at"]) - real
    assert 0 <= began <= 3, began
    assert "time_estimated" not in first["metadata"] and "time_estimated" not in second["metadata"]
    # Made before another sleep, in which the boot that could have told ended.
    service.recordings.clear()
    real += 7200
    a = app(service, now=real - 300, chips=Chips(reason="DEEPSLEEP"))
    a.store.begin().add("audio").write(b"sound")
    a = app(service, now=real, chips=Chips(reason="DEEPSLEEP"))
    task = await running(a, 5)
    task.cancel()
    (recording,) = service.recordings.values()
    assert recording["metadata"]["time_estimated"] and recording["metadata"]["interrupted"]
    assert abs(parse_iso(recording["started_at"]) - real + 300) <= 1


async def test_a_voices_recording_begins_when_its_first_sound_was_heard():
    service = Dated()
    talk = (8, 11)

    def sound(frame):
        loud = talk[0] <= frame / 16000 < talk[1]
        return ((frame * 7919 >> 3) % (8000 if loud else 40)) - (4000 if loud else 20)

    for segments in (0, 2):
        more = {"segment_seconds": segments, "storage": "%s/%d" % (folder(), segments)}
        more.update(voice_start=True, voice_silence_s=3, voice_pre_roll_ms=2000)
        a = app(service, audio_codec="adpcm", **more)
        a.chips.machine.I2S.sound = sound
        opened = a.clock.now()
        task = await running(a, 20)
        task.cancel()
        a.close()
        (recording,) = service.recordings.values()
        # The stand-in's sound begins as the microphone is opened.
        began = parse_iso(recording["started_at"]) - opened
        assert began == 6, began
        if segments:
            moments = [m - opened for m in service.moments]
            assert moments[0] == 6 and len(moments) >= 3, moments
            # Each begins where the one before it ends; the first has the pre-roll, too.
            files = recording["files"]
            for i in range(len(moments) - 1):
                lasts = len(files[i]) * 1017 / 512 / 16000
                assert abs(moments[i + 1] - moments[i] - lasts) <= 1, moments
        service.recordings.clear()
