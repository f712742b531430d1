"""WAV files of PCM (RIFF: Multimedia Programming Interface and Data Specifications 1.0)."""

import struct


def head(data, rate=16000, bits=16, channels=1):
    """The 44 bytes before `data` bytes of PCM; 0: not known yet."""
    frame = channels * bits // 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + data if data else 0, b"WAVE", b"fmt ", 16, 1, channels),
        *(rate, rate * frame, frame, bits, b"data", data),
    )


class WavWriter:
    """A WAV file in a MediaWriter: PCM of `rate` samples a second, `bits` each (16 or 32),
    `channels`. `size` is the file's in bytes.

    The head's two sizes are known at the end only. They are not written into the file, whose
    beginning littlefs would copy to change it, but told to the writer, which sends them; a
    file that was never closed gets them by recovery.
    """

    def __init__(self, writer, rate=16000, bits=16, channels=1):
        self._writer = writer
        self._format = (rate, bits, channels)
        writer.write(head(0, *self._format))

    @property
    def size(self):
        """Bytes written, the head included."""
        return self._writer.size

    def write(self, buf):
        """Append samples (bytes-like). Raises StorageFullError, StorageError."""
        return self._writer.write(buf)

    def close(self):
        """Finish the file."""
        self._writer.set_head(head(self._writer.size - 44, *self._format))
        self._writer.close()


class Wav:
    """PCM as it is. Made once, like the encoders: `open(writer)` begins a file."""

    content_type = "audio/wav"

    def __init__(self, rate=16000):
        self._rate = rate

    def open(self, writer):
        """Begin a file; a stream with `write`, `close`, `size`."""
        return WavWriter(writer, self._rate)

    def bytes_per_second(self):
        """What a second of sound takes on flash."""
        return 2 * self._rate
