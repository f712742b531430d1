"""The firmware uses only what the oldest image that is supported has."""

import re
from pathlib import Path

import floor
import pytest
from conftest import ROOT


def sources():
    """What runs on a device, by the path it is imported under."""
    firmware = ROOT / "firmware"
    files = {p.relative_to(firmware): p.read_text() for p in firmware.rglob("*.py")}
    del files[Path("manifest.py")]  # the manifest tool's, on the host
    for board in (ROOT / "boards").glob("*/board.py"):
        if board.parent.name != "unix":
            files[Path("board.py") / board.parent.name] = board.read_text()
    return files


def test_the_firmware_uses_nothing_that_the_floor_lacks():
    # Attributes that no source gives a name: the settings' keys, a camera module's method.
    config = (ROOT / "firmware/uploader/config.py").read_text()
    named = set(re.findall(r'"(\w+)":', config)) | {"timezone_s", "capture", "Camera"}
    assert floor.check(sources(), named) == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("'a b'.title()", "str has no title"),
        ("x = str(1)\nx.removeprefix('a')", "nothing has a removeprefix"),
        ("x = str(1)\nx.zfill(3)", "nothing has a zfill"),
        ("x = str(1)\nx.split(sep=',')", "takes no keyword sep"),
        ("x = str(1)\nx.split(',', 1, 2)", "takes 2 arguments at most"),
        ("b'a'.encode()", "bytes has no encode"),
        ("'a'.decode()", "str has no decode"),
        ("x = b'' + b''\nx.hex(':', 2)", "takes 1 arguments at most"),
        ("sum([1], start=2)", "takes no keyword start"),
        ("next(iter([]), None, 1)", "takes 2 arguments at most"),
        ("int('1', base=16)", "takes no keyword base"),
        ("sorted([1], lambda a: a)", "takes 1 arguments at most"),
        ("zip([1], [2], strict=True)", "takes no keyword strict"),
        ("ascii('x')", "no builtin ascii"),
        ("try:\n    pass\nexcept TimeoutError:\n    pass", "no builtin TimeoutError"),
        ("try:\n    pass\nexcept ConnectionResetError:\n    pass", "no builtin Connection"),
        ("def f(e):\n    return e.strerror", "nothing has a strerror"),
        ("import dataclasses", "no module dataclasses"),
        ("from typing import Any", "no module typing"),
        ("import os\nos.getenv('HOME')", "no os.getenv"),
        ("import os\nos.fsync(1)", "no os.fsync"),
        ("import os.path\nos.path.join('a', 'b')", "no module os.path"),
        ("from errno import EPIPE", "no errno.EPIPE"),
        ("import socket\nsocket.SO_SNDBUF", "no socket.SO_SNDBUF"),
        ("import socket\nsocket.getaddrinfo('a', 1, family=2)", "takes no keyword family"),
        ("import json\njson.dumps({}, indent=1)", "takes no keyword indent"),
        ("import hashlib\nhashlib.sha512(b'')", "no hashlib.sha512"),
        ("import hashlib\nh = hashlib.md5()\nh.hexdigest()", "nothing has a hexdigest"),
        ("import asyncio\nasyncio.TaskGroup()", "no asyncio.TaskGroup"),
        ("from asyncio import Queue", "no asyncio.Queue"),
        ("import asyncio\nasyncio.gather(1, timeout=2)", "takes no keyword timeout"),
        ("import time\ntime.monotonic()", "no time.monotonic"),
        ("import time\ntime.strftime('%Y')", "no time.strftime"),
        ("import binascii\nbinascii.b2a_hex(b'')", "no binascii.b2a_hex"),
        ("import machine\nmachine.WDT(timeout=1, window=2)", "takes no keyword window"),
        ("import machine\nmachine.Pin(1, value=1, alt=2)", "takes no keyword alt"),
        ("import network\nnetwork.PPP(1, 2)", "takes 1 arguments at most"),
        ("def f(wlan):\n    wlan.connect('a', 'b', channel=3)", "takes no keyword"),
        ("import esp32\nesp32.idf_heap_info()", "needs 1 arguments"),
        ("import sys\nsys.getsizeof(1)", "no sys.getsizeof"),
        ("class A:\n    def __await__(self):\n        pass", "__await__ is never called"),
    ],
)
def test_what_the_floor_lacks_is_found(code, says):
    problems = floor.check({Path("x.py"): code})
    assert len(problems) >= 1 and any(says in p for p in problems), problems


@pytest.mark.parametrize(
    "code",
    [
        "max([], default=0)",  # MicroPython has it: py/modbuiltins.c, mp_builtin_min_max
        "next(iter([]), None)",  # since 1.25
        "import asyncio\nasyncio.wait_for(1, timeout=2)",  # Python, so by position or by name
        "import os\nfor name in os.ilistdir('/'):\n    print(name[0], end='')",
        "class A:\n    def title(self):\n        return self.title()",
        "args = (1, 2, 3, 4)\nint(*args)",
        "import machine\nmachine.Pin(2, machine.Pin.IN, machine.Pin.PULL_UP)",
        "from machine import I2S, Pin\nI2S(0, sck=Pin(1), ws=Pin(2), sd=Pin(3), mode=I2S.RX,"
        " bits=16, format=I2S.MONO, rate=16000, ibuf=20480)",
    ],
)
def test_what_the_floor_has_is_no_problem(code):
    assert floor.check({Path("x.py"): code}) == []
