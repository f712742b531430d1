"""The rules of `firmware/uploader/zones.py`, made from the IANA time zone database as PyPI's
`tzdata` has it: `python -m tools.zones`."""

import importlib.resources
import re
import zlib
from pathlib import Path

import tzdata

TARGET = Path(__file__).parents[1] / "firmware/uploader/zones.py"
_BEGIN, _END = "# Made by tools/zones.py\n", "# End of what was made\n"
_DATA = importlib.resources.files("tzdata")
# RFC 9636, section 3.3: a footer is a TZ string of POSIX, "Environment Variable TZ".
_NAME, _OFFSET = r"(?:<[^>]+>|[A-Za-z]{3,})", r"([-+]?[\d:]+)"
_FOOTER = re.compile(rf"{_NAME}{_OFFSET}(?:{_NAME}{_OFFSET}?(?:,(.+),(.+))?)?$")
_DATE = re.compile(r"M(\d+)\.(\d)\.(\d)(?:/(.+))?$")


def names() -> list[str]:
    """Every zone and every other name for one."""
    return (_DATA / "zones").read_text().split()


def footer(name: str) -> str:
    """The rule that holds once exceptions for single years are over, as POSIX writes it."""
    data = (_DATA / "zoneinfo" / name).read_bytes()
    return data.rstrip(b"\n").rsplit(b"\n", 1)[-1].decode()


def _quarters(text: str) -> int:
    hours, *rest = text.lstrip("+-").split(":")
    minutes = int(hours) * 60 + int(rest[0] if rest else 0)
    assert minutes % 15 == 0 and len(rest) < 2, text
    return minutes // 15 * (-1 if text.startswith("-") else 1)


def _date(text: str) -> list[int]:
    month, week, day, at = _DATE.match(text).groups()
    return [int(month), int(week), int(day), _quarters(at or "2") + 8]


def rule(text: str) -> bytes:
    """Ten bytes: both offsets in quarters of an hour, + 64; when the second begins and ends:
    month, week (5: the last), day of the week, quarters of an hour + 8."""
    standard, other, start, end = _FOOTER.match(text).groups()
    first = -_quarters(standard)  # POSIX counts west of Greenwich
    if start is None:
        return bytes([first + 64, first + 64, *[0] * 8])
    second = -_quarters(other) if other else first + 4
    return bytes([first + 64, second + 64, *_date(start), *_date(end)])


def tables() -> tuple[bytes, bytes]:
    """(names, rules): four bytes a name, the low 24 bits of its CRC-32 and the rule's number."""
    rules = sorted({rule(footer(name)) for name in names()})
    keys = {}
    for name in names():
        key = (zlib.crc32(name.encode()) & 0xFFFFFF).to_bytes(3, "big")
        assert keys.setdefault(key, name) == name, "two names of one hash"
    listed = b"".join(
        key + bytes([rules.index(rule(footer(name)))]) for key, name in sorted(keys.items())
    )
    return listed, b"".join(rules)


def _literal(name: str, data: bytes) -> str:
    lines = [f"{name} = ("]
    for i in range(0, len(data), 22):
        lines.append('    b"' + "".join(f"\\x{b:02x}" for b in data[i : i + 22]) + '"')
    return "\n".join([*lines, ")\n"])


def made() -> str:
    """The part of the module that is made."""
    listed, rules = tables()
    return (
        f"{_BEGIN}# from the IANA time zone database {tzdata.IANA_VERSION}: {len(names())} names.\n"
        + _literal("_NAMES", listed)
        + _literal("_RULES", rules)
        + _END
    )


if __name__ == "__main__":
    text = TARGET.read_text()
    before, rest = text.split(_BEGIN)
    TARGET.write_text(before + made() + rest.split(_END)[1])
