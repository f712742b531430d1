"""The emulated ESP32's microphone: generated samples.

In QEMU an I2S can be opened, and then takes its memory, but nothing ever comes from it. So samples
are generated at their pace while it is open, and lost silently when nobody gives it a buffer for as
long as its `ibuf` holds, 8 bytes a frame (MicroPython v1.26.1, ports/esp32/machine_i2s.c).
"""

import asyncio
import struct
import time

import board
import probe

import __main__

_RATE = 16000
_BLOCK = 512
_TOLD = 16384  # how often it says how far it is


class Microphone:
    """Samples of a recording: blocks of 512 bytes that begin with its number and theirs. As
    machine.I2S in its non-blocking mode: two buffers at most, filled in their order."""

    def __init__(self, number, size):
        from recorders.microphone import IBUF, i2s

        self._i2s = i2s(board.MICROPHONE)
        self._holds = IBUF // 4  # bytes of samples
        self._number, self._left = number, size
        self._block = bytearray(_BLOCK)
        for i in range(8, _BLOCK):
            self._block[i] = i * 37 & 255
        self._at = 0  # bytes given
        self._lost = 0  # bytes
        self._start = time.ticks_ms()
        self._taken = 0  # bytes given or lost, since the start
        self._buffers = []
        self._handler = None
        self._task = asyncio.create_task(self._fill())
        probe.note("recording")

    def irq(self, handler):
        self._handler = handler

    def readinto(self, buf):
        if len(self._buffers) < 2:
            self._buffers.append(buf)
        return len(buf)

    def _waiting(self):
        """Bytes that wait to be read; what came too early for the buffers is lost."""
        come = time.ticks_diff(time.ticks_ms(), self._start) * _RATE * 2 // 1000
        over = come - self._taken - self._holds - sum(len(b) for b in self._buffers)
        if over > 0:
            self._lost += over
            self._taken += over
        return come - self._taken

    async def _fill(self):
        while self._left > 0:
            await asyncio.sleep_ms(10)
            waiting = self._waiting()
            while self._left > 0 and self._buffers and waiting >= len(self._buffers[0]):
                buf = self._buffers.pop(0)
                waiting -= len(buf)
                self._put(buf)
                if self._handler:
                    self._handler(self)
        __main__.app.stop()

    def _put(self, buf):
        for at in range(0, len(buf), _BLOCK):
            struct.pack_into("<II", self._block, 0, self._number, self._at // _BLOCK)
            buf[at : at + _BLOCK] = self._block
            self._at += _BLOCK
        self._taken += len(buf)
        self._left -= len(buf)
        if self._at // _TOLD != (self._at - len(buf)) // _TOLD:
            print("~given %d %d" % (self._number, self._at))

    def deinit(self):
        self._task.cancel()
        self._i2s.deinit()
        print("~recorded %d %d %d" % (self._number, self._at, self._lost))
