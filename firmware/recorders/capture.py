"""The microphone's sound in two buffers: one that the driver fills, one that it has in hand.

`machine.I2S` in its non-blocking mode copies into buffers of ours while Python is held up (a
handshake, a scan, a flash erase). What its C sources (ports/esp32/machine_i2s.c and
extmod/machine_i2s.c, v1.26) do not say aloud, and what is done about it here:

- One buffer is filled, one can wait. A third is dropped, and `readinto` returns its size all the
  same; and the one that waits is taken when the driver's task runs, which is at the next wait or
  tick of 10 ms. So two buffers, and 20 ms between two of them.
- The driver keeps an address, not a reference: the buffers belong to this object.
- The callback comes through a queue of eight places, late or not at all. It is believed for the
  moment only. That a buffer is full is seen in the buffer: its end is no longer the mark.
- Both buffers are back before `deinit`.
"""

from micropython import const

_TAKEN_MS = const(20)
_POLL_MS = const(10)
# No sound: four samples that jump to both ends, unlike each other.
_MARK = b"\xff\x7f\x00\x80\x5a\x7f\xa5\x80"


class Capture:
    """Reads `stream` (a machine.I2S) in buffers of `buffers`, two bytearrays of the same size,
    `buffer_ms` of sound each."""

    def __init__(self, stream, clock, buffers, buffer_ms):
        self._stream = stream
        self._clock = clock
        self._buffers = buffers
        self._buffer_ms = buffer_ms
        self._out = []  # with the driver, in its order
        self._stamps = [0, 0]  # when the first two of them were full; 0: not known
        self._given_ms = self._since_ms = clock.uptime_ms() - _TAKEN_MS
        # A bound method made once: the driver calls it from where nothing can be allocated.
        self._callback = self._filled
        stream.irq(self._callback)

    async def start(self):
        """Give the driver both buffers. The sound begins now; returns the uptime in ms."""
        began = self._clock.uptime_ms()
        for buf in self._buffers:
            await self.give(buf)
        self._since_ms = began
        return began

    async def give(self, buf):
        """Give a buffer (back) to the driver."""
        wait_ms = self._given_ms + _TAKEN_MS - self._clock.uptime_ms()
        if wait_ms > 0:
            await self._clock.sleep_ms(wait_ms)
        buf[-len(_MARK) :] = _MARK
        self._stream.readinto(buf)
        self._out.append(buf)
        self._given_ms = self._clock.uptime_ms()

    def _full(self, buf):
        return buf[-len(_MARK) :] != _MARK

    def _filled(self, _):
        # One that comes after its buffer was found full by looking has nothing to say.
        for i in range(len(self._out)):
            if not self._stamps[i] and self._full(self._out[i]):
                self._stamps[i] = self._clock.uptime_ms()
                break

    async def next(self):
        """The next full buffer and the uptime in ms at which it was; it is the caller's until
        `give`. (None, None) if the driver gives nothing any more, or has no buffer."""
        late = False
        while self._out:
            for i in range(len(self._out)):
                if self._full(self._out[i]):
                    return self._take(i)
            now = self._clock.uptime_ms()
            due = self._since_ms + self._buffer_ms
            if now > due + 2 * self._buffer_ms + 1000:
                # Not at the first look: what held Python up may have held up the stream, too.
                if late:
                    break
                late = True
            await self._clock.sleep_ms(max(_POLL_MS, due - now))
        return None, None

    def _take(self, i):
        at = self._stamps[i] or self._clock.uptime_ms()
        self._stamps = [0 if i else self._stamps[1], 0]
        self._since_ms = at
        return self._out.pop(i), at

    def close(self):
        """End the stream; buffers that are with the driver are what they are."""
        self._out = []
        self._stream.irq(None)
        self._stream.deinit()
