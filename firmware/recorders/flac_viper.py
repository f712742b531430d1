"""The inner loops of `flac.py` as machine code; `flac_plain.py` gives the same bytes.

A viper int is a machine word, 32 bits on a chip: blocks are of at most 1024 samples, so that
the sums of a fourth difference (20 bits) fit. What stands in `work` (array of 'i') is never
negative, because a 64-bit word does not get its sign from a ptr32. The layout is `flac.py`'s.
"""

import micropython

NATIVE = True


@micropython.viper
def order(samples: ptr16, n: int) -> int:  # noqa: F821
    """The fixed predictor whose residual is least: 0 to 4; 6 if all samples are the same."""
    p0 = p1 = p2 = p3 = 0
    s0 = s1 = s2 = s3 = s4 = 0
    changes = 0
    i = 0
    while i < n:
        e0 = (int(samples[i]) ^ 0x8000) - 0x8000
        e1 = e0 - p0
        e2 = e1 - p1
        e3 = e2 - p2
        e4 = e3 - p3
        p0 = e0
        p1 = e1
        p2 = e2
        p3 = e3
        if i > 0:
            changes |= e1
        if i > 3:
            s0 += (e0 ^ (e0 >> 31)) - (e0 >> 31)
            s1 += (e1 ^ (e1 >> 31)) - (e1 >> 31)
            s2 += (e2 ^ (e2 >> 31)) - (e2 >> 31)
            s3 += (e3 ^ (e3 >> 31)) - (e3 >> 31)
            s4 += (e4 ^ (e4 >> 31)) - (e4 >> 31)
        i += 1
    if changes == 0:
        return 6
    if s0 <= s1 and s0 <= s2 and s0 <= s3 and s0 <= s4:
        return 0
    if s1 <= s2 and s1 <= s3 and s1 <= s4:
        return 1
    if s2 <= s3 and s2 <= s4:
        return 2
    return 3 if s3 <= s4 else 4


@micropython.viper
def sums(samples: ptr16, n: int, work: ptr32):  # noqa: F821
    """The folded residual's sum of each partition, of order 0 to work[1]."""
    order = int(work[0])
    finest = int(work[1])
    size = end = n >> finest
    node = 32 + (1 << finest)
    total = 0
    p0 = p1 = p2 = p3 = 0
    i = 0
    while i < n:
        if i == end:
            work[node] = total
            total = 0
            node += 1
            end += size
        e = (int(samples[i]) ^ 0x8000) - 0x8000
        if order > 0:
            p0, e = e, e - p0
            if order > 1:
                p1, e = e, e - p1
                if order > 2:
                    p2, e = e, e - p2
                    if order > 3:
                        p3, e = e, e - p3
        if i >= order:
            total += (e << 1) ^ (e >> 31)
        i += 1
    work[node] = total
    node = (1 << finest) - 1
    while node > 0:
        work[32 + node] = int(work[32 + 2 * node]) + int(work[33 + 2 * node])
        node -= 1


@micropython.viper
def parameters(n: int, work: ptr32):  # noqa: F821
    """The Rice parameter of each partition; the cheapest partition order to work[1].

    work[0] becomes 5, verbatim, if that takes no more bits.
    """
    order = int(work[0])
    finest = int(work[1])
    best = n * 16
    work[0] = 5
    p = 0
    while p <= finest:
        cost = 6 + 16 * order
        count = (n >> p) - order
        node = 1 << p
        while node < 2 << p:
            total = int(work[32 + node])
            least = count + total
            work[64 + node] = 0
            k = 1
            while k < 15:
                # Each quotient loses half a unit on average.
                bits = total - ((count * ((1 << k) - 1)) >> 1)
                bits = count * (k + 1) + (bits >> k if bits > 0 else 0)
                if bits < least:
                    least = bits
                    work[64 + node] = k
                k += 1
            cost += least + 4
            count = n >> p
            node += 1
        if cost < best:
            best = cost
            work[0] = order
            work[1] = p
        p += 1


@micropython.viper
def rice(samples: ptr16, n: int, work: ptr32, out: ptr8) -> int:  # noqa: F821
    """Write the residual to `out` from work[2] on; where it ends."""
    order = int(work[0])
    acc = int(work[1])
    bits = 6
    size = n >> acc
    node = 64 + (1 << acc)
    at = int(work[2])
    end = k = 0
    p0 = p1 = p2 = p3 = 0
    i = 0
    while i < n:
        if i == end:
            k = int(work[node])
            node += 1
            end += size
            acc = acc << 4 | k
            bits += 4
        e = (int(samples[i]) ^ 0x8000) - 0x8000
        if order > 0:
            p0, e = e, e - p0
            if order > 1:
                p1, e = e, e - p1
                if order > 2:
                    p2, e = e, e - p2
                    if order > 3:
                        p3, e = e, e - p3
        if i >= order:
            e = (e << 1) ^ (e >> 31)
            q = e >> k
            if bits > 7:
                bits -= 8
                out[at] = acc >> bits
                at += 1
            while q > 7:
                out[at] = acc << (8 - bits)
                acc = 0
                at += 1
                q -= 8
            # At most 7 bits wait, then 7 zeros, the one and 14 bits: 29.
            acc = (acc << (q + 1) | 1) << k | (e & ((1 << k) - 1))
            bits += q + 1 + k
            while bits > 7:
                bits -= 8
                out[at] = acc >> bits
                at += 1
            acc &= 127
        i += 1
    if bits > 0:
        out[at] = acc << (8 - bits)
        at += 1
    return at


@micropython.viper
def verbatim(samples: ptr16, n: int, out: ptr8, at: int) -> int:  # noqa: F821
    """Write `n` samples as they are to `out` from `at` on; where they end."""
    i = 0
    while i < n:
        out[at] = int(samples[i]) >> 8
        out[at + 1] = int(samples[i])
        at += 2
        i += 1
    return at


@micropython.viper
def crc16(out: ptr8, n: int, work: ptr32) -> int:  # noqa: F821
    """The CRC-16 of the first `n` bytes; work[16:32] is the table."""
    crc = 0
    i = 0
    while i < n:
        byte = int(out[i])
        crc = (crc << 4 & 0xFFFF) ^ int(work[16 + (crc >> 12 ^ byte >> 4)])
        crc = (crc << 4 & 0xFFFF) ^ int(work[16 + (crc >> 12 ^ byte & 15)])
        i += 1
    return crc
