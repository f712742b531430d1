"""The inner loops of `flac.py` where machine code can't be loaded: `flac_viper.py`'s twin."""

NATIVE = False


def _sample(samples, i):
    value = samples[2 * i] | samples[2 * i + 1] << 8
    return value - ((value & 0x8000) << 1)


def _residual(samples, n, order):
    """Generate the residual of the fixed predictor `order` (RFC 9639 section 9.2.5)."""
    last = [0, 0, 0, 0]
    for i in range(n):
        e = _sample(samples, i)
        for k in range(order):
            e, last[k] = e - last[k], e
        yield e


def _folded(samples, n, order):
    for e in _residual(samples, n, order):
        yield e << 1 if e >= 0 else ~(e << 1)


def order(samples, n):
    """The fixed predictor whose residual is least: 0 to 4; 6 if all samples are the same."""
    if n and all(_sample(samples, i) == _sample(samples, 0) for i in range(n)):
        return 6
    best = least = None
    for k in range(5):
        total = 0
        i = 0
        for e in _residual(samples, n, k):
            if i > 3:
                total += abs(e)
            i += 1
        if best is None or total < least:
            best, least = k, total
    return best


def sums(samples, n, work):
    """The folded residual's sum of each partition, of order 0 to work[1]."""
    first, finest = work[0], work[1]
    for node in range(32, 64):
        work[node] = 0
    i = 0
    for u in _folded(samples, n, first):
        if i >= first:
            for p in range(finest + 1):
                work[32 + (1 << p) + i // (n >> p)] += u
        i += 1


def parameters(n, work):
    """The Rice parameter of each partition; the cheapest partition order to work[1].

    work[0] becomes 5, verbatim, if that takes no more bits.
    """
    first, finest = work[0], work[1]
    best = 16 * n
    work[0] = 5
    for p in range(finest + 1):
        cost = 6 + 16 * first
        for node in range(1 << p, 2 << p):
            count = (n >> p) - (first if node == 1 << p else 0)
            total = work[32 + node]
            bits = [
                count * (k + 1) + (max(0, total - ((count * ((1 << k) - 1)) >> 1)) >> k)
                for k in range(15)
            ]
            cost += min(bits) + 4
            work[64 + node] = bits.index(min(bits))
        if cost < best:
            best = cost
            work[0], work[1] = first, p


def rice(samples, n, work, out):
    """Write the residual to `out` from work[2] on; where it ends."""
    first, p, at = work[0], work[1], work[2]
    acc, bits = p, 6
    i = k = 0
    for u in _folded(samples, n, first):
        if i % (n >> p) == 0:
            k = work[64 + (1 << p) + i // (n >> p)]
            acc, bits = acc << 4 | k, bits + 4
        if i >= first:
            acc = (acc << ((u >> k) + 1) | 1) << k | u & (1 << k) - 1
            bits += (u >> k) + 1 + k
        while bits > 7:
            bits -= 8
            out[at] = acc >> bits
            acc &= (1 << bits) - 1
            at += 1
        i += 1
    if bits:
        out[at] = acc << (8 - bits)
        at += 1
    return at


def verbatim(samples, n, out, at):
    """Write `n` samples as they are to `out` from `at` on; where they end."""
    for i in range(0, 2 * n, 2):
        out[at] = samples[i + 1]
        out[at + 1] = samples[i]
        at += 2
    return at


def crc16(out, n, work):
    """The CRC-16 of the first `n` bytes; work[16:32] is the table."""
    crc = 0
    for i in range(n):
        for nibble in (out[i] >> 4, out[i] & 15):
            crc = (crc << 4 & 0xFFFF) ^ work[16 + (crc >> 12 ^ nibble)]
    return crc
