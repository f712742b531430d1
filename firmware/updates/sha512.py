"""SHA-512 (FIPS 180-4), which MicroPython's hashlib lacks: slow, for some hundred bytes."""

from micropython import const

_MASK = const(0xFFFFFFFFFFFFFFFF)


def _root(value, degree):
    """The whole part of a root, by Newton's steps from above."""
    x = 1 << 80
    while True:
        y = ((degree - 1) * x + value // x ** (degree - 1)) // degree
        if y >= x:
            return x
        x = y


def _fractions(count, degree):
    """The first 64 bits of the fractional parts of the roots of the first `count` primes: what
    FIPS 180-4 makes its constants of (4.2.3 of cube roots, 5.3.5 of square roots)."""
    out = []
    n = 2
    while len(out) < count:
        for i in range(2, n):
            if n % i == 0:
                break
        else:
            out.append(_root(n << 64 * degree, degree) & _MASK)
        n += 1
    return out


def _turned(x, n):
    return (x >> n | x << 64 - n) & _MASK


def _block(state, k, data, at):
    # FIPS 180-4 section 6.4.2; `w` holds the last 16 words of the schedule.
    w = [int.from_bytes(data[at + i : at + i + 8], "big") for i in range(0, 128, 8)]
    a, b, c, d, e, f, g, h = state
    for t in range(80):
        if t >= 16:
            x, y = w[t - 15 & 15], w[t - 2 & 15]
            s0 = _turned(x, 1) ^ _turned(x, 8) ^ x >> 7
            s1 = _turned(y, 19) ^ _turned(y, 61) ^ y >> 6
            w[t & 15] = w[t & 15] + s0 + w[t - 7 & 15] + s1 & _MASK
        s1 = _turned(e, 14) ^ _turned(e, 18) ^ _turned(e, 41)
        one = h + s1 + (e & f ^ ~e & g) + k[t] + w[t & 15]
        s0 = _turned(a, 28) ^ _turned(a, 34) ^ _turned(a, 39)
        two = s0 + (a & b ^ a & c ^ b & c)
        h, g, f, e, d, c, b, a = g, f, e, d + one & _MASK, c, b, a, one + two & _MASK
    new = (a, b, c, d, e, f, g, h)
    return [state[i] + new[i] & _MASK for i in range(8)]


async def sha512(data, between):
    """The digest of bytes; `await between()` is done after each block of 128."""
    size = len(data)
    data = data + b"\x80" + bytes((111 - size) % 128) + (size * 8).to_bytes(16, "big")
    state = _fractions(8, 2)
    k = _fractions(80, 3)
    for at in range(0, len(data), 128):
        state = _block(state, k, data, at)
        await between()
    return b"".join(x.to_bytes(8, "big") for x in state)
