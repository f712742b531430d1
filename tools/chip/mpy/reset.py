"""What of `machine` and `esp32` resets, sleeps and watches.

From ports/esp32/modmachine.c, machine_wdt.c, modesp32.c and extmod/machine_wdt.c (v1.26.0; the
same at v1.28.0 but for GPIO wake-up) and ESP-IDF v5.4.2 (sleep_modes.c):

- `reset_cause()`: a brown-out reads as power-on, a panic as hard reset like `machine.reset()`,
  all three watchdogs as WDT; 0 for what is unknown. A soft reset hides what was before.
- WDT: one for all; making another only sets its time anew, longer or shorter, and feeds it.
  There is no way to stop it: Ctrl-C and soft resets leave it running.
- `deepsleep()` without a time sets no timer: only a pin wakes it, if one was set, else nothing.
  `deepsleep(None)` raises TypeError. 0 sets the alarm to the present tick; whether it fires is
  not known (read, not measured), so here it does not.
- What was set to wake it is kept (RTC): the pin of an earlier `wake_on_ext0` wakes it still.
- RTC memory (machine_rtc.c): RTC_NOINIT_ATTR, up to 2,048 bytes. What it holds after a power-on
  is not known: here some of what it held, spoiled, with a length that fits as the port's does.
- `lightsleep` holds Python up, and callbacks with it. A pin ends it early.
"""

import os

from chip import Asleep, Reset

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
# esp_reset_reason_t (esp_system.h) to mp_machine_reset_cause.
CAUSES = {
    "POWERON": PWRON_RESET,
    "BROWNOUT": PWRON_RESET,
    "INT_WDT": WDT_RESET,
    "TASK_WDT": WDT_RESET,
    "WDT": WDT_RESET,
    "DEEPSLEEP": DEEPSLEEP_RESET,
    "SW": HARD_RESET,
    "PANIC": HARD_RESET,
    "EXT": HARD_RESET,
}


class Watchdog:
    """The task watchdog, which belongs to the chip, not to a program."""

    def __init__(self, chip):
        self._chip = chip
        self._plan = None
        self.timeout_ms = None
        self.fed = 0

    def arm(self, timeout_ms):
        """esp_task_wdt_reconfigure."""
        self.timeout_ms = timeout_ms
        self.feed()

    def feed(self):
        """esp_task_wdt_reset_user."""
        self.fed += 1
        if self._plan:
            self._chip.cancel(self._plan)
        self._plan = self._chip.at(self.timeout_ms, self._bite, True)

    def _bite(self):
        self._chip.halt(Reset("TASK_WDT"))


class Machine:
    """What `machine` is, as far as a stand-in goes. `reason` is the ESP_RST_ name of the reset
    before; `slept` the Asleep that it woke from. More (I2S, SDCard, Pin) is set by who makes it."""

    PWRON_RESET, HARD_RESET, WDT_RESET = PWRON_RESET, HARD_RESET, WDT_RESET
    DEEPSLEEP_RESET, SOFT_RESET = DEEPSLEEP_RESET, SOFT_RESET
    # esp_sleep_source_t (esp_sleep.h)
    PIN_WAKE = EXT0_WAKE = 2
    EXT1_WAKE, TIMER_WAKE = 3, 4

    def __init__(self, chip, reason="POWERON", wake=0):
        self._chip = chip
        self._reason = reason
        self._wake = wake
        self._soft = False
        if reason in ("POWERON", "BROWNOUT") or "rtc" not in chip.kept:
            chip.kept["rtc"] = os.urandom(200) + chip.kept.get("rtc", b"")[200:]
        self.watchdog = chip.kept.setdefault("watchdog", Watchdog(chip))

    def WDT(self, id=0, timeout=5000):
        """machine.WDT: raises ValueError for other ids and times under 1 ms."""
        if id != 0:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        self.watchdog.arm(timeout)
        return _WDT(self.watchdog)

    def reset(self):
        """esp_restart."""
        self._chip.halt(Reset("SW"))

    def soft_reset(self):
        """What the program made is gone; the chip, its watchdog and peripherals go on."""
        self._soft = True
        raise SystemExit

    def reset_cause(self):
        """One of the _RESET constants, 0 if unknown."""
        return SOFT_RESET if self._soft else CAUSES.get(self._reason, 0)

    def wake_reason(self):
        """One of the _WAKE constants, 0 if it was not asleep."""
        return self._wake

    def deepsleep(self, *ms):
        """Ends the program: Asleep."""
        if ms and not isinstance(ms[0], int):
            raise TypeError("can't convert %s to int" % type(ms[0]).__name__)
        timer = ms[0] if ms and ms[0] > 0 else None
        self._chip.halt(Asleep(timer, self._chip.kept.get("ext0")))

    def lightsleep(self, *ms):
        """Until the time or a pin. Without either it would be for ever: AssertionError."""
        pin = self._chip.kept.get("ext0")
        assert ms or pin is not None
        self._chip.doze_us(ms[0] * 1000 if ms else None, pin)

    def RTC(self):
        """machine.RTC, but for its datetime: the clock is the test's."""
        return _RTC(self._chip.kept)

    def unique_id(self):
        """Six bytes."""
        return b"\x24\x0a\xc4\x00\x00\x01"


class _WDT:
    def __init__(self, watchdog):
        self._watchdog = watchdog

    def feed(self):
        self._watchdog.feed()


class _RTC:
    def __init__(self, kept):
        self._kept = kept

    def memory(self, *data):
        """What is kept, or keep it. Raises ValueError for more than 2,048 bytes."""
        if not data:
            return self._kept["rtc"]
        if len(data[0]) > 2048:
            raise ValueError("buffer too long")
        self._kept["rtc"] = bytes(data[0])


class Pin:
    """machine.Pin: its level is `chip.pins[number]`."""

    IN, OUT, PULL_UP = 1, 3, 2

    chip = None

    def __init__(self, number, mode=-1, pull=-1, *, value=None):
        self.number = number
        if value is not None:
            self.chip.pins[number] = value

    def value(self, *level):
        """The level, or set it."""
        if not level:
            return self.chip.pins.get(self.number, 1)
        self.chip.pins[self.number] = int(bool(level[0]))


class Esp32:
    """What `esp32` is, as far as it is used."""

    HEAP_DATA = 4  # MALLOC_CAP_8BIT (esp_heap_caps.h)
    # The classic chip's RTC pins (soc/esp32: rtc_io_channel.h).
    _RTC_PINS = (0, 2, 4, 12, 13, 14, 15, 25, 26, 27, 32, 33, 34, 35, 36, 37, 38, 39)

    def __init__(self, chip):
        self._chip = chip

    def wake_on_ext0(self, pin=None, level=False):
        """The pin that wakes it. Raises ValueError for one that can't."""
        if pin is not None and pin.number not in self._RTC_PINS:
            raise ValueError("invalid pin")
        self._chip.kept["ext0"] = None if pin is None else pin.number

    def idf_heap_info(self, capabilities):
        """[(total, free, largest free block, least free ever)], as `chip.heap_info` says."""
        return list(self._chip.heap_info)
