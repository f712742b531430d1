"""Opening what may not be there, or not yet have its memory."""

from micropython import const

_FIRST_S = const(1)
_MOST_S = const(60)
# 8 bytes a frame whatever the format, in descriptors of 256 frames of which one is being
# filled (ports/esp32/machine_i2s.c, get_dma_buf_count; ESP-IDF v5.4 i2s_common.c): of 20 KB of
# the little memory that DMA can reach, 9 x 256 samples.
IBUF = const(20480)
HELD_FRAMES = const(2304)


def i2s(pins, rate=16000):
    """A `machine.I2S` of a board's MICROPHONE (`id`, `sck`, `ws`, `sd`), mono, 16 bit.

    Raises OSError, for want of DMA memory for one.
    """
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


def of(board, rate=16000):
    """A stream of a board's microphone, as `machine.I2S` gives it; None if there is none."""
    make = getattr(board, "make_microphone", None)
    if make:
        return make()
    pins = getattr(board, "MICROPHONE", None)
    return i2s(pins, rate) if pins else None


async def opened(make, clock, emit, wanted):
    """What `make()` gives; None once `wanted()` is False.

    A failure is told, as `emit("microphone", state="failed", reason=, wait_s=)`, and tried again
    after 1, 2, 4 ... 60 s.
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
