"""machine.I2S of the esp32 port, receiving.

From ports/esp32/machine_i2s.c and extmod/machine_i2s.c (the same at v1.26.0 and v1.28.0) and
ESP-IDF v5.4.2, components/esp_driver_i2s/i2s_common.c:

- DMA moves 8 bytes a frame whatever the format, in descriptors of 256 frames; there are
  max(2, ibuf // 2048) of them (`get_dma_buf_count`), and the queue of finished ones holds one
  fewer (`i2s_register_channel`). When it is full the oldest goes, and nobody hears of it
  (`on_recv_q_ovf = NULL`).
- A finished descriptor is announced by an interrupt that is not IRAM-safe: during a flash erase
  it waits, and then the one register gives the last descriptor only (`i2s_dma_rx_callback`).
- The ring is physical: what is read late is whatever the DMA has put there since.
- `ioctl`, and so asyncio, makes reads return what there is, 0 bytes included; at first the
  stream says that it is readable though it is not.
- `irq` makes reads go to a FreeRTOS task of Python's own priority, through a queue of one that
  `readinto` does not look after: what does not fit is dropped, and the size returned all the
  same. The task takes the next buffer only when it runs: when Python waits, or at the next tick
  (10 ms: FREERTOS_HZ is 100). The queue keeps addresses, no references: a buffer that nobody
  else holds is collected, and written to none the less.
- Making one with an id that is in use ends the old one and gives the same object again.

What it simplifies: pins are not looked at; the task copies at the moment of the interrupt.
"""

import io
import struct

import uctypes
from chip import Crash

FRAMES = 256
_DESCRIPTOR = 8 * FRAMES
_TICK_MS = 10
_BLOCKING, _NON_BLOCKING, _ASYNCIO = 0, 1, 2
_POLL, _POLL_RD, _POLL_WR = 3, 1, 4


def ramp(frame):
    """The default sound: each frame's number, so that a loss shows."""
    return ((frame + 32768) & 65535) - 32768


class I2SMaker:
    """What `machine.I2S` is: call it with an id and the settings. `sound(frame)` gives the left
    channel's sample (16 bit, signed) of the frame with that number since the stream's start."""

    RX, TX = 1, 2  # I2S_DIR_RX, I2S_DIR_TX (hal/i2s_types.h)
    MONO, STEREO = 0, 1

    def __init__(self, chip, sound=ramp):
        self._chip = chip
        self._ports = [None, None]
        self.sound = sound

    def port(self, i2s_id):
        """The Stream of a port, for tests; None if there was none."""
        return self._ports[i2s_id]

    def __call__(self, i2s_id, **settings):
        if not 0 <= i2s_id < 2:
            raise ValueError("invalid id")
        stream = self._ports[i2s_id]
        if stream is None:
            stream = self._ports[i2s_id] = Stream(self, self._chip)
        stream.init(**settings)
        return stream


class Stream(io.IOBase):
    """A machine.I2S. For tests: `overrun` counts descriptors that were lost unseen, `dropped`
    the buffers that `readinto` did not queue, `descriptors` the ring's size."""

    def __init__(self, maker, chip):
        self._maker = maker
        self._chip = chip
        self._open = False
        self.overrun = 0
        self.dropped = 0

    def init(self, *, sck, ws, sd, mode, bits, format, rate, ibuf):
        """As the constructor, for an object that is there."""
        self.deinit()
        if mode not in (1, 2):
            raise ValueError("invalid mode")
        if bits not in (16, 32):
            raise ValueError("invalid bits")
        if format not in (0, 1):
            raise ValueError("invalid format")
        self._mode, self._bits, self._format = mode, bits, format
        self._size = bits // 8 * (2 if format else 1)
        self._rate = rate
        self.descriptors = max(2, ibuf // _DESCRIPTOR)
        self._io = _BLOCKING
        self._handler = None
        self._readable = True  # dma_buffer_status starts as DMA_MEMORY_NOT_EMPTY
        self._queue = []  # finished descriptors: places in the ring
        self._current = None
        self._at = FRAMES
        self._filling = None  # the task's: [address, size, filled]
        self._queued = None
        self._task = False
        need = self.descriptors * _DESCRIPTOR
        chip = self._chip
        if chip.dma_free is not None:
            if need > chip.dma_free:
                raise OSError(12, "ESP_ERR_NO_MEM")  # check_esp_err_, ports/esp32/mphalport.c
            chip.dma_free -= need
        self._open = True
        self._start = chip.now()
        self._finished = 0
        self._missed = None
        self._plan = None
        self._plan_next()

    def deinit(self):
        """The DMA ends; a buffer that is being filled is left as it is, without a callback."""
        if not self._open:
            return
        self._open = False
        self._chip.cancel(self._plan)
        if self._chip.dma_free is not None:
            self._chip.dma_free += self.descriptors * _DESCRIPTOR
        self._end_task()

    # For tests

    @property
    def is_open(self):
        """False once it was deinit()ed."""
        return self._open

    @property
    def held(self):
        """How many buffers of the caller's the driver has."""
        return (self._filling is not None) + (self._queued is not None)

    def stop_clock(self):
        """No frame comes any more: the wire of the bit clock is off, say."""
        self._chip.cancel(self._plan)

    # The hardware and its interrupt

    def _frames(self):
        return (self._chip.us - self._start) * self._rate // 1000000

    def _plan_next(self):
        frames = (self._finished + 1) * FRAMES
        us = self._start + (frames * 1000000 + self._rate - 1) // self._rate
        self._plan = self._chip.at_us(us, self._finish, True)

    def _finish(self):
        place = self._finished % self.descriptors
        self._finished += 1
        self._plan_next()
        if not self._chip.interrupts_off:
            self._interrupt(place)
            return
        if self._missed is None:
            self._chip.after_erase(self._deliver)
        else:
            self.overrun += 1
        self._missed = place

    def _deliver(self):
        place, self._missed = self._missed, None
        if self._open:
            self._interrupt(place)

    def _interrupt(self, place):
        self._readable = True
        if len(self._queue) >= self.descriptors - 1:
            self._queue.pop(0)
            self.overrun += 1
        self._queue.append(place)
        self._fill()

    def _sample(self, place, i):
        """What the ring has at `place`, frame `i`, now."""
        written = self._frames()
        newest = written // FRAMES
        number = newest - (newest - place) % self.descriptors
        if number * FRAMES + i >= written:
            number -= self.descriptors
        return self._maker.sound(number * FRAMES + i) if number >= 0 else 0

    def _copy(self, buf, at, size):
        """i2s_channel_read without waiting: how many bytes were copied to buf[at:at + size]."""
        done = 0
        while done < size:
            if self._at == FRAMES:
                if not self._queue:
                    break
                self._current = self._queue.pop(0)
                self._at = 0
            value = self._sample(self._current, self._at)
            if self._bits == 32:
                struct.pack_into("<i", buf, at + done, value << 16)
            else:
                struct.pack_into("<h", buf, at + done, value)
            # The right channel is silent: one microphone, on the left.
            for i in range(self._bits // 8, self._size):
                buf[at + done + i] = 0
            self._at += 1
            done += self._size
        return done

    # The stream

    def readinto(self, buf):
        """As the port's: see this module's text. Raises OSError."""
        if self._mode != 1:
            raise OSError(1)  # EPERM
        size = len(buf)
        if size % self._size:
            raise OSError(22)  # EINVAL
        if size == 0:
            return 0
        if self._io == _NON_BLOCKING:
            return self._enqueue(buf, size)
        if not self._open:
            raise OSError(-0x102, "ESP_ERR_INVALID_ARG")  # i2s_channel_read of no channel
        self._chip.now()
        done = self._copy(buf, 0, size)
        if self._io == _ASYNCIO:
            if done < size:
                self._readable = False
            return done
        while done < size:
            self._chip.block_us(max(1, self._plan[0] - self._chip.us))
            done += self._copy(buf, done, size - done)
        return done

    def ioctl(self, request, arg):
        """Polling; it makes all reads from now on asyncio's (`io_mode = ASYNCIO`)."""
        self._io = _ASYNCIO
        if request != _POLL:
            return -1
        self._chip.now()
        if arg & _POLL_WR and self._mode == 1:
            return -1
        return _POLL_RD if arg & _POLL_RD and self._readable else 0

    # Non-blocking

    def irq(self, handler):
        """From now on `readinto` returns at once and `handler(i2s)` is called when a buffer is
        full; None: as before."""
        if handler is not None and not callable(handler):
            raise ValueError("invalid callback")
        self._handler = handler
        self._end_task()
        self._io = _BLOCKING if handler is None else _NON_BLOCKING
        if handler is not None:
            self._task = True
            self._chip.on_idle.append(self._run)

    def _end_task(self):
        if self._task:
            self._task = False
            self._chip.on_idle.remove(self._run)
        self._filling = self._queued = None

    def _enqueue(self, buf, size):
        if not self._task:
            raise Crash("xQueueSend to no queue (configASSERT): readinto after deinit")
        if self._queued is None:
            # An odd number keeps nothing alive, in the eyes of the collector.
            self._queued = [uctypes.addressof(buf) + 1, size, self._handler, 0]
            self._chip.at(_TICK_MS, self._run)
        else:
            self.dropped += 1
        return size

    def _run(self):
        """The task gets the processor: it takes the next buffer if it has none."""
        if self._filling is None and self._queued is not None:
            self._filling, self._queued = self._queued, None
            self._fill()

    def _fill(self):
        while self._filling is not None:
            address, size, handler, done = self._filling
            place = uctypes.bytearray_at(address - 1, size)
            done += self._copy(place, done, size - done)
            self._filling[3] = done
            if done < size:
                return
            self._filling, self._queued = self._queued, None
            self._chip.schedule(handler, self)
