"""What a device runs (firmware/main.py), on a board made of stand-ins."""

import asyncio
import os
import struct

import power
import virtual
from _support import Ticks, folder
from app import App
from chip import Asleep, Reset
from esp32board import Board as Chips
from recorders.button import Button
from recorders.camera import Stills
from recorders.led import PATTERNS, Led
from recorders.log import Log
from recorders.microphone import i2s
from wire import Service, WiredHttp
from wlan import AccessPoint

from uploader import Clock
from uploader.clock import FLOOR
from uploader.config import check
from uploader.links.host import HostLink
from uploader.links.wifi import WifiLink


class Board:
    NAME = "Stand-in"
    LED_PIN = None
    BUTTON_PIN = None
    MICROPHONE = {"id": 0, "sck": 14, "ws": 15, "sd": 32}
    mount = None

    def __init__(self):
        self.percent = 80

    def battery(self):
        return self.percent

    def links(self, settings, clock, on_event):
        return [HostLink()]


class WithButton(Board):
    BUTTON_PIN = 0


class WithWifi(Board):
    def links(self, settings, clock, on_event):
        return [WifiLink(settings, clock)]


class Slow(HostLink):
    """A link that takes a while to go down, at the end of which is `meanwhile()`."""

    def __init__(self, clock, meanwhile):
        super().__init__()
        self._clock = clock
        self._meanwhile = meanwhile

    async def down(self):
        await self._clock.sleep(2)
        await super().down()
        self._meanwhile()


class SlowDown(Board):
    """With such a link."""

    def meanwhile(self):
        pass

    def links(self, settings, clock, on_event):
        return [Slow(clock, lambda: self.meanwhile())]


def app(
    service=None, http=WiredHttp, board=None, now=FLOOR + 10000000, chips=None, kind=App, **more
):
    root = folder() + "/root.der"
    with open(root, "wb") as f:
        f.write(b"\x30\x82\x01\x00")
    values = {
        "api_url": "https://api.test/v1",
        "device_token": "dtok_a",
        "storage": folder() + "/flash",
        "roots": [root],
        "ntp_server": "",
        # As on a chip without PSRAM, of which there are more to test.
        "audio_buffer_ms": 128,
        "voice_pre_roll_ms": 384,
    }
    values.update(more)
    chips = (chips or Chips()).install()
    virtual.install(chips.chip)
    machine_time = lambda: now + chips.chip.us // 1000000  # noqa: E731
    clock = Clock(machine_time, chips.chip.ticks_ms, virtual.sleep_ms, random=lambda: 0.7)
    settings = check(values)
    wire = http((service or Service("dtok_a")).handle, settings)
    board = board or Board()
    machine = chips.machine
    boot = power.begin(board, clock.machine_s())
    a = kind(board, settings, clock, lambda ms: machine.WDT(timeout=ms), boot, wire)
    a.chips = chips
    return a


def outcome(a, seconds, meanwhile=None):
    """Run it for so long: the Asleep or Reset that it ended in, or None."""

    async def main():
        task = asyncio.create_task(a.run())
        if meanwhile:
            await meanwhile()
        await asyncio.sleep(seconds)
        task.cancel()

    return ended(main())


def ended(main):
    """Run a coroutine: the Asleep or Reset that it ended in, or None."""
    try:
        asyncio.run(main)
    except (Asleep, Reset) as e:
        return e
    finally:
        asyncio.new_event_loop()


async def test_a_command_starts_and_stops_and_the_recording_arrives():
    service = Service("dtok_a")
    a = app(service)
    task = asyncio.create_task(a.run())
    await asyncio.sleep(1)
    assert a.state() in ("idle", "waiting")
    a.command("start_recording", {})
    await asyncio.sleep(1)
    assert a.state() == "recording"
    a.command("start_recording", {})  # one at a time
    await asyncio.sleep(1)
    a.command("stop_recording", {})
    await asyncio.sleep(5)
    task.cancel()
    (recording,) = service.recordings.values()
    assert recording["status"] == "uploaded"
    wav = recording["files"][0]
    # Two seconds of what the microphone gave: a ramp, without a step.
    assert wav[:4] == b"RIFF" and 60000 < len(wav) < 70000
    samples = struct.unpack("<%dH" % ((len(wav) - 44) // 2), wav[44:])
    assert samples == tuple(range(len(samples)))
    watchdog = a.chips.machine.watchdog
    assert a.state() == "idle" and watchdog.timeout_ms == 120000 and watchdog.fed > 5


async def test_what_is_recorded_at_ctrl_c_is_ended():
    a = app()
    task = asyncio.create_task(a.run())
    a.start()
    await asyncio.sleep(1)
    task.cancel()
    a.close()
    (entry,) = list(a.store.pending())
    assert entry.whole() and not entry.end.get("interrupted")


async def test_a_microphone_that_can_not_be_opened_is_told_and_the_next_recording_is_made():
    service = Service("dtok_a")
    a = app(service)
    task = asyncio.create_task(a.run())
    a.chips.chip.dma_free = 1000
    a.start()
    await asyncio.sleep(5)
    assert a.state() != "recording"
    assert [line for line in a.status()["log"] if "ENOMEM" in line or "NO_MEM" in line]
    a.chips.chip.dma_free = 100000
    await asyncio.sleep(5)
    assert a.state() == "recording"
    a.stop()
    await asyncio.sleep(5)
    task.cancel()
    sizes = [len(f) for r in service.recordings.values() for f in r["files"].values()]
    assert max(sizes) > 30000


async def test_a_mistake_in_a_recorder_is_told_and_does_not_end_all_recording():
    board = Board()
    a = app(board=board)

    mistakes = [ZeroDivisionError("in the recorder")]

    def make():
        if mistakes:
            raise mistakes.pop()
        return i2s(board.MICROPHONE)

    board.make_microphone = make
    task = asyncio.create_task(a.run())
    a.start()
    await asyncio.sleep(2)
    assert [line for line in a.status()["log"] if "in the recorder" in line]
    a.start()
    await asyncio.sleep(2)
    assert a.state() == "recording"
    task.cancel()


async def test_a_recording_loses_nothing_while_wifi_comes_up_and_what_waits_is_sent():
    service = Service("dtok_a")
    a = app(service, board=WithWifi(), wifi=[{"ssid": "home", "key": "12345678"}])
    wlan = a.chips.wlan
    wlan.air = [AccessPoint("home", "12345678", -60, 6)]
    task = asyncio.create_task(a.run())
    a.start()
    await asyncio.sleep(1)
    recording = a.store.begin()
    recording.add("audio").write(b"x")
    recording.end()
    await asyncio.sleep(4)
    assert [r["status"] for r in service.recordings.values()] == ["uploaded"]
    assert a.state() == "recording" and wlan.isconnected() and wlan.scans == 0
    a.stop()
    await asyncio.sleep(5)
    task.cancel()
    wav = service.recordings["rec_2"]["files"][0]
    samples = memoryview(wav)[44:]
    assert len(wav) > 130000
    for i in range(0, len(samples), 1002):
        assert samples[i] | samples[i + 1] << 8 == i // 2 & 0xFFFF, i


class Hanging(WiredHttp):
    """A client whose requests never end, which is a mistake that only a reset mends."""

    async def request(self, *args, **more):
        await asyncio.Event().wait()


def test_the_watchdog_is_fed_by_progress_only():
    a = app(http=Hanging)

    async def idle_then_stuck():
        await asyncio.sleep(600)
        recording = a.store.begin()
        recording.add("audio").write(b"x")
        recording.end()

    e = outcome(a, 4 * 3600, idle_then_stuck)
    assert e and e.reason == "TASK_WDT" and a.chips.chip.us > 900 * 1000000


class WithCamera(Board):
    def make_camera(self):
        return self

    def capture(self):
        return b"jpeg"


def test_a_long_recording_is_no_lack_of_life():
    for minutes in (0, 30):
        storage = "%s/%d" % (folder(), minutes)
        more = {"storage": storage, "audio_codec": "none", "stills_every_s": 300}
        a = app(board=WithCamera(), heartbeat_minutes=minutes, **more)

        async def later(a=a):
            await asyncio.sleep(260)
            a.start()

        assert outcome(a, 2400, later) is None
        assert a.control.recording and a.control.samples > 20


async def test_an_update_does_not_wait_for_what_waits_for_its_time():
    asked = []

    class Go:
        async def go(self, app):
            asked.append(app.up.waiting.why)

    a = app(heartbeat_minutes=5, upload_delay_minutes=600)
    load = a.load
    a.load = lambda name: Go() if name == "updates.go" else load(name)
    recording = a.store.begin()
    recording.add("audio").write(b"x")
    recording.end()
    task = asyncio.create_task(a.run())
    await asyncio.sleep(60)
    a.up.heartbeat.offer = {}
    a.go_on = True
    await asyncio.sleep(5)
    task.cancel()
    assert asked == ["heartbeat"], asked


def test_a_board_that_may_sleep_does_once_there_is_nothing_to_do():
    service = Service("dtok_a")
    a = app(service, board=WithButton(), sleep_when_idle=True, heartbeat_minutes=0)
    recording = a.store.begin()
    recording.add("audio").write(b"x")
    recording.end()
    e = outcome(a, 60)
    assert e and (e.ms, e.pin) == (None, 0) and a.chips.chip.us >= 20000000
    assert [r["status"] for r in service.recordings.values()] == ["uploaded"]
    assert outcome(app(service, board=WithButton(), chips=again(a)), 60) is None


def again(a, reason="SW", wake=0):
    """The board of `a` after a reset (an ESP_RST_ name): its chip, flash and RTC memory."""
    return Chips(a.chips.chip, reason, wake)


def test_it_wakes_for_the_next_heartbeat():
    a = app(sleep_when_idle=True, heartbeat_minutes=60)
    e = outcome(a, 60)
    assert e and 3500000 < e.ms <= 3600000


def test_it_never_sleeps_where_nothing_would_wake_it():
    assert outcome(app(sleep_when_idle=True, heartbeat_minutes=0), 60) is None


def test_a_heartbeat_that_is_due_is_no_sleep_for_ever():
    board = SlowDown()
    a = app(board=board, sleep_when_idle=True, heartbeat_minutes=1)
    board.meanwhile = lambda: a.chips.chip.busy(45000)
    e = outcome(a, 120)
    assert e is None or (e.ms or 0) > 0


def test_a_recording_that_begins_while_the_link_goes_down_keeps_it_awake():
    board = SlowDown()
    a = app(board=board, sleep_when_idle=True, heartbeat_minutes=60)
    board.meanwhile = a.start
    assert outcome(a, 60) is None
    assert a.state() == "recording"


def test_a_button_that_can_not_wake_the_board_is_not_relied_on():
    board = WithButton()
    board.BUTTON_PIN = 5  # no RTC pin
    assert outcome(app(board=board, sleep_when_idle=True, heartbeat_minutes=0), 60) is None


async def test_trouble_shows_and_the_status_tells_all():
    a = app(Service("dtok_other"))
    recording = a.store.begin()
    recording.add("audio").write(b"x")
    recording.end()
    task = asyncio.create_task(a.run())
    await asyncio.sleep(5)
    task.cancel()
    assert a.state() == "needs_owner"
    status = a.status()
    assert status["queue"]["pending"] == 1 and status["board"] == "Stand-in"
    assert status["token"] == "in use" and status["battery_percent"] == 80
    assert [line for line in status["log"] if " token " in line]
    assert "dtok" not in str(status)
    import json

    json.dumps(status)


async def test_a_token_that_could_not_be_replaced_yet_needs_nobody():
    a = app(Service("dtok_a"), heartbeat_minutes=5)
    a.up.emit("token", state="not_rotated", reason="no answer")
    assert a.state() == "waiting" and not a.up.heartbeat.trouble
    a.up.emit("token", state="refused")
    a.up.emit("token", state="not_rotated", reason="no answer")
    assert a.state() == "needs_owner" and a.up.heartbeat.trouble


def test_the_log_on_flash_is_bounded_and_keeps_what_matters():
    log = Log(folder() + "/log", lambda: "now")
    for i in range(2000):
        log.event("quarantined", {"id": "%06d" % i, "reason": "a reason of some length"})
        log.event("sent", {"id": i})
    sizes = [os.stat(folder() + "/" + n)[6] for n in os.listdir(folder()) if n[:4] == "log."]
    assert len(sizes) == 2 and sum(sizes) < 17000
    kept = list(log.kept())
    assert "001999" in kept[-1] and not [line for line in kept if "sent" in line]
    assert len(log.lines) == 40


async def test_a_button_press_bounces_and_is_one_press():
    ticks = Ticks()
    clock = Clock(lambda: FLOOR, ticks.ticks_ms, ticks.sleep_ms)
    # (from ms, down)
    line = [(0, 0), (100, 1), (105, 0), (300, 1), (304, 0), (308, 1), (500, 0), (10**9, 0)]

    def pressed():
        down = 0
        for at, level in line:
            if ticks.ms >= at:
                down = level
        return down

    await Button(pressed, clock).press()
    assert 500 <= ticks.ms < 560


async def test_the_led_shows_every_state():
    ticks = Ticks()
    clock = Clock(lambda: FLOOR, ticks.ticks_ms, ticks.sleep_ms)
    shown = []
    led = Led(lambda on: shown.append((ticks.ms, on)), clock)
    task = asyncio.create_task(led.run())
    for state in PATTERNS:
        led.state = state
        for _ in range(20):
            await asyncio.sleep_ms(0)
        assert (state == "idle") or [s for s in shown if s[1]], state
        shown.clear()
    task.cancel()


async def test_stills_have_their_moment():
    a = app()

    class Camera:
        def capture(self):
            return b"\xff\xd8jpeg"

    stills = Stills(Camera(), a.clock, 10)
    recording = a.store.begin()
    task = asyncio.create_task(stills.record(recording))
    while stills.taken < 3:
        await asyncio.sleep(1)
    stills.stop()
    await task
    recording.end()
    (entry,) = list(a.store.pending())
    moments = [a.clock.resolve(f["captured_at"]) for f in entry.files()]
    assert len(set(moments)) == 3 and moments == sorted(moments)
