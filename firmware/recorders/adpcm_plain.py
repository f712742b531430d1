"""The inner loop of `adpcm.py` where machine code can't be loaded: `adpcm_viper.py`'s twin."""

NATIVE = False


def encode(samples, n, out, state):
    """Code `n` samples (an even number) from sample 1 on, two a byte, into `out[4:]`.

    `state` is [predictor + 32768, index, 89 step sizes]; it is left as it is after them.
    """
    predictor, index = state[0] - 32768, state[1]
    for i in range(1, n + 1):
        value = samples[2 * i] | samples[2 * i + 1] << 8
        diff = value - ((value & 0x8000) << 1) - predictor
        step = state[2 + index]
        left = abs(diff)
        code = 0
        delta = step >> 3
        for bit in (4, 2, 1):
            if left >= step:
                code |= bit
                left -= step
                delta += step
            step >>= 1
        if diff < 0:
            predictor = max(predictor - delta, -32768)
        else:
            predictor = min(predictor + delta, 32767)
        index = min(max(index + (-1, -1, -1, -1, 2, 4, 6, 8)[code], 0), 88)
        code |= 8 if diff < 0 else 0
        at = 4 + (i - 1) // 2
        out[at] = code if i & 1 else out[at] | code << 4
    state[0], state[1] = predictor + 32768, index
