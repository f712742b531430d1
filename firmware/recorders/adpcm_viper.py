"""The inner loop of `adpcm.py` as machine code; `adpcm_plain.py` gives the same bytes.

What stands in `state` is never negative: a 64-bit word does not get its sign from a ptr32.
"""

import micropython

NATIVE = True


@micropython.viper
def encode(samples: ptr16, n: int, out: ptr8, state: ptr32):  # noqa: F821
    """Code `n` samples (an even number) from sample 1 on, two a byte, into `out[4:]`.

    `state` is [predictor + 32768, index, 89 step sizes]; it is left as it is after them.
    """
    predictor = int(state[0]) - 0x8000
    index = int(state[1])
    at = 4
    low = 0
    i = 1
    while i <= n:
        diff = ((int(samples[i]) ^ 0x8000) - 0x8000) - predictor
        step = int(state[2 + index])
        code = 0
        if diff < 0:
            code = 8
            diff = 0 - diff
        delta = step >> 3
        if diff >= step:
            code |= 4
            diff -= step
            delta += step
        if diff >= step >> 1:
            code |= 2
            diff -= step >> 1
            delta += step >> 1
        if diff >= step >> 2:
            code |= 1
            delta += step >> 2
        if code & 8:
            predictor = predictor - delta if predictor - delta > -32768 else -32768
        else:
            predictor = predictor + delta if predictor + delta < 32767 else 32767
        index += ((code & 7) - 3) * 2 if code & 4 else -1
        index = 0 if index < 0 else 88 if index > 88 else index
        if i & 1:
            low = code
        else:
            out[at] = low | code << 4
            at += 1
        i += 1
    state[0] = predictor + 0x8000
    state[1] = index
