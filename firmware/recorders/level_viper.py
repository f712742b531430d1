"""The inner loop of `level.py` as machine code; `level_plain.py` gives the same numbers.

All in offset binary (0 to 65535, silence 32768), which needs no sign in a 64-bit word.
"""

import micropython


@micropython.viper
def measure(samples: ptr16, n: int, out: ptr32):  # noqa: F821
    """Of at most 16384 samples: out[0] the least, out[1] the greatest, out[2] the sum, out[3]
    the sum of the distances from out[4]."""
    least = 65535
    most = total = away = 0
    middle = int(out[4])
    i = 0
    while i < n:
        x = int(samples[i]) ^ 0x8000
        if x < least:
            least = x
        if x > most:
            most = x
        total += x
        x -= middle
        away += x if x > 0 else 0 - x
        i += 1
    out[0] = least
    out[1] = most
    out[2] = total
    out[3] = away
