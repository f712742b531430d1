"""Opening what may not be there, or not yet have its memory."""

from micropython import const

_FIRST_S = const(1)
_MOST_S = const(60)


async def opened(make, clock, emit, wanted):
    """What `make()` gives; None once `wanted()` is False.

    A failure (machine.I2S raises OSError for want of DMA memory, ValueError for wrong pins) is
    told, as `emit("microphone", state="failed", reason=, wait_s=)`, and tried again after 1, 2,
    4 ... 60 s.
    """
    wait_s = _FIRST_S
    while wanted():
        try:
            return make()
        except (MemoryError, OSError, ValueError) as e:
            emit("microphone", state="failed", reason=str(e) or type(e).__name__, wait_s=wait_s)
        # In short steps: a stop is not kept waiting for a minute.
        for _ in range(wait_s * 5):
            if not wanted():
                break
            await clock.sleep_ms(200)
        wait_s = min(2 * wait_s, _MOST_S)
    return None
