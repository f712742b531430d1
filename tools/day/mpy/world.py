"""What is around a device in its day: its chip, flash, radios, the service, and a meter on each.
Runs in MicroPython."""

import asyncio

import power
import vfs
import virtual
from app import App
from chip import Asleep, Chip, Reset
from costs import BOOT_MS, CHIPS, HANDSHAKE_BYTES, HANDSHAKE_MS, LINKS, MODEMS
from esp32board import Board as Chips
from flash import PowerCut
from modem import Modem
from timedflash import TimedFlash
from wire import Service, Wire, WiredHttp
from wlan import AccessPoint, Wlan

from uploader import Clock, Store
from uploader.clock import FLOOR
from uploader.config import check
from uploader.connection import Connection
from uploader.links import modems
from uploader.links.cellular import CellularLink
from uploader.links.modem import Pins
from uploader.links.wifi import WifiLink

# Midnight: days of the plan begin where those of the cap do.
START = FLOOR // 86400 * 86400 + 86400 * 100
_LFS = {"readsize": 32, "progsize": 32, "lookahead": 32}
# All of them: a file that nobody closed writes through its file system when it is collected.
_mounted = []
HOME = [{"ssid": "home", "key": "12345678"}]


class Meter:
    """Seconds and mAh by cause and state. `chip` and `modem` name what they are of (see costs)."""

    def __init__(self, chip, what="esp32", modem=None):
        self._chip = chip
        self._chips = CHIPS[what]
        self._modems = MODEMS[modem] if modem else {"off": 0}
        self._states = {"cpu": "awake", "wifi": "off", "cellular": "off"}
        self._at = chip.us
        self.cause = "power"
        self.seconds = {}  # (cause, part, state)
        self.mah = {}  # (cause, part)

    def set(self, part, state):
        """A part is in a state from now on."""
        self.settle()
        self._states[part] = state

    def settle(self):
        """Count what has passed."""
        now = self._chip.us
        seconds, self._at = (now - self._at) / 1000000, now
        states = self._states
        for part in states:
            key = self.cause, part, states[part]
            self.seconds[key] = self.seconds.get(key, 0) + seconds
        whole = states["cpu"] if states["wifi"] == "off" else states["wifi"]
        for part, ma in (("chip", self._chips[whole]), ("modem", self._modems[states["cellular"]])):
            key = self.cause, part
            self.mah[key] = self.mah.get(key, 0) + ma * seconds / 3600

    def total(self, part, *states):
        """Seconds that a part was in one of the states."""
        self.settle()
        return sum(s for (_, p, state), s in self.seconds.items() if p == part and state in states)

    def by_cause(self):
        """{cause: {awake_s, radio_s, mah}}."""
        self.settle()
        out = {}
        for (cause, part, state), s in self.seconds.items():
            row = out.setdefault(cause, {"awake_s": 0, "radio_s": 0, "mah": 0})
            if (part, state) == ("cpu", "awake"):
                row["awake_s"] += s
            elif part != "cpu" and state != "off":
                row["radio_s"] += s
        for (cause, _), mah in self.mah.items():
            out[cause]["mah"] += mah
        return {c: {k: round(row[k], 2) for k in row} for c, row in out.items()}


class MeteredWlan(Wlan):
    """WLAN whose time is counted."""

    def __init__(self, chip, meter):
        super().__init__(chip)
        self._meter = meter

    def active(self, value=None):
        was = super().active()
        is_on = super().active(value)
        if is_on != was:
            self._meter.set("wifi", "rx" if is_on else "off")
        return is_on


class Metered(Chips):
    """A board whose parts are metered; `sleeps` as `machine` does."""

    def __init__(self, world, reason, wake):
        self._meter = world.meter
        super().__init__(world.chip, reason, wake)
        lightsleep = self.machine.lightsleep

        def doze(*ms):
            self._meter.set("cpu", "doze")
            lightsleep(*ms)
            self._meter.set("cpu", "awake")

        self.machine.lightsleep = doze
        self.network.PPP = world.modem.PPP

    def radio(self):
        return MeteredWlan(self.chip, self._meter)


class Http(WiredHttp):
    """The HTTP client over links with a pace, whose handshakes and bytes are counted."""

    def __init__(self, world, settings):
        super().__init__(world.service.handle, settings)
        self._world = world

    async def connect(self, secure, host, port):
        world = self._world
        world.handshakes += 1
        world.busy(HANDSHAKE_MS)
        world.moved(HANDSHAKE_BYTES)
        conn = Connection((secure, host, port), self.buffer, self.settings, None)
        conn.sock = conn.poll = Paced(world, world.service.handle)
        self.connections_opened += 1
        return conn


class Counting(Service):
    """The service; what is completed is noted in `world`."""

    def __init__(self, world):
        super().__init__("dtok_a")
        self._world = world

    def _complete(self, path, headers, body):
        answer = super()._complete(path, headers, body)
        if answer.startswith(b"HTTP/1.1 200"):
            self._world.completed.append(self._world.now_s())
        return answer


class Paced(Wire):
    """A connection whose bytes take their time."""

    def __init__(self, world, handle):
        super().__init__(handle)
        self._world = world

    def write(self, buf):
        before = len(self.unread)
        self._world.moved(len(buf))
        n = super().write(buf)
        if len(self.unread) > before:
            self._world.moved(len(self.unread) - before)
            self._world.busy(self._world.trip_ms())
        return n


class Board:
    """The board's module: WiFi, a modem, a button, a cell."""

    NAME = "Day"
    LED_PIN = None
    BUTTON_PIN = 0
    CAMERA = None
    mount = None
    MICROPHONE = {"id": 0, "sck": 14, "ws": 15, "sd": 32}

    def __init__(self, world):
        self._world = world

    def battery(self):
        return self._world.percent

    def charging(self):
        return self._world.charging

    def links(self, settings, clock, on_event):
        modem = self._world.modem
        found = [WifiLink(settings, clock)] if settings.wifi else []
        if settings.apn:
            pins = Pins(modem.key)
            found.append(CellularLink(modem, modems.sim7600(), pins, settings, clock, on_event))
        return found


class World:
    """A device and what is around it, from midnight on. `settings` are keys of its configuration,
    `plan` pairs of (second, call) that change the world.

    For a profile to set: `home` (the WiFi is there), `percent` and `charging`, what the modem has
    (`modem.coverage`, `modem.dbm`), `service`. `wakes` are (second, cause), `completed` the
    seconds at which a recording was.
    """

    def __init__(self, settings, plan=(), blocks=1024, modem="sim7600"):
        self.chip = Chip()
        self.meter = Meter(self.chip, "esp32", modem if settings.get("apn") else None)
        self.modem = Modem(self.chip, self.meter)
        self.service = Counting(self)
        self.settings = settings
        self.plan = sorted(plan, key=lambda p: p[0])
        self.home = True
        self.percent = 80
        self.charging = False
        self.handshakes = 0
        self.sent = 0  # bytes, both ways
        self.wakes = []
        self.completed = []
        self.events = []
        self.app = None
        self._seed = 4711
        self._erased = 0
        self.cuts = 0  # power cuts that `flash.cut_after` brought about
        self.flash = TimedFlash(self.chip, blocks)
        vfs.VfsLfs2.mkfs(self.flash, **_LFS)
        self._mount()
        with open("/flash/root.der", "wb") as f:
            f.write(b"\x30\x82\x01\x00")

    def _mount(self):
        try:
            vfs.umount("/flash")
        except OSError:
            pass
        _mounted.append(vfs.VfsLfs2(self.flash, **_LFS))
        vfs.mount(_mounted[-1], "/flash")

    def _power_cut(self):
        self.cuts += 1
        self.modem.key(True)
        self.chip.us += 3000000
        self.modem.key(False)  # without power it is off
        self.flash = self.flash.revive()
        self._mount()

    def random(self):
        """Uniform floats (Numerical Recipes' linear congruence)."""
        self._seed = (self._seed * 1664525 + 1013904223) & 0xFFFFFFFF
        return self._seed / 4294967296

    def now_s(self):
        """Seconds since midnight of the first day."""
        return self.chip.us / 1000000

    def busy(self, ms):
        self.chip.busy(ms)

    def _link(self):
        link = self.app.up.links.current
        return link.name if link else "wifi"

    def trip_ms(self):
        """An answer's way there and back over the link in use."""
        return LINKS[self._link()][0]

    def moved(self, n):
        """So many bytes pass over the link in use."""
        name = self._link()
        self.sent += n
        meter = self.app.up.links.meter()
        if meter:
            meter.add(n)
        self.meter.set(name, "tx" if name == "wifi" else "data")
        self.busy(n * 1000 / LINKS[name][1])
        self.meter.set(name, "rx" if name == "wifi" else "idle")

    def boot(self, reason, wake):
        """The app after a reset."""
        chips = Metered(self, reason, wake).install()
        virtual.install(self.chip)
        self.busy(BOOT_MS)
        chips.wlan.air = [AccessPoint("home", "12345678")] if self.home else []
        self.wlan = chips.wlan
        for second, call in self.plan:
            ms = int((second - self.now_s()) * 1000)
            if ms > 0:
                self.chip.at(ms, lambda call=call: self.change(call))
        clock = Clock(
            lambda: START + self.chip.us // 1000000,
            self.chip.ticks_ms,
            virtual.sleep_ms,
            random=self.random,
        )
        settings = self.configured()
        machine = chips.machine
        board = Board(self)
        boot = power.begin(board, clock.machine_s())
        why = boot["kept"].get("why") if boot.get("up") else None
        self.meter.cause = "button" if boot["by"] == "pin" else why or boot["by"]
        self.wakes.append((self.now_s(), self.meter.cause))
        self.app = App(
            board, settings, clock, lambda ms: machine.WDT(timeout=ms), boot, Http(self, settings)
        )
        return self.app

    def change(self, call):
        """Let a change of the plan happen."""
        call(self)
        self.wlan.air = [AccessPoint("home", "12345678")] if self.home else []

    def configured(self):
        """The Settings of the device."""
        values = {
            "api_url": "https://api.test/v1",
            "device_token": "dtok_a",
            "storage": "/flash",
            "roots": ["/flash/root.der"],
            "ntp_server": "",
            "sleep_when_idle": True,
            "max_connections": 1,
        }
        values.update(self.settings)
        return check(values)

    def record(self, count, size=60000):
        """So many recordings that have ended, before it all begins."""
        store = Store(self.configured(), Clock(lambda: START))
        for _ in range(count):
            recording = store.begin()
            writer = recording.add("audio", "audio/mpeg")
            for _ in range(0, size, 1000):
                writer.write(bytes(1000))
            recording.end()
        self.chip.us = 0
        self._erased = self.flash.erased

    def live(self, seconds):
        """Live until that second."""
        end = int(seconds * 1000000)
        reason, wake = "POWERON", 0
        while self.chip.us < end:
            try:
                over = self._until(self.boot(reason, wake), end)
            except PowerCut:
                self._power_cut()
                reason, wake = "POWERON", 0
                continue
            if over is None:
                break
            reason, wake = over.reason if isinstance(over, Reset) else "DEEPSLEEP", 4
            if isinstance(over, Asleep):
                self._sleep(end if over.ms is None else self.chip.us + over.ms * 1000, end)
        self.meter.settle()
        self.lived_s = seconds

    def _sleep(self, until, end):
        self.meter.set("cpu", "deep")
        self.meter.cause = "asleep"
        until = min(until, end)
        for second, call in self.plan:
            us = int(second * 1000000)
            if self.chip.us < us <= until:
                self.chip.us = us
                call(self)
        self.chip.us = until
        self.meter.set("cpu", "awake")

    def _until(self, app, end):
        async def main():
            task = asyncio.create_task(app.run())
            await asyncio.sleep_ms(max(0, (end - self.chip.us) // 1000))
            task.cancel()

        try:
            asyncio.run(main())
        except (Asleep, Reset) as e:
            return e
        finally:
            asyncio.new_event_loop()
        return None

    def figures(self):
        """What it came to."""
        meter = self.meter
        return {
            "awake_s": round(meter.total("cpu", "awake"), 1),
            "light_s": round(meter.total("cpu", "doze"), 1),
            "wifi_s": round(meter.total("wifi", "rx", "tx"), 1),
            "cellular_s": round(meter.total("cellular", "search", "idle", "data"), 1),
            "mah": round(sum(meter.mah.values()), 2),
            "wakes": len(self.wakes),
            "handshakes": self.handshakes,
            "registrations": self.modem.registrations,
            "kb": self.sent // 1000,
            "erases": self.flash.erased - self._erased,
            "completed": len(self.completed),
            "by_cause": meter.by_cause(),
        }
