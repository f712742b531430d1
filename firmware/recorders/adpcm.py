"""IMA ADPCM in WAV: four bits a sample, a quarter of the bytes, speech as by telephone.

The algorithm is that of "Recommended Practices for Enhancing Digital Audio Compatibility in
Multimedia Systems", Interactive Multimedia Association 1992; block and head are Microsoft's
("New Multimedia Data Types and Data Techniques", revision 3.0, 1994: DVI ADPCM, tag 0x0011).
"""

import struct
from array import array

from micropython import const

from . import native

# A block begins with its first sample as it is and the index; then two samples a byte.
_BLOCK = const(512)
_SAMPLES = const(1017)
_HEAD = const(60)
# fmt: off
_STEPS = (
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60,
    66, 73, 80, 88, 97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371,
    408, 449, 494, 544, 598, 658, 724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707,
    1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132,
    7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623,
    27086, 29794, 32767,
)
# fmt: on


class Adpcm:
    """Makes WAV files of IMA ADPCM out of mono 16-bit PCM (little-endian) at `rate` Hz, one at
    a time.

    It is made once and keeps some 3 KB of buffers: `open(writer)` begins a file in a
    MediaWriter, `write(buf)` and `close()` go on with it. `kernel` is what native.load gives.
    The last block is filled up with its last sample; the `fact` chunk has the true length.
    """

    content_type = "audio/wav"

    def __init__(self, rate=16000, kernel=None, emit=None):
        self._rate = rate
        self._kernel = kernel or native.load("adpcm", emit)
        self._block = bytearray(2 * _SAMPLES)
        self._out = bytearray(_BLOCK)
        self._state = array("i", (32768, 0) + _STEPS)
        self._writer = None

    @property
    def native(self):
        """Whether its inner loop is machine code."""
        return self._kernel.NATIVE

    def bytes_per_second(self):
        """What a second of sound takes on flash."""
        return self._rate * _BLOCK // _SAMPLES

    @property
    def size(self):
        """Bytes written of the present file, the head included."""
        return self._writer.size

    def open(self, writer):
        """Begin a file; returns self. Raises StorageFullError, StorageError."""
        self._writer = writer
        self._used = 0
        self._samples = 0
        self._state[1] = 0
        writer.write(self._head(0))
        return self

    def _head(self, data):
        rate = self._rate
        return struct.pack(
            "<4sI4s4sIHHIIHHHH4sII4sI",
            *(b"RIFF", _HEAD - 8 + data if data else 0, b"WAVE", b"fmt ", 20, 0x11, 1),
            *(rate, rate * _BLOCK // _SAMPLES, _BLOCK, 4, 2, _SAMPLES),
            *(b"fact", 4, self._samples, b"data", data),
        )

    def write(self, buf):
        """Append samples (bytes-like, whole samples); returns its length.

        Raises StorageFullError, StorageError.
        """
        mv = memoryview(buf)
        while mv:
            n = min(len(mv), 2 * _SAMPLES - self._used)
            self._block[self._used : self._used + n] = mv[:n]
            self._used += n
            mv = mv[n:]
            if self._used == 2 * _SAMPLES:
                self._code()
        return len(buf)

    def _code(self):
        """Write what is in the block."""
        block, out, state = self._block, self._out, self._state
        n = self._used // 2
        self._used = 0
        last = block[2 * n - 2 : 2 * n]
        for i in range(n, _SAMPLES):
            block[2 * i : 2 * i + 2] = last
        state[0] = struct.unpack_from("<h", block)[0] + 32768
        struct.pack_into("<hBB", out, 0, state[0] - 32768, state[1], 0)
        self._kernel.encode(block, _SAMPLES - 1, out, state)
        self._writer.write(out)
        self._samples += n

    def close(self):
        """Finish the file. Raises StorageFullError, StorageError; it is closed even so."""
        try:
            if self._used:
                self._code()
        finally:
            size = self._writer.size - _HEAD
            self._writer.set_head(self._head(size - size % _BLOCK))
            self._writer.close()
