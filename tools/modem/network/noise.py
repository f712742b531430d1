"""Bytes lost and damaged on the way."""

import random


class Noise:
    """Loses and damages the bytes of one direction, as `carrier` says at the time."""

    def __init__(self, carrier, seed):
        self._carrier = carrier
        self._random = random.Random(seed)

    def __call__(self, data: bytes) -> bytes:
        """What arrives of `data`."""
        loss, damage = self._carrier.loss, self._carrier.damage
        if not loss and not damage:
            return data
        out = bytearray()
        for byte in data:
            if self._random.random() < loss:
                continue
            if self._random.random() < damage:
                byte ^= 1 << self._random.randrange(8)
            out.append(byte)
        return bytes(out)
