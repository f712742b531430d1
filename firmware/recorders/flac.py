"""FLAC (RFC 9639): the same samples in about half the bytes.

Fixed predictors and partitioned Rice codes (sections 9.2.5 and 9.2.7), in blocks of 1024
samples, within the streamable subset (section 7). The inner loops are in `flac_viper.py`.
"""

import hashlib
import struct
from array import array

from micropython import const

from . import native

_BLOCK = const(1024)
# A Rice-coded block is taken only where it is estimated below 16 bits a sample, and an
# estimate is off by half a bit: 17 bits a sample, and the frame's head and end.
_FRAME = const(2208)
_VERBATIM = const(5)
_CONSTANT = const(6)
# The table of section 9.1.1 for the codes that a rate has; others are given in Hz.
_RATES = {8000: 4, 16000: 5, 22050: 6, 24000: 7, 32000: 8, 44100: 9, 48000: 10, 96000: 11}


def _crc_table(polynomial, width):
    """What four more bits do to a CRC, by the four that leave."""
    for i in range(16):
        crc = i << (width - 4)
        for _ in range(4):
            crc = crc << 1 ^ (polynomial if crc >> (width - 1) else 0)
            crc &= (1 << width) - 1
        yield crc


class Flac:
    """Makes FLAC files of mono 16-bit PCM (little-endian) at `rate` Hz, one at a time.

    It is made once and keeps some 6 KB of buffers: `open(writer)` begins a file in a
    MediaWriter, `write(buf)` and `close()` go on with it. `kernel` is what native.load gives.
    """

    content_type = "audio/flac"

    def __init__(self, rate=16000, kernel=None, emit=None):
        if not 0 < rate < 65536:
            raise ValueError("rate must be 1 to 65535 Hz")
        self._rate = rate
        self._kernel = kernel or native.load("flac", emit)
        self._block = bytearray(2 * _BLOCK)
        self._out = bytearray(_FRAME)
        # [0] predictor order, [1] partition order, [2] bytes in front of the residual,
        # [16:32] CRC-16's table; partition j of order p has its sum of folded residuals at
        # [32 + 2**p + j] and its Rice parameter at [64 + 2**p + j].
        self._work = array("i", [0] * 96)
        i = 16
        for crc in _crc_table(0x8005, 16):
            self._work[i] = crc
            i += 1
        self._crc8 = bytes(_crc_table(0x07, 8))
        self._writer = None
        # Samples and bytes of all its files, for what a second takes.
        self._taken = self._given = 0

    @property
    def native(self):
        """Whether its inner loops are machine code."""
        return self._kernel.NATIVE

    def bytes_per_second(self):
        """What a second of sound took so far; of the first 8 s of all, 0.7 of WAV is said.

        Speech took 0.59, noise takes 1.01.
        """
        if self._taken < 8 * self._rate:
            return self._rate * 14 // 10
        return self._given * self._rate // self._taken

    @property
    def size(self):
        """Bytes written of the present file, the head included."""
        return self._writer.size

    def open(self, writer):
        """Begin a file; returns self. Raises StorageFullError, StorageError."""
        self._writer = writer
        self._used = 0
        self._samples = 0
        self._frames = 0
        self._least = _FRAME
        self._most = 0
        self._md5 = hashlib.md5()
        writer.write(self._head(bytes(16)))
        return self

    def _head(self, md5):
        """The mark and STREAMINFO, the only metadata block (sections 6 and 8.2)."""
        # 20 bits of rate, 3 of channels less one, 5 of bits a sample less one, 36 of samples
        rate = self._rate << 12 | 15 << 4 | self._samples >> 32
        return struct.pack(
            ">4sBBHHHBHBHII16s",
            *(b"fLaC", 0x80, 0, 34, _BLOCK, _BLOCK),
            *(0, self._least if self._frames else 0, 0, self._most),
            *(rate, self._samples & 0xFFFFFFFF, md5),
        )

    def write(self, buf):
        """Append samples (bytes-like, whole samples); returns its length.

        Raises StorageFullError, StorageError.
        """
        mv = memoryview(buf)
        while mv:
            n = min(len(mv), 2 * _BLOCK - self._used)
            self._block[self._used : self._used + n] = mv[:n]
            self._used += n
            mv = mv[n:]
            if self._used == 2 * _BLOCK:
                self._frame()
        return len(buf)

    def _frame(self):
        """Write what is in the block as a frame (section 9)."""
        block, out, work, kernel = self._block, self._out, self._work, self._kernel
        n = self._used // 2
        self._used = 0
        at = self._frame_head(n)
        kind = self._plan(n)
        if kind == _CONSTANT:
            out[at] = 0
            at = kernel.verbatim(block, 1, out, at + 1)
        elif kind == _VERBATIM:
            out[at] = 1 << 1
            at = kernel.verbatim(block, n, out, at + 1)
        else:
            out[at] = (8 | kind) << 1
            work[2] = kernel.verbatim(block, kind, out, at + 1)
            at = kernel.rice(block, n, work, out)
        struct.pack_into(">H", out, at, kernel.crc16(out, at, work))
        size = at + 2
        self._writer.write(memoryview(out)[:size])
        # Counted once it is there: what a full storage cut off is no part of the stream.
        self._md5.update(memoryview(block)[: 2 * n])
        self._samples += n
        self._taken += n
        self._given += size
        self._frames += 1
        self._least = min(self._least, size)
        self._most = max(self._most, size)

    def _plan(self, n):
        """Decide how to code the block: a predictor's order, verbatim or constant."""
        block, work, kernel = self._block, self._work, self._kernel
        kind = kernel.order(block, n)
        if kind == _CONSTANT:
            return kind
        if n < 5:
            return _VERBATIM
        finest = 0
        while finest < 4 and n & (2 << finest) - 1 == 0 and n >> (finest + 1) > 15:
            finest += 1
        work[0] = kind
        work[1] = finest
        kernel.sums(block, n, work)
        kernel.parameters(n, work)
        return work[0]

    def _frame_head(self, n):
        """Put a frame's header (section 9.1) into the output; its length."""
        out = self._out
        rate = _RATES.get(self._rate, 13)
        full = n == _BLOCK
        struct.pack_into(">HBB", out, 0, 0xFFF8, (10 if full else 7) << 4 | rate, 0x08)
        at = 4 + _coded(self._frames, out)
        if not full:
            struct.pack_into(">H", out, at, n - 1)
            at += 2
        if rate == 13:
            struct.pack_into(">H", out, at, self._rate)
            at += 2
        crc = 0
        for i in range(at):
            crc = (crc << 4 & 0xFF) ^ self._crc8[crc >> 4 ^ out[i] >> 4]
            crc = (crc << 4 & 0xFF) ^ self._crc8[crc >> 4 ^ out[i] & 15]
        out[at] = crc
        return at + 1

    def close(self):
        """Finish the file. Raises StorageFullError, StorageError; it is closed even so."""
        try:
            if self._used:
                self._frame()
        finally:
            self._writer.set_head(self._head(self._md5.digest()))
            self._writer.close()


def _coded(number, out):
    """Put a frame's number into `out` from 4 on (section 9.1.5); how many bytes it takes."""
    if number < 128:
        out[4] = number
        return 1
    size = 2
    while number >> (5 * size + 1):
        size += 1
    out[4] = (0xFF00 >> size & 0xFF) | number >> 6 * (size - 1)
    for i in range(1, size):
        out[4 + i] = 0x80 | number >> 6 * (size - 1 - i) & 63
    return size
