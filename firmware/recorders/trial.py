"""A moment of the microphone's sound, to see whether it works: for the doctor and for set-up."""

from . import microphone, native
from .capture import Capture
from .level import Level

_BUFFER_MS = 128
_SETTLE = 2  # buffers: a microphone that was just powered swings


async def listen(board, clock, seconds, take=None, rate=16000):
    """Listen to a board's microphone for so long, at `rate` Hz, 16 bit, mono.

    The loudest level in dBFS, and whether nothing but one value came; None without a microphone.
    `take(buf, level)` is given each buffer and its Level. Raises OSError, ValueError and
    MemoryError as the driver does, OSError if no sound comes.
    """
    stream = microphone.of(board, rate)
    if stream is None:
        return None
    # Not the machine code: the recorder's may be loaded, and only a reset frees it.
    level = Level(native.module("level_plain"))
    size = rate * _BUFFER_MS // 1000 * 2
    capture = Capture(stream, clock, (bytearray(size), bytearray(size)), _BUFFER_MS)
    low, high, loudest = 32767, -32768, -97
    try:
        await capture.start()
        for i in range(_SETTLE + max(1, seconds * 1000 // _BUFFER_MS)):
            buf, _ = await capture.next()
            if buf is None:
                raise OSError("no sound comes")
            if i >= _SETTLE:
                level.feed(buf)
                low, high = min(low, level.low), max(high, level.high)
                loudest = max(loudest, level.dbfs())
                if take:
                    take(buf, level)
            await capture.give(buf)
    finally:
        capture.close()
    return round(loudest), low == high
