"""Ed25519 signatures (RFC 8032 section 5.1): verification alone, on Python's long integers.

Nothing here is secret, so nothing takes the same time for all inputs.
"""

import gc

from micropython import const

from .sha512 import sha512

_P = (1 << 255) - 19
_L = (1 << 252) + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_I = pow(2, (_P - 1) // 4, _P)  # a square root of -1
_TURNS = const(4)  # doublings in one go
# Bytes between two collections: with `memory`'s 1,024 they take five sixths of the time.
_SELDOM = const(8192)


def _x(y, sign):
    """The x of a point with this y and the sign bit, None if there is none (5.1.3)."""
    x2 = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(x2, (_P + 3) // 8, _P)
    if (x * x - x2) % _P:
        x = x * _I % _P
    if (x * x - x2) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _point(data):
    """The point (extended coordinates X, Y, Z, T) of 32 bytes, None if they are none's."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = _x(y, sign) if y < _P else None
    return None if x is None else (x, y, 1, x * y % _P)


def _sum(p, q):
    # 5.1.4: complete, so that it doubles and takes the neutral point, too.
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] % _P * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p):
    a = p[0] * p[0] % _P
    b = p[1] * p[1] % _P
    h = a + b
    e = h - (p[0] + p[1]) * (p[0] + p[1])
    g = a - b
    f = 2 * p[2] * p[2] + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


async def verify(key, signature, message, between):
    """True if `signature` (64 bytes) is that of `message` (bytes) by the public `key` (32
    bytes). `await between()` is done every few milliseconds of work on a desktop, some hundred on
    an ESP32."""
    if len(key) != 32 or len(signature) != 64:
        return False
    before = gc.threshold()
    try:
        if 0 < before < _SELDOM:
            gc.threshold(_SELDOM)
        return await _verify(key, signature, message, between)
    finally:
        gc.threshold(before)


async def _verify(key, signature, message, between):
    s = int.from_bytes(signature[32:], "little")
    a = _point(key)
    if a is None or s >= _L:
        return False
    h = await sha512(signature[:32] + key + message, between)
    h = int.from_bytes(h, "little") % _L
    # S B - h A is R, bit by bit of both numbers at once.
    minus = (_P - a[0], a[1], 1, _P - a[3])
    y = 4 * pow(5, _P - 2, _P) % _P
    x = _x(y, 0)
    base = (x, y, 1, x * y % _P)
    added = (None, base, minus, _sum(base, minus))
    p = (0, 1, 1, 0)
    for bit in range(252, -1, -1):
        p = _double(p)
        which = (s >> bit & 1) + 2 * (h >> bit & 1)
        if which:
            p = _sum(p, added[which])
        if bit % _TURNS == 0:
            await between()
    z = pow(p[2], _P - 2, _P)
    x, y = p[0] * z % _P, p[1] * z % _P
    # Compared as bytes, so that R has to be as RFC 8032 writes it.
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]
