"""What a device runs (firmware/main.py), on a board made of stand-ins."""

import asyncio
import io
import os

from _support import Ticks, folder
from app import App
from recorders.button import Button
from recorders.camera import Stills
from recorders.led import PATTERNS, Led
from recorders.log import Log
from wire import Service, WiredHttp

from uploader import Clock
from uploader.clock import FLOOR
from uploader.config import check
from uploader.links.host import HostLink


class Microphone(io.IOBase):
    """Silence, as fast as it is read."""

    def readinto(self, buf):
        return len(buf)

    def ioctl(self, request, arg):
        return arg & 1 if request == 3 else -1

    def deinit(self):
        pass


class Board:
    NAME = "Stand-in"
    LED_PIN = None
    BUTTON_PIN = None
    MICROPHONE = {"id": 0}
    mount = None
    make_microphone = Microphone

    def __init__(self):
        self.percent = 80

    def battery(self):
        return self.percent

    def links(self, settings, clock, on_event):
        return [HostLink()]


class Watchdog:
    def __init__(self, ms):
        self.ms = ms
        self.fed = 0

    def feed(self):
        self.fed += 1


def app(service=None, http=WiredHttp, **more):
    root = folder() + "/root.der"
    with open(root, "wb") as f:
        f.write(b"\x30\x82\x01\x00")
    values = {
        "api_url": "https://api.test/v1",
        "device_token": "dtok_a",
        "storage": folder() + "/flash",
        "roots": [root],
        "ntp_server": "",
    }
    values.update(more)
    ticks = Ticks()
    clock = Clock(lambda: FLOOR + 10000000, ticks.ticks_ms, ticks.sleep_ms)
    slept = []
    dogs = []

    def dog(ms):
        dogs.append(Watchdog(ms))
        return dogs[0]

    settings = check(values)
    wire = http((service or Service("dtok_a")).handle, settings)
    a = App(Board(), settings, clock, dog, slept.append, wire)
    a.ticks, a.slept, a.dogs = ticks, slept, dogs
    return a


async def settle(n=300):
    for _ in range(n):
        await asyncio.sleep_ms(0)


async def test_a_command_starts_and_stops_and_the_recording_arrives():
    service = Service("dtok_a")
    a = app(service)
    task = asyncio.create_task(a.run())
    await settle(20)
    assert a.state() in ("idle", "waiting")
    a.command("start_recording", {})
    await settle(50)
    assert a.state() == "recording"
    a.command("start_recording", {})  # one at a time
    await settle(50)
    a.command("stop_recording", {})
    await settle()
    task.cancel()
    (recording,) = service.recordings.values()
    assert recording["status"] == "uploaded"
    wav = recording["files"][0]
    assert wav[:4] == b"RIFF" and len(wav) > 44 + 2048
    assert a.state() == "idle" and a.dogs[0].ms == 120000 and a.dogs[0].fed > 0


async def test_what_is_recorded_at_ctrl_c_is_ended():
    a = app()
    task = asyncio.create_task(a.run())
    a.start()
    await settle(40)
    task.cancel()
    a.close()
    (entry,) = list(a.store.pending())
    assert entry.whole() and not entry.end.get("interrupted")


class Hanging(WiredHttp):
    """A client whose requests never end, which is a mistake that only a reset mends."""

    async def request(self, *args, **more):
        await asyncio.Event().wait()


async def test_the_watchdog_is_fed_by_progress_only():
    a = app(http=Hanging)
    task = asyncio.create_task(a.run())
    await settle(50)
    fed = a.dogs[0].fed
    assert fed
    recording = a.store.begin()
    recording.add("audio").write(b"x")
    recording.end()
    await settle(50)
    assert a.dogs[0].fed > fed  # it may yet end
    a.ticks.ms += 86400 * 1000
    await settle(10)
    fed = a.dogs[0].fed
    await settle(50)
    assert a.dogs[0].fed == fed
    task.cancel()


async def test_a_board_that_may_sleep_does_once_there_is_nothing_to_do():
    service = Service("dtok_a")
    a = app(service, sleep_when_idle=True)
    recording = a.store.begin()
    recording.add("audio").write(b"x")
    recording.end()
    task = asyncio.create_task(a.run())
    for _ in range(2000):
        await asyncio.sleep_ms(0)
        if a.slept:
            break
    task.cancel()
    assert a.slept == [None] and a.ticks.ms >= 20000
    assert [r["status"] for r in service.recordings.values()] == ["uploaded"]
    a = app(service)
    task = asyncio.create_task(a.run())
    await settle(1000)
    task.cancel()
    assert a.slept == []


async def test_trouble_shows_and_the_status_tells_all():
    a = app(Service("dtok_other"))
    recording = a.store.begin()
    recording.add("audio").write(b"x")
    recording.end()
    task = asyncio.create_task(a.run())
    await settle(60)
    task.cancel()
    assert a.state() == "needs_owner"
    status = a.status()
    assert status["queue"]["pending"] == 1 and status["board"] == "Stand-in"
    assert status["token"] == "in use" and status["battery_percent"] == 80
    assert [line for line in status["log"] if " token " in line]
    assert "dtok" not in str(status)
    import json

    json.dumps(status)


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
        await settle(20)
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
        await asyncio.sleep_ms(0)
    stills.stop()
    await task
    recording.end()
    (entry,) = list(a.store.pending())
    moments = [a.clock.resolve(f["captured_at"]) for f in entry.files()]
    assert len(set(moments)) == 3 and moments == sorted(moments)
