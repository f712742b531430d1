"""The emulated chip's own parts, and the product on it where there is one.

`QEMU=` (or one on PATH) and `FIRMWARE=`, an official image, run the rows of `make
emulator-test` here; without them that test says so and is skipped.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from tools import micropython
from tools.device import package
from tools.device.connection import DeviceError
from tools.device.package import File
from tools.emulator import chip, flash, samples, sntp
from tools.emulator.bench import MPY


def table(*entries) -> bytes:
    """An image of nothing but a partition table of (label, offset, size)."""
    rows = [flash.ENTRY.pack(flash.MAGIC, 1, 2, at, n, name.encode(), 0) for name, at, n in entries]
    return bytes(flash.TABLE_AT - flash.IMAGE_AT) + b"".join(rows) + b"\xeb\xeb" + b"\xff" * 30


def test_the_file_system_begins_where_micropython_looks_for_it():
    since_126 = table(("nvs", 0x9000, 0x6000), ("factory", 0x10000, 0x1F0000))
    found = flash.file_system(flash.partitions(since_126))
    assert (found.offset, found.size) == (0x200000, 0x200000)
    # An entry wins, and the last partition need not be the table's last.
    named = table(("vfs", 0x200000, 0x100000), ("factory", 0x10000, 0x1F0000))
    assert flash.file_system(flash.partitions(named)) == flash.Partition("vfs", 0x200000, 0x100000)
    unordered = table(("ota_1", 0x190000, 0x180000), ("ota_0", 0x10000, 0x180000))
    assert flash.file_system(flash.partitions(unordered)).offset == 0x310000


def test_what_is_no_image_is_refused():
    with pytest.raises(DeviceError, match="no partition table"):
        flash.partitions(b"\xff" * 0x10000)
    with pytest.raises(DeviceError, match="no room"):
        flash.file_system(flash.partitions(table(("factory", 0x10000, 0x3F0000))))


def test_the_flash_holds_what_deploy_copies_and_micropython_reads_it_back(tmp_path):
    files = package.tree(MPY / "board.py", MPY / "probe.py")
    deployed = {f.path for f in package.build("esp32_generic")}
    assert {f.path for f in files} == deployed | {"/lib/probe.mpy"}
    image = table(("factory", 0x10000, 0x1F0000))
    path = tmp_path / "flash.bin"
    flash.lay_out(path, image, [*files, File("/roots/a.der", b"\x00\x01")])
    data = path.read_bytes()
    assert len(data) == flash.SIZE and data[0x1000 : 0x1000 + len(image)] == image
    script = tmp_path / "read.py"
    script.write_text(_READ_BACK)
    found = micropython.report(script, path, heap="16m")
    assert found == {f.path: f.sha256 for f in files} | {
        "/roots/a.der": File("", b"\x00\x01").sha256
    }


_READ_BACK = """
import os, sys, json, vfs
from hashlib import sha256
from binascii import hexlify
with open(sys.argv[1], "rb") as f:
    f.seek(0x200000)
    data = f.read()
class Image:
    def readblocks(self, n, buf, offset=0):
        at = n * 4096 + offset
        buf[:] = data[at : at + len(buf)]
    def writeblocks(self, n, buf, offset=0):
        raise OSError(30)
    def ioctl(self, op, arg):
        return {4: len(data) // 4096, 5: 4096}.get(op, 0)
vfs.mount(vfs.VfsLfs2(Image()), "/f")
found = {}
def walk(folder):
    for entry in os.ilistdir("/f" + folder):
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            walk(path)
        else:
            with open("/f" + path, "rb") as f:
                found[path] = hexlify(sha256(f.read()).digest()).decode()
walk("")
print(json.dumps(found))
"""


def test_the_device_takes_the_time_of_the_sntp_server(tmp_path):
    """By its own code, which discards what RFC 4330 says to discard."""
    script = tmp_path / "ask.py"
    script.write_text(
        "import asyncio, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from uploader.timesync import sntp\n"
        "from uploader.links import addresses\n"
        "server = addresses('127.0.0.1', int(sys.argv[2]))[0]\n"
        "print(asyncio.run(sntp(server)))\n"
    )
    with sntp.Sntp() as server:
        out = micropython.run(script, ROOT / "firmware", server.port)
    assert abs(int(out) - time.time()) < 60
    assert server.asked >= 1


def test_samples_tell_what_is_missing_or_harmed():
    whole = samples.samples(7, 2000)
    assert len(whole) == 2000 and whole[:4] == b"\x07\0\0\0" and whole[516:520] == b"\x01\0\0\0"
    assert samples.samples(7, 1000) == whole[:1000] != samples.samples(8, 1000)


def test_only_a_recording_that_arrived_unharmed_counts(cloud, board):
    """Through the real module and cloud, as it comes from the chip."""
    good = bytes(44) + samples.samples(7, 30000)
    harmed = bytearray(bytes(44) + samples.samples(8, 30000))
    harmed[20000] ^= 1
    for number, data in ((7, good), (8, bytes(harmed)), (9, bytes(44) + samples.samples(9, 999))):
        board.add(board.file(f"{number}.wav", data))
    assert samples.arrived(cloud, 7) is None
    assert board.drain().returncode == 0
    assert samples.whole(cloud, 7, 30000) and samples.part(cloud, 7, 20000)
    assert not samples.whole(cloud, 7, 30001) and not samples.part(cloud, 7, 30001)
    assert samples.arrived(cloud, 8) and not samples.whole(cloud, 8, 30000)
    assert not samples.part(cloud, 8, 1)
    assert samples.part(cloud, 9, 900) and not samples.whole(cloud, 9, 1000)
    assert not samples.whole(cloud, 10, 512)


@pytest.mark.parametrize(
    ("script", "words"),
    [(None, "There is no"), ("#!/bin/sh\necho esp32 Espressif", "has no machine")],
)
def test_without_an_emulator_one_line_says_where_people_get_one(tmp_path, script, words):
    qemu = tmp_path / "qemu-system-xtensa"
    if script:
        qemu.write_text(script)
        qemu.chmod(0o755)
    result = subprocess.run(
        [sys.executable, "-m", "tools.emulator", "test", "--firmware", __file__],
        cwd=ROOT,
        env={**os.environ, "QEMU": str(qemu)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = result.stdout.splitlines()
    assert result.returncode == 1 and len(lines) == 1, result.stdout + result.stderr
    assert words in lines[0] and "lcgamboa" in lines[0]


def _missing() -> str | None:
    try:
        chip.find()
    except DeviceError as e:
        return str(e)
    image = os.environ.get("FIRMWARE")
    if not image or not Path(image).is_file():
        return "FIRMWARE= names no image of MicroPython for an ESP32"
    return None


@pytest.mark.skipif(_missing() is not None, reason=_missing() or "")
def test_the_product_on_an_emulated_chip(tmp_path):
    out = tmp_path / "emulator.json"
    image = os.environ["FIRMWARE"]
    result = subprocess.run(
        [sys.executable, "-m", "tools.emulator", "test", "--firmware", image, "--out", out],
        cwd=ROOT,
        text=True,
        timeout=2400,
    )
    assert result.returncode == 0
    rows = json.loads(out.read_text())["rows"]
    assert {r["outcome"] for r in rows} <= {"passed", "expected"}, rows
