"""What the emulated microphone gives, made anew to compare; and what has arrived of it."""

import struct

from tools.cloud import Cloud

_BLOCK = 512
_HEAD = 44  # of a WAV file
_TEMPLATE = bytes(i * 37 & 255 for i in range(_BLOCK))
_BUFFER = 4096  # what the microphone gives at once: silence for a gap stands between two


def samples(number: int, size: int) -> bytes:
    """The first `size` bytes of recording `number` (see mpy/board.py)."""
    blocks = range(-(-size // _BLOCK))
    return b"".join(struct.pack("<II", number, i) + _TEMPLATE[8:] for i in blocks)[:size]


def arrived(cloud: Cloud, number: int) -> bytes | None:
    """The samples of recording `number` that the cloud has acknowledged as complete, or None;
    what the chip had no time to take and said so (event `gap`) is not among them."""
    for recording in cloud.recordings():
        if recording.status != "uploaded":
            continue
        # An upload-url that a power cut made useless leaves a medium without bytes behind.
        sent = [m for m in recording.media if m.status == "uploaded"]
        body = cloud.media_bytes(recording, sent[-1])[_HEAD:] if sent else b""
        if body[:4] == struct.pack("<I", number):
            return _without_silence(body)
    return None


def _without_silence(body: bytes) -> bytes:
    """The samples without the silence that the recorder put where some were lost."""
    out, at = b"", 0
    while at < len(body):
        rest = body[at:].lstrip(b"\0")
        # A block begins with its number, whose first byte is none of the zeros.
        at = len(body) - len(rest)
        out += rest[:_BUFFER]
        at += _BUFFER
    return out


def whole(cloud: Cloud, number: int, size: int) -> bool:
    """Whether recording `number` has arrived, and is what was recorded, byte for byte."""
    return arrived(cloud, number) == samples(number, size)


def part(cloud: Cloud, number: int, least: int) -> bool:
    """Whether at least `least` bytes of a recording that was cut off have arrived, unharmed."""
    body = arrived(cloud, number)
    return body is not None and len(body) >= least and body == samples(number, len(body))


def told(cloud: Cloud, number: int) -> str:
    """How much of recording `number` has arrived, and how much of that is as it was recorded."""
    body = arrived(cloud, number) or b""
    pairs = zip(body, samples(number, len(body)), strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), len(body))
    return f"{len(body)} arrived, {same} of them unharmed"
