"""The inner loop of `level.py` where machine code can't be loaded: `level_viper.py`'s twin."""


def measure(samples, n, out):
    """Of at most 16384 samples: out[0] the least, out[1] the greatest, out[2] the sum, out[3]
    the sum of the distances from out[4]."""
    least = 65535
    most = total = away = 0
    middle = out[4]
    for i in range(0, 2 * n, 2):
        x = samples[i] | (samples[i + 1] ^ 0x80) << 8
        least = min(least, x)
        most = max(most, x)
        total += x
        away += abs(x - middle)
    out[0] = least
    out[1] = most
    out[2] = total
    out[3] = away
