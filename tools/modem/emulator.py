"""The modem: its serial line, its wires, and what runs behind them.

Time is model time: `speed` model seconds pass in a real one, or as many as the board at the other
end says (`until`, below), whatever a busy machine takes for them. Only the relayed traffic goes by
the host's clock.
"""

import contextlib
import queue
import random
import select
import selectors
import socket
import threading
import time
from concurrent.futures import Future

from .commands import Commands
from .data import Data, Traffic
from .families import FAMILIES
from .internet.names import Names
from .line import Line
from .power import Power
from .world import Log, World

_TICK_S = 0.002
_STEP_S = 0.01  # of model time, where it is the board's


class Modem:
    """A modem of a `family` (of FAMILIES), from `with Modem(...) as m:` on, at `m.path`.

    `on` says whether it is running at the start, `data_mode` whether it is left in data mode,
    as after a reset of the board alone. `line` is the path of a pty that somebody else has
    made; without it there is one of the modem's own. `forward` is how the device's traffic
    goes on: "relay", to the host's sockets, or "tun" (needs root). `speed` None is the board's own
    time. The rest is World's.

    Its lines (power key, reset, power) are driven by lines of text to the TCP port `control`:
    `key 1`, `key 0`, `reset 1`, `power 0`, and for the world around it `drop` (the carrier),
    `release` (the network ends the call), `wifi 1`; `until 2500000` has time pass up to so many
    microseconds, or until the modem says something, and is answered with what time it is then.
    """

    def __init__(self, family="sim7600", speed=20.0, line=None, forward="relay", **world):
        on, left = world.pop("on", False), world.pop("data_mode", False)
        self.family = FAMILIES[family]
        self.world = World(**world)
        self.log = Log()
        self.names = Names()
        self.traffic = Traffic()
        self.speed = speed
        self._now = 0.0
        self.wifi = False
        self.power = Power(self.family, self.world, self.now, self._booted, self._went_off)
        self.power.running = on or left
        self._left = left
        self._other_line = line
        self._forward = forward
        self._data = None
        self._paused = False
        self._last = 0.0
        self._commands = Commands(self)
        self._requests = queue.SimpleQueue()
        self._stop = False
        self._rng = random.Random(1)

    def __enter__(self):
        self._line = Line(self._other_line)
        self.path = self._line.path
        self._control = socket.create_server(("127.0.0.1", 0))
        self.control = self._control.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._line, selectors.EVENT_READ, self._readable)
        self._selector.register(self._control, selectors.EVENT_READ, self._accept)
        self._wires = []
        if self._left:
            self.connect(left=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop = True
        self._thread.join(10)
        self._end_call()
        for wire in self._wires:
            wire.close()
        self._control.close()
        self._line.close()
        self._selector.close()

    def now(self) -> float:
        """Model seconds."""
        return time.monotonic() * self.speed if self.speed else self._now

    @property
    def running(self) -> bool:
        """Whether it is switched on."""
        return self.power.running

    @property
    def data_mode(self) -> bool:
        """Whether bytes of the line are PPP's."""
        return self._data is not None and not self._paused

    @property
    def ppp_up(self) -> bool:
        """Whether IPv4 can pass."""
        data = self._data
        return data is not None and data.peer.is_up

    @property
    def link(self) -> str | None:
        """The way that traffic takes at this moment: `wifi`, `cellular` or None."""
        if self.wifi:
            return "wifi"
        return "cellular" if self.data_mode and self.ppp_up else None

    # What goes wrong, at any time and from any thread

    def drop(self):
        """Lose the carrier: back to command mode; traffic stalls, nobody is told but by the
        text that a PPP stack does not read."""
        self._in_loop(lambda: self.hang_up("dropped") if self.data_mode else None)

    def drop_after(self, count: int):
        """Lose the carrier once the device has sent `count` more bytes of IPv4, in this call
        (there must be one)."""
        self._in_loop(lambda: self._data.drop_after(count))

    def release(self):
        """The network ends the call: PPP in order, then the carrier."""
        self._in_loop(lambda: self._data.peer.close())

    def end_ipcp(self):
        """End IPv4 while LCP stays: the device is connected, without an address."""
        self._in_loop(lambda: self._data.peer.end_ipcp())

    def press(self, seconds: float):
        """Hold the power key for so many model seconds."""
        self._in_loop(lambda: self.power.key(True))
        time.sleep(seconds / self.speed)
        self._in_loop(lambda: self.power.key(False))

    def _in_loop(self, act):
        if threading.current_thread() is self._thread:
            return act()
        done = Future()
        self._requests.put((act, done))
        return done.result(60)

    # The loop

    def _run(self):
        while not self._stop:
            for key, mask in self._selector.select(_TICK_S):
                # One that came before may have closed it.
                if self._selector.get_map().get(key.fd) is not None:
                    key.data(mask)
            while not self._requests.empty():
                act, done = self._requests.get()
                try:
                    done.set_result(act())
                except Exception as e:
                    done.set_exception(e)
            self._tick()

    def _tick(self):
        self.power.tick()
        self._line.flush()
        if self._data:
            self._data.tick()
        self._escape()

    def _escape(self):
        if self.data_mode and self._data.escaped():
            self._paused = True
            self.log.events.append("escaped")
            self.say("OK")

    def _accept(self, _):
        wire, _ = self._control.accept()
        self._wires.append(wire)
        rest = [b""]

        def readable(_):
            try:
                data = wire.recv(4096)
            except ConnectionResetError:
                data = b""  # the board's end was not in order
            if not data:
                self._selector.unregister(wire)
                return
            *whole, rest[0] = (rest[0] + data).split(b"\n")
            for line in whole:
                what, _, value = line.decode().partition(" ")
                if what == "until":
                    self._live_until(int(value) / 1e6)
                    with contextlib.suppress(OSError):  # the board is gone
                        wire.sendall(b"%d\n" % round(self._now * 1e6))
                else:
                    self._wire(what, value)

        self._selector.register(wire, selectors.EVENT_READ, readable)

    def _live_until(self, end):
        said = self._line.written
        # What the device wrote before it asked comes first.
        if select.select([self._line], [], [], 0)[0]:
            self._readable(None)
        while self._now < end and self._line.written == said:
            self._now = min(end, self._now + _STEP_S)
            self._tick()

    def _wire(self, what, value):
        self.log.events.append(f"{what} {value}".rstrip())
        if what == "key":
            self.power.key(value == "1")
        elif what == "reset" and value == "1":
            self.power.reset()
        elif what == "power":
            self.power.supply(value == "1")
        elif what == "drop":
            self.drop()
        elif what == "release" and self._data:
            self.release()
        elif what == "wifi":
            self.wifi = value == "1"

    def _booted(self):
        self._commands.booted()
        self.log.events.append("booted")
        if self.world.noise:
            self.send(bytes(self._rng.randrange(256) for _ in range(60)))
        for line in self.family.ready:
            if line != "+CPIN: READY" or self.world.sim == "READY":
                self.say(line)

    def _went_off(self):
        self._end_call()
        self.world.stuck = False
        self.log.events.append("off")

    # The serial line

    def _speed_fits(self):
        return self._line.baud() in (None, self.world.baud)

    def send(self, data: bytes):
        """Bytes to the device; at another baud rate it reads others."""
        if not self._speed_fits():
            data = bytes(b ^ 0xA5 for b in data)
        self._line.write(data)

    def say(self, line: str):
        """A line of text to the device."""
        if self.running and not self.world.silent:
            self.send(b"\r\n" + line.encode() + b"\r\n")

    def _readable(self, _):
        data = self._line.read()
        now = self.now()
        quiet, self._last = now - self._last, now
        self._escape()
        if not data or not self.running or self.world.silent or self.world.stuck:
            return
        if not self._speed_fits():
            if not self.data_mode:
                self.send(b"\x00\xff\x15")
        elif self.data_mode:
            self._data.receive(data, quiet)
        else:
            if self._commands.echo:
                self.send(data)
            self._commands.receive(data)

    # Calls

    def connect(self, left=False):
        """Data mode begins; `left` is one that was under way before."""
        self._end_call()
        self._data = Data(self, self._selector, self._forward, left)

    def hang_up(self, why: str | None = None):
        """Data mode ends, and the modem says so; `why` goes to the log."""
        self._end_call()
        self._commands.forget()
        if why:
            self.log.events.append(why)
        self.say("NO CARRIER")

    def _end_call(self):
        data, self._data = self._data, None
        self._paused = False
        if data:
            data.close()
