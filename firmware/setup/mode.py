"""Set-up mode: access point, name server and page, until it is done or its time is over."""

import asyncio
import os
import time

from . import draft, names
from .known import CONFIG, FORMER, exists, remember
from .pages import Pages
from .radio import Radio, identity
from .web import Web

_MOST_S = 600
_SPARE_S = 120
_ANSWER_S = 1  # for the page to be told before the radio is off


class Ticks:
    """A clock for what waits (see `uploader.Clock`, which is not loaded here)."""

    def uptime_ms(self):
        """Milliseconds since some moment."""
        return time.ticks_ms()

    async def sleep_ms(self, ms):
        """Wait."""
        await asyncio.sleep_ms(ms)


def run(most_s=_MOST_S):
    """Let the device be set up, then restart it. Returns, with the radio off, only if the time is
    over and there is no configuration."""
    import board

    if exists(CONFIG):
        import machine

        # main.py's watchdog runs, and nothing stops it. A time that is over ends in a restart.
        machine.WDT(timeout=(most_s + _SPARE_S) * 1000)
    set_up = SetUp(board, most_s=most_s)
    try:
        saved = asyncio.run(set_up.run())
    finally:
        set_up.radio.close()  # at Ctrl-C, too
    if not saved:
        if exists(FORMER):
            draft.copy(FORMER, CONFIG)
            os.remove(FORMER)
        remember(reason=None, trial=None)
        if not exists(CONFIG):
            print("set-up is over; it begins again with the next restart")
            return
    import machine

    machine.reset()


class SetUp:
    """One time of being set up, of `most_s` seconds at most. `radio` is its Radio."""

    def __init__(self, board, clock=None, most_s=_MOST_S):
        self.radio = getattr(board, "make_radio", Radio)()
        self._board = board
        self._clock = clock or Ticks()
        self._ends_ms = self._clock.uptime_ms() + most_s * 1000
        self._saved = asyncio.Event()

    def left_s(self):
        """Seconds until it ends by itself."""
        return max(0, self._ends_ms - self._clock.uptime_ms()) // 1000

    async def run(self):
        """True once a configuration was saved, False if the time is over."""
        radio = self.radio
        name, key = identity()
        address = radio.open(name, key)
        pages = Pages(self._board, radio, self._clock, self.left_s, self._saved)
        web = Web(address, radio.web_port, pages.answer)
        await web.start()
        tasks = [asyncio.create_task(names.serve(address, radio.dns_port))]
        if getattr(self._board, "LED_PIN", None) is not None:
            tasks.append(asyncio.create_task(self._led()))
        print("set-up: network %s, key %s, page http://%s/" % (name, key, web.host))
        try:
            while self._clock.uptime_ms() < self._ends_ms and not self._saved.is_set():
                await self._clock.sleep_ms(200)
            if self._saved.is_set():
                await self._clock.sleep_ms(_ANSWER_S * 1000)
        finally:
            for task in tasks:
                task.cancel()
            await web.stop()
            pages.clean()
        return self._saved.is_set()

    async def _led(self):
        from recorders.led import Led
        from recorders.parts import line

        led = Led(line(self._board.LED_PIN), self._clock)
        led.state = "setup"
        await led.run()
