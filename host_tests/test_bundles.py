"""What a bundle is made of, and what a device makes of one."""

import hashlib
import json

import pytest
from conftest import ROOT

from tools import micropython
from tools.device import bundle, package, trust
from tools.device.connection import DeviceError
from tools.device.package import File

READ = ROOT / "tools/update/mpy/read.py"
BOARD = "A board"
FILES = [
    File("/app.mpy", bytes(range(256)) * 4 + b"app"),
    File("/board.mpy", b"few"),
    File("/uploader/http.mpy", b"of the kind that packs well " * 200),
    File("/uploader/empty.mpy", b""),
]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return bundle.new_key(tmp_path_factory.mktemp("key") / "key.pem")


def read(tmp_path, data, key, *more, board=BOARD, version="1.0.0", **how):
    path = tmp_path / "x.bundle"
    path.write_bytes(data)
    args = (ROOT / "firmware", path, key.public, board, version, tmp_path, *more)
    return micropython.report(READ, *args, heap="8m", timeout=900, **how)


def test_a_device_unpacks_what_was_packed(tmp_path, key):
    data = bundle.make(FILES, key, BOARD, "1.0.1")
    assert len(data) < package.size(FILES)
    files = read(tmp_path, data, key)["files"]
    assert files == {f.path[1:]: f.sha256 for f in FILES}


def test_no_changed_byte_of_a_bundle_is_accepted(tmp_path, key):
    data = bundle.make(FILES[1:], key, BOARD, "1.0.1")
    # `make update-test` has each byte of what is signed, too.
    found = read(tmp_path, data, key, 9)
    assert len(data) - 500 < found["tried"] < len(data) and found["accepted"] == []


@pytest.mark.parametrize(
    ("more", "version", "words"),
    [
        ({"board": "Another"}, "1.0.0", "for the board Another"),
        ({"micropython": [9, 0]}, "1.0.0", "needs MicroPython 9.0"),
        ({"mpy": 7}, "1.0.0", "needs MicroPython"),
        ({}, "1.0.1", "1.0.1 is not newer than 1.0.1"),
        ({}, "1.0.10", "1.0.1 is not newer than 1.0.10"),
        ({"version": "latest"}, "1.0.0", "latest is not newer"),
        ({"update": 2}, "1.0.0", "not a bundle"),
        ({"list": [5]}, "1.0.0", "the list is not"),
        ({"list": [1 << 20, ""]}, "1.0.0", "not a bundle"),
        ({"wbits": 99}, "1.0.0", "not a bundle"),
    ],
)
def test_what_does_not_fit_is_refused_for_good(tmp_path, key, more, version, words):
    manifest = {"board": BOARD, "version": "1.0.1", **more}
    board, named = manifest.pop("board"), manifest.pop("version")
    data = bundle.make(FILES, key, board, named, **manifest)
    found = read(tmp_path, data, key, version=version)
    assert words in found["error"] and found["final"]


def test_an_older_version_needs_the_flag_in_the_signed_manifest(tmp_path, key):
    data = bundle.make(FILES, key, BOARD, "0.9.0", downgrade=True)
    assert "files" in read(tmp_path, data, key, version="1.0.0")


def test_another_key_is_not_believed(tmp_path, key):
    other = bundle.new_key(tmp_path / "other.pem")
    data = bundle.make(FILES, other, BOARD, "1.0.1")
    assert "not provisioned" in read(tmp_path, data, key)["error"]
    # One that says that it is the provisioned one's.
    data = bundle.make(FILES, other, BOARD, "1.0.1", key=key.public[:8])
    found = read(tmp_path, data, key)
    assert "signature is wrong" in found["error"] and found["final"]


def test_what_is_no_bundle_or_cut_short_is_refused(tmp_path, key):
    data = bundle.make(FILES, key, BOARD, "1.0.1")
    for cut in (0, 10, 400, len(data) - 1):
        assert "error" in read(tmp_path, data[:cut], key)
    for text in (b"[]\n" + b"0" * 128 + b"\n", b"\xff" * 3000, b"{}\n" * 200):
        assert read(tmp_path, text, key) == {"error": "not a bundle", "final": True}


def test_make_bundle_signs_the_boards_own_firmware_as_the_version_that_it_says(tmp_path):
    key = bundle.new_key(tmp_path / "key.pem")
    data = bundle.build("unix", key, "7.8.9")
    assert bundle.read_key(tmp_path / "key.pem").public == key.public
    files = read(tmp_path, data, key, board="unix")["files"]
    built = {package.within(f)[1:]: f for f in package.build("unix") if package.within(f)}
    assert set(files) == set(built)
    changed = [p for p, f in built.items() if files[p] != f.sha256]
    assert changed == ["uploader/__init__.mpy"], "the version is stamped into this one alone"
    data = bundle.build("unix", key, "7.8.9", roots=True)
    with_roots = read(tmp_path, data, key, board="unix")["files"]
    listed, certificates = trust.bundle([])
    for path, content in (("roots.txt", listed), ("roots.der", certificates)):
        assert with_roots.pop(path) == hashlib.sha256(content).hexdigest()
    assert with_roots == files
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    with pytest.raises(DeviceError, match="exists"):
        bundle.new_key(tmp_path / "key.pem")


def test_keys_that_are_none_are_told(tmp_path):
    for text in ("", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        (tmp_path / "k").write_text(text)
        with pytest.raises(DeviceError, match="no private key"):
            bundle.read_key(tmp_path / "k")
    with pytest.raises(DeviceError, match="can't be read"):
        bundle.read_key(tmp_path / "none")


def test_every_board_has_a_name_to_sign_for():
    assert json.dumps([bundle.board_name(name) for name in package.boards()])
