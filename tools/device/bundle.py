"""Bundles: what a device is updated with over the air; their format is in
firmware/updates/bundle.py."""

import ast
import hashlib
import json
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from . import package, partitions
from .connection import MIN_VERSION, DeviceError
from .package import File
from .trust import bundle as trusted

WBITS = 12  # of deflate's window, 4 KB: a file of the firmware is hardly larger
_STORED = 16384  # the device's limit of what it unpacks
_MPY = 6


@dataclass(frozen=True)
class Key:
    """A key pair to sign with; `public` is what devices are provisioned with, as hex."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> str:
        """The public key's 32 bytes as hex."""
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        return self.private.public_key().public_bytes(*raw).hex()

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature (64 bytes)."""
        return self.private.sign(data)


def new_key(path: Path) -> Key:
    """Make a key pair and write the private key to `path`, for its owner's eyes alone. Raises
    DeviceError if there is a file."""
    key = Key(Ed25519PrivateKey.generate())
    pem = key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(pem)
    except FileExistsError as e:
        raise DeviceError(f"{path} exists: a key is never overwritten.") from e
    return key


def read_key(path: Path) -> Key:
    """The key pair of a PEM file. Raises DeviceError."""
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as e:
        raise DeviceError(
            f"{path} can't be read: {e.strerror}. make bundle KEY={path} ARGS=--new-key makes one."
        ) from e
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise DeviceError(f"{path} is no private key in PEM form: {e}") from e
    if not isinstance(private, Ed25519PrivateKey):
        raise DeviceError(f"{path} is no Ed25519 key.")
    return Key(private)


def make(files: list[File], key: Key, board: str, version: str, /, **more) -> bytes:
    """A bundle of `files`, whose paths are below a slot's, for boards of that NAME. `more` is set
    in the manifest: `downgrade=True`."""
    lines, data = [], []
    for file in sorted(files, key=lambda f: f.path):
        packer = zlib.compressobj(9, zlib.DEFLATED, -WBITS)
        packed = packer.compress(file.data) + packer.flush()
        pays = len(packed) < len(file.data) and len(packed) <= _STORED
        stored = packed if pays else file.data
        crc = f"{zlib.crc32(stored):08x}"
        entry = [file.path.lstrip("/"), len(file.data), file.sha256, len(stored), crc]
        lines.append(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        data.append(stored)
    listed = b"".join(lines)
    manifest = {
        "update": 1,
        "version": version,
        "board": board,
        "micropython": list(MIN_VERSION),
        "mpy": _MPY,
        "key": key.public[:8],
        "downgrade": False,
        "wbits": WBITS,
        "files": len(files),
        "size": package.size(files),
        "list": [len(listed), hashlib.sha256(listed).hexdigest()],
        **more,
    }
    head = json.dumps(manifest, separators=(",", ":")).encode()
    signature = key.sign(head).hex().encode()
    return b"\n".join((head, signature, listed)) + b"".join(data)


def make_image(
    app: bytes, key: Key, board: str, micropython: str, downgrade: bool = False
) -> bytes:
    """What devices of that NAME update MicroPython with (firmware/updates/image.py): `app` of the
    release `micropython` (`1.27.0`). Raises DeviceError if that is no release."""
    version = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", micropython)
    if not version:
        raise DeviceError(f"{micropython!r} is no release of MicroPython, as 1.27.0 is.")
    manifest = {
        "update": 2,
        "version": f"micropython-{micropython}",
        "board": board,
        "micropython": [int(n) for n in version.groups()],
        "mpy": _MPY,
        "key": key.public[:8],
        "downgrade": downgrade,
        "size": len(app),
        "image": hashlib.sha256(app).hexdigest(),
    }
    head = json.dumps(manifest, separators=(",", ":")).encode()
    return b"\n".join((head, key.sign(head).hex().encode(), app))


def build_image(name: str, key: Key, path: Path, downgrade: bool = False) -> tuple[str, bytes]:
    """The version and the update of MicroPython for a board, from a .bin file as its download page
    has them, whose name tells the release (`-v1.27.0.bin`). Raises DeviceError."""
    facts = package.board(name)
    found = re.search(r"-v(\d+\.\d+\.\d+)\.bin$", path.name)
    if not found or not facts["chip"]:
        raise DeviceError(f"{path.name} is no image of a release for {name}: NAME-v1.27.0.bin.")
    try:
        image = path.read_bytes()
    except OSError as e:
        raise DeviceError(f"{path} can't be read: {e.strerror}.") from e
    app = partitions.app_of(image, int(facts["offset"], 0))
    data = make_image(app, key, board_name(name), found.group(1), downgrade)
    return f"micropython-{found.group(1)}", data


def announce(key: Key, url: str, version: str, data: bytes) -> dict:
    """A manifest of a bundle `data` at `url` that proves its origin itself, for whoever hands it
    on to devices."""
    crc = f"{zlib.crc32(data):08x}"
    values = {"url": url, "version": version, "size": len(data), "crc32": crc}
    text = json.dumps(values, separators=(",", ":"))
    return {"manifest": text, "signature": key.sign(text.encode()).hex()}


def build(
    name: str, key: Key, version: str | None = None, downgrade: bool = False, roots: bool = False
) -> bytes:
    """The bundle of a board's firmware, as `version` (None: as the source says); with `roots` that
    of root certificates (firmware/uploader/trust.py) is in it, as this machine knows them today."""
    version = version or package.version()
    files = [
        File(path, f.data) for f in package.build(name, version) if (path := package.within(f))
    ]
    if roots:
        listed, certificates = trusted([])
        files += [File("/roots.txt", listed), File("/roots.der", certificates)]
    return make(files, key, board_name(name), version, downgrade=downgrade)


def board_name(name: str) -> str:
    """NAME of a board's board.py."""
    source = package.BOARDS / package.board(name)["name"] / "board.py"
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "NAME":
            return ast.literal_eval(node.value)
    raise DeviceError(f"{source} has no NAME.")
