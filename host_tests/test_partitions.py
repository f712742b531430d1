"""`make flash OTA=1`: a partition table of ours, and MicroPython in both of its slots."""

import hashlib
import json
import struct

import pytest

from tools.device import __main__ as commands
from tools.device import bundle, package, partitions
from tools.device.connection import DeviceError

MB = 1 << 20


def decode(table):
    """As the bootloader reads it (ESP-IDF, bootloader_support/src/flash_partitions.c)."""
    found = []
    for i in range(0, len(table), 32):
        entry = table[i : i + 32]
        if entry[:2] == b"\xaa\x50":
            kind, subtype, at, size, name, flags = struct.unpack("<BBII16sI", entry[2:])
            found.append((name.rstrip(b"\0").decode(), kind, subtype, at, size))
            assert flags == 0
        elif entry[:2] == b"\xeb\xeb":
            assert entry[16:] == hashlib.md5(table[:i]).digest()
        else:
            assert table[i:] == b"\xff" * (len(table) - i)
            assert table[i - 32 : i - 30] == b"\xeb\xeb"
            return found
    raise AssertionError("no end")


def image(offset=0, app=b"app" * 1000, size_code=3):
    head = bytes((0xE9, 4, 2, size_code << 4 | 0xF))
    data = (head + b"boot").ljust(partitions.TABLE_AT - offset, b"\xff")
    data = (data + b"\xaa\x50old").ljust(partitions.APP_AT - offset, b"\xff")
    return data + head + app


@pytest.mark.parametrize("megabytes", (8, 16))
def test_the_table_is_one(megabytes):
    found = decode(partitions.table(partitions.layout(megabytes * MB)))
    assert [(n, k, s) for n, k, s, _, _ in found] == [
        ("nvs", 1, 2),
        ("otadata", 1, 0),
        ("phy_init", 1, 1),
        ("ota_0", 0, 0x10),
        ("ota_1", 0, 0x11),
        ("vfs", 1, 0x81),
    ]
    end = 0x9000  # behind the table's sector
    for _, kind, _, at, size in found:
        assert at == end and at % (0x10000 if kind == 0 else 0x1000) == 0
        end += size
    assert end == megabytes * MB
    assert dict((f[0], f[4]) for f in found)["otadata"] == 0x2000


def test_slots_that_do_not_fit_are_refused():
    for flash, slot in ((2 * MB, partitions.SLOT), (8 * MB, 0x1F8000)):
        with pytest.raises(DeviceError, match="do not fit"):
            partitions.layout(flash, slot)


@pytest.mark.parametrize("offset", (0, 0x1000))
def test_an_image_is_taken_apart(offset):
    whole = image(offset)
    found = partitions.pieces(whole, offset, 8 * MB)
    assert sorted(found) == sorted([offset, 0x8000, 0xD000, 0x10000, 0x200000])
    assert found[0x10000] == found[0x200000] == whole[0x10000 - offset :]
    assert found[offset] == whole[: 0x8000 - offset]
    assert found[0xD000] == b"\xff" * 0x2000
    assert decode(found[0x8000])[-1] == ("vfs", 1, 0x81, 0x3F0000, 8 * MB - 0x3F0000)


def test_what_is_no_such_image_is_refused():
    full = image(app=bytes(partitions.SLOT - 4))
    assert partitions.pieces(full, 0, 8 * MB)
    for data, words in (
        (image(offset=0x1000), "no image"),
        (image()[:0x10000], "no image"),
        (b"", "no image"),
        (b"\0" + image()[1:], "no image"),
        (image(size_code=2), "for a flash of 4 MB, not 8"),
        (image(size_code=15), "for a flash of 0 MB, not 8"),
        (full + b"\0", "a slot has"),
    ):
        with pytest.raises(DeviceError, match=words):
            partitions.pieces(data, 0, 8 * MB)


@pytest.fixture
def esptool(monkeypatch):
    """What esptool was told, each file with its bytes."""
    told = []

    def run(line):
        step = line[line.index("--port") + 2 :]
        told.append([open(a, "rb").read() if a.endswith(".bin") else a for a in step])
        return type("Result", (), {"returncode": 0})

    monkeypatch.setattr(commands.subprocess, "run", run)
    monkeypatch.setattr(commands, "choose", lambda port: port)
    return told


def flash(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["device", "flash", "--port", "none", *map(str, arguments)])
    return commands.main()


def test_the_command_erases_says_so_and_writes_both(esptool, monkeypatch, tmp_path, capsys):
    path = tmp_path / "own.bin"
    path.write_bytes(image())
    assert flash(monkeypatch, "--board", "esp32_generic_s3", "--firmware", path, "--ota") == 0
    assert "all that is on the board is erased" in capsys.readouterr().out
    erase, (command, *rest) = esptool
    assert (erase, command) == (["erase-flash"], "write-flash")
    written = dict(zip(rest[::2], rest[1::2], strict=True))
    assert {int(k, 0): v for k, v in written.items()} == partitions.pieces(image(), 0, 8 * MB)
    esptool.clear()
    assert flash(monkeypatch, "--board", "esp32_generic_s3", "--firmware", path) == 0
    assert esptool == [["write-flash", "0x0", image()]]


def test_a_board_whose_flash_is_not_known_is_refused(esptool, monkeypatch, tmp_path, capsys):
    path = tmp_path / "own.bin"
    path.write_bytes(image(0x1000))
    assert flash(monkeypatch, "--board", "lilygo_t_a7670", "--firmware", path, "--ota") == 1
    assert "OTA=1 takes 8 MB of flash" in " ".join(capsys.readouterr().out.split())
    assert not esptool


def test_what_a_board_says_of_its_flash_is_in_its_readme():
    for name, facts in package.boards().items():
        if "flash_mb" in facts:
            text = (package.BOARDS / name / "README.md").read_text()
            assert f"{facts['flash_mb']} MB" in text, json.dumps(facts)


def test_an_update_of_micropython_is_what_the_bin_file_has_for_a_slot(tmp_path, monkeypatch):
    path = tmp_path / "ESP32_GENERIC_S3-20260401-v1.28.0.bin"
    path.write_bytes(image())
    made, key = tmp_path / "made", tmp_path / "key.pem"
    more = ["--micropython", path, "--key", key, "--new-key", "--out", made]
    line = ["device", "bundle", "--board", "esp32_generic_s3", *map(str, more)]
    monkeypatch.setattr("sys.argv", line)
    assert commands.main() == 0
    head, signature, app = made.read_bytes().split(b"\n", 2)
    assert app == image()[0x10000:]
    values = json.loads(head)
    assert values["image"] == hashlib.sha256(app).hexdigest() and values["size"] == len(app)
    assert (values["update"], values["micropython"]) == (2, [1, 28, 0])
    assert bundle.read_key(key).sign(head).hex().encode() == signature


def test_what_is_no_release_makes_no_update(tmp_path):
    key = bundle.new_key(tmp_path / "key.pem")
    for name, board in (("own.bin", "esp32_generic_s3"), ("a-v1.28.0.bin", "unix")):
        path = tmp_path / name
        path.write_bytes(image())
        with pytest.raises(DeviceError, match="no image of a release"):
            bundle.build_image(board, key, path)
    with pytest.raises(DeviceError, match="can't be read"):
        bundle.build_image("esp32_generic_s3", key, tmp_path / "b-v1.28.0.bin")
