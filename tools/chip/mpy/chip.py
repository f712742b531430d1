"""An ESP32's time, interrupts and scheduler, for stand-ins. Runs in MicroPython's unix port.

Time is virtual: it passes when Python waits, computes (`busy`), is held up in C (`block`) or when
the flash is erased (`erase`), and what was planned with `at` happens at its moment. Callbacks go
through a scheduler as MicroPython's (py/scheduler.c): eight pending at most
(MICROPY_SCHEDULER_DEPTH, py/mpconfig.h), more are lost without a word, none runs inside another
or while C code holds the thread.
"""

import sys
import time

_DEPTH = 8


class Reset(BaseException):
    """The chip was reset: nothing of the program goes on. `reason` is an ESP_RST_ name."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class Crash(BaseException):
    """Memory was corrupted or an assertion of FreeRTOS failed: the chip panics."""


class Asleep(BaseException):
    """The chip is in deep sleep for `ms`; None if nothing will ever wake it but a reset.
    `pin` wakes it, too, unless that is None."""

    def __init__(self, ms, pin):
        super().__init__("for ever" if ms is None and pin is None else ms)
        self.ms = ms
        self.pin = pin


class Chip:
    """`ticks_ms` is a clock that time follows, if it is not to be virtual (a test against real
    programs); calls that block then wait until it has come so far.

    `dma_free` bounds what drivers can take, in bytes of IDF heap; None: plenty.
    `callback_late_ms` delays each scheduled callback.
    """

    def __init__(self, ticks_ms=None):
        self._clock = ticks_ms
        self._zero = ticks_ms() if ticks_ms else 0
        self.us = 0
        self.dma_free = None
        self.callback_late_ms = 0
        self.callbacks_lost = 0
        self.interrupts_off = False
        self.heap_info = [(110000, 60000, 50000, 40000)]
        self.pins = {}
        self.dozed_us = 0
        # What outlives a program: the peripherals', each stand-in's own.
        self.kept = {}
        self._plan = []
        self._order = 0
        self._scheduled = []
        self._in_callback = False
        self._passing = False
        self._after_erase = []
        self.on_idle = []

    # What happens when

    def at(self, ms, call, hardware=False):
        """Call `call()` in `ms`; a key for `cancel`. `hardware` goes on while the flash is
        erased; the rest (tasks, interrupts) waits until that is over."""
        return self.at_us(self.now() + int(ms * 1000), call, hardware)

    def at_us(self, us, call, hardware=False):
        """As `at`, at a moment in microseconds since power-on."""
        self._order += 1
        item = (us, self._order, call, hardware)
        i = len(self._plan)
        while i and self._plan[i - 1][:2] > item[:2]:
            i -= 1
        self._plan.insert(i, item)
        return item

    def cancel(self, item):
        """Forget what was planned; nothing happens if it was done."""
        if item in self._plan:
            self._plan.remove(item)

    def next_us(self):
        """When something happens next, None if nothing is planned."""
        return self._plan[0][0] if self._plan else None

    # The time

    def now(self):
        """Microseconds since power-on."""
        if self._clock and not self._passing:
            self._pass(time.ticks_diff(self._clock(), self._zero) * 1000, True)
        return self.us

    def ticks_ms(self):
        """Milliseconds since power-on, as time.ticks_ms."""
        return self.now() // 1000 & time.ticks_add(0, -1)

    def busy(self, ms):
        """Python computes for so long: callbacks run meanwhile."""
        self._until(self.us + int(ms * 1000), True)

    def block(self, ms):
        """C code holds Python's thread for so long: tasks and interrupts go on, callbacks wait."""
        self.block_us(int(ms * 1000))

    def block_us(self, us):
        """As `block`, in microseconds."""
        self._until(self.us + us, False)

    def erase(self, ms):
        """The flash is erased or written: only the hardware goes on (ESP-IDF, "Concurrency
        Constraints for Flash on SPI1": no cache, so no interrupt outside IRAM, no task)."""
        self.interrupts_off = True
        try:
            self._until(self.us + int(ms * 1000), False)
        finally:
            self.interrupts_off = False
        waiting, self._after_erase = self._after_erase, []
        for call in waiting:
            call()

    def doze_us(self, us, pin=None):
        """Light sleep for so long (None: no end), or until `pin` is low: looked at every 10 ms."""
        start = self.us
        while us is None or self.us < start + us:
            if pin is not None and not self.pins.get(pin, 1):
                break
            step = 10000 if us is None else min(10000, start + us - self.us)
            self._until(self.us + step, False)
        self.dozed_us += self.us - start

    def idle(self, limit_us=None):
        """Python waits: time passes until something happens, `limit_us` at most. False if
        nothing is planned and there is no limit."""
        for call in self.on_idle:
            call()
        to = self.next_us()
        if limit_us is not None and (to is None or to > self.us + limit_us):
            to = self.us + limit_us
        if to is None:
            return False
        self._until(to, True)
        return True

    def _until(self, us, python):
        if self._clock:
            while time.ticks_diff(self._clock(), self._zero) * 1000 < us:
                time.sleep_ms(1)
        self._pass(us, python)

    def _pass(self, us, python):
        while True:
            if python:
                self._callbacks()
            if not self._plan or self._plan[0][0] > us:
                break
            at, _, call, hardware = self._plan.pop(0)
            self.us = max(self.us, at)
            if hardware or not self.interrupts_off:
                self._happen(call)
            else:
                self.after_erase(call)
        self.us = max(self.us, us)
        if python:
            self._callbacks()

    def _happen(self, call):
        passing, self._passing = self._passing, True
        try:
            call()
        finally:
            self._passing = passing

    def after_erase(self, call):
        """Call `call()` when the erase that goes on is over."""
        self._after_erase.append(call)

    # micropython.schedule

    def schedule(self, function, argument):
        """As mp_sched_schedule: False, and no callback ever, if eight are pending."""
        if len(self._scheduled) >= _DEPTH:
            self.callbacks_lost += 1
            return False
        self._scheduled.append((self.us + self.callback_late_ms * 1000, function, argument))
        return True

    def _callbacks(self):
        while self._scheduled and not self._in_callback and self._scheduled[0][0] <= self.us:
            _, function, argument = self._scheduled.pop(0)
            self._in_callback = True
            try:
                function(argument)
            except Exception as e:
                # mp_call_function_1_protected prints it and goes on.
                sys.print_exception(e)
            finally:
                self._in_callback = False
        if self._scheduled and not self._in_callback:
            self.at_us(self._scheduled[0][0], _nothing)

    # Its end

    def halt(self, end):
        """Raise `end` (a Reset, Crash or Asleep): nothing that was planned happens any more."""
        self._plan = []
        self._scheduled = []
        self.kept["reset"] = end
        raise end


def _nothing():
    pass
