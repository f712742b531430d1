"""A flash with two slots for MicroPython, so that its image can be updated over the air.

The official images have a partition table with one slot. This writes another (ESP-IDF, API guide
"Partition Tables", and components/partition_table/gen_esp32part.py): 32 bytes an entry, then an
MD5 of the entries, then 0xFF up to 3 KB. The same app goes into both slots; with a blank `otadata`
the bootloader runs the first (ESP-IDF, "Over The Air Updates").
"""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from .connection import DeviceError

TABLE_AT = 0x8000
TABLE_SIZE = 0xC00
APP_AT = 0x10000
SLOT = 0x1F0000  # as much as the one slot of MicroPython's own tables has
LEAST_MB = 8
_OTADATA = "otadata"
_APP, _DATA = 0, 1
_ALIGNED = {_APP: 0x10000, _DATA: 0x1000}
_MAGIC = 0xE9  # of an image (ESP-IDF, esp_app_format.h)
_SPI_SIZES_MB = (1, 2, 4, 8, 16, 32, 64, 128)  # esp_image_flash_size_t, there


@dataclass(frozen=True)
class Partition:
    """An entry; `at` and `size` in bytes."""

    name: str
    kind: int
    subtype: int
    at: int
    size: int

    def packed(self) -> bytes:
        """Its 32 bytes."""
        head = b"\xaa\x50", self.kind, self.subtype, self.at, self.size, self.name.encode(), 0
        return struct.pack("<2sBBII16sI", *head)


def layout(flash: int, slot: int = SLOT) -> list[Partition]:
    """What is where on a flash of so many bytes. Raises DeviceError if a slot is not aligned or
    nothing is left for files. The first three are where MicroPython's OTA table has them
    (ports/esp32/partitions-4MiB-ota.csv), subtypes as in esp_partition.h; a `vfs` that is there
    is what MicroPython mounts (ports/esp32/modules/flashbdev.py)."""
    files = APP_AT + 2 * slot
    if slot % _ALIGNED[_APP] or files >= flash:
        raise DeviceError(f"Two slots of {slot:,} bytes do not fit a flash of {flash:,}.")
    return [
        Partition("nvs", _DATA, 0x02, 0x9000, 0x4000),
        Partition(_OTADATA, _DATA, 0x00, 0xD000, 0x2000),
        Partition("phy_init", _DATA, 0x01, 0xF000, 0x1000),
        Partition("ota_0", _APP, 0x10, APP_AT, slot),
        Partition("ota_1", _APP, 0x11, APP_AT + slot, slot),
        Partition("vfs", _DATA, 0x81, files, flash - files),
    ]


def table(partitions: list[Partition]) -> bytes:
    """The partition table as it lies on flash."""
    entries = b"".join(p.packed() for p in partitions)
    digest = b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries).digest()
    return (entries + digest).ljust(TABLE_SIZE, b"\xff")


def app_of(image: bytes, offset: int) -> bytes:
    """The app of MicroPython's combined `image` for `offset`. Raises DeviceError if it is none."""
    app = image[APP_AT - offset :]
    for part in image, app:
        if len(part) < 4 or part[0] != _MAGIC:
            raise DeviceError(
                "This is no image with a bootloader and an app, as MicroPython's are."
            )
    return app


def pieces(image: bytes, offset: int, flash: int, slot: int = SLOT) -> dict[int, bytes]:
    """What to write where: MicroPython's combined `image` for `offset` (bootloader, table, app)
    taken apart, with a table of ours. Raises DeviceError if it is no such image, is for a smaller
    flash, or its app does not fit."""
    boot, app = image[: TABLE_AT - offset], app_of(image, offset)
    for part in boot, app:
        # Both say what flash they are for; a table that goes beyond is refused at boot.
        code = part[3] >> 4
        size = _SPI_SIZES_MB[code] << 20 if code < len(_SPI_SIZES_MB) else 0
        if size < flash:
            raise DeviceError(f"This image is for a flash of {size >> 20} MB, not {flash >> 20}.")
    if len(app) > slot:
        raise DeviceError(f"The app is {len(app):,} bytes, a slot has {slot:,}.")
    partitions = layout(flash, slot)
    found = {offset: boot, TABLE_AT: table(partitions)}
    for p in partitions:
        if p.kind == _APP:
            found[p.at] = app
        elif p.name == _OTADATA:
            found[p.at] = b"\xff" * p.size
    return found


def arguments(facts: dict, firmware: Path, folder: Path) -> list[str]:
    """What esptool's write-flash is told for a board's `facts`; the pieces go to `folder`. Raises
    DeviceError, for a board too whose README does not say that its flash is large enough."""
    size = facts.get("flash_mb", 0)
    if size < LEAST_MB:
        known = (
            f"{size} MB" if size else f"unknown (no flash_mb in boards/{facts['name']}/board.json)"
        )
        raise DeviceError(
            f"OTA=1 takes {LEAST_MB} MB of flash; that of {facts['name']} is {known}."
        )
    found = []
    for at, data in pieces(firmware.read_bytes(), int(facts["offset"], 0), size << 20).items():
        path = folder / f"{at:x}.bin"
        path.write_bytes(data)
        found += [hex(at), str(path)]
    return found
