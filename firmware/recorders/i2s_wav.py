"""An I2S microphone to WAV, beside an upload, without losing a sample.

The driver's own buffer bridges the longest stretch in which no other task runs (the uploader
yields every 20 ms, a flash erase takes tens of ms): `IBUF` of them at 16 kHz, 16 bit, mono is
640 ms.
"""

import asyncio

from .segments import Segments
from .wav import WavWriter

IBUF = 20480
_CHUNK = 2048


def open_microphone(pins, rate=16000):
    """A `machine.I2S` of a board's MICROPHONE (`id`, `sck`, `ws`, `sd`), mono, 16 bit."""
    from machine import I2S, Pin

    return I2S(
        pins["id"],
        sck=Pin(pins["sck"]),
        ws=Pin(pins["ws"]),
        sd=Pin(pins["sd"]),
        mode=I2S.RX,
        bits=16,
        format=I2S.MONO,
        rate=rate,
        ibuf=IBUF,
    )


class WavRecorder:
    """Records what `make_stream()` gives (a machine.I2S or the like, with `readinto` and
    `deinit`) into recordings: mono, 16 bit, `rate` samples a second."""

    def __init__(self, make_stream, clock, rate=16000):
        self._make_stream = make_stream
        self._clock = clock
        self._rate = rate
        self._stop = False
        self.samples = 0  # of the present recording

    def stop(self):
        """Make `record` end after the buffer that it is at."""
        self._stop = True

    async def record(self, recording, segment_bytes=0, segment_seconds=0):
        """Fill `recording` until `stop`; its files are closed when this returns: one WAV file,
        or several of at most so much each (0: no limit).

        Raises StorageFullError, StorageError: what was recorded until then is kept.
        """
        self._stop = False
        self.samples = 0
        buf = bytearray(_CHUNK)
        mv = memoryview(buf)

        def open_file():
            # Each file's moment: segments are put in order by it.
            captured_at = self._clock.stamp() if segment_bytes or segment_seconds else None
            writer = recording.add("audio", "audio/wav", captured_at)
            return WavWriter(writer, self._rate)

        files = Segments(open_file, self._clock, segment_bytes, segment_seconds)
        stream = self._make_stream()
        reader = asyncio.StreamReader(stream)
        try:
            while not self._stop:
                n = await reader.readinto(buf)
                if n:
                    files.write(mv[:n])
                    self.samples += n // 2
        finally:
            try:
                files.close()
            finally:
                stream.deinit()
