"""What lies where in an ESP32's flash, and a flash made of an image and files.

The partition table: ESP-IDF Programming Guide, "Partition Tables": at 0x8000, entries of 32
bytes with the magic 0xAA 0x50. An image for the ESP32 begins at 0x1000, with the bootloader.
"""

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools import micropython
from tools.device.connection import DeviceError
from tools.device.package import File

IMAGE_AT = 0x1000
TABLE_AT = 0x8000
SIZE = 4 * 1024 * 1024
BLOCK = 4096
ENTRY = struct.Struct("<HBBII16sI")
MAGIC = 0x50AA
_LITTLEFS = Path(__file__).parent / "mpy/littlefs.py"


@dataclass(frozen=True)
class Partition:
    """An entry of the table: `offset` and `size` in bytes."""

    label: str
    offset: int
    size: int


def partitions(image: bytes) -> list[Partition]:
    """The partition table of an image. Raises DeviceError if there is none."""
    found = []
    at = TABLE_AT - IMAGE_AT
    while at + ENTRY.size <= len(image):
        magic, _, _, offset, size, label, _ = ENTRY.unpack_from(image, at)
        if magic != MAGIC:
            break
        found.append(Partition(label.rstrip(b"\0").decode("ascii", "replace"), offset, size))
        at += ENTRY.size
    if not found:
        raise DeviceError(
            "The image has no partition table at 0x8000: it is not a whole ESP32 image (the .bin "
            "of MicroPython's download page, not the .app-bin)."
        )
    return found


def file_system(table: list[Partition], size: int = SIZE) -> Partition:
    """Where MicroPython looks for its file system: the partition `vfs`, or, from 1.26 on, what
    is left behind the last one (its ports/esp32/main.c, boardctrl_startup)."""
    for partition in table:
        if partition.label == "vfs":
            return partition
    end = max(p.offset + p.size for p in table)
    if end >= size:
        raise DeviceError(f"The image leaves no room for files in a flash of {size} bytes.")
    return Partition("vfs", end, size - end)


def littlefs(files: list[File], size: int) -> bytes:
    """A littlefs of `size` bytes with `files` in it, made by MicroPython itself."""
    with tempfile.TemporaryDirectory(prefix="littlefs-") as folder:
        tree, out = Path(folder) / "tree", Path(folder) / "fs"
        tree.mkdir()
        for file in files:
            path = tree / file.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
        try:
            micropython.run(_LITTLEFS, out, size // BLOCK, tree, silent=True, heap="16m")
        except micropython.ScriptError as e:
            raise DeviceError(f"No littlefs was made: {e}")
        return out.read_bytes()


def lay_out(path: Path, image: bytes, files: list[File]):
    """Write a flash of 4 MiB: erased, with the image and the files where it looks for them."""
    place = file_system(partitions(image))
    flash = bytearray(b"\xff" * SIZE)
    flash[IMAGE_AT : IMAGE_AT + len(image)] = image
    flash[place.offset : place.offset + place.size] = littlefs(files, place.size)
    path.write_bytes(flash)
