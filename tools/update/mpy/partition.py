"""Two slots for MicroPython on a device without hardware: esp32.Partition (MicroPython,
ports/esp32/esp32_partition.c) on files, and the bootloader's part (ESP-IDF,
bootloader_support/src/bootloader_utility.c), which is done when this is first imported at a boot.
Nothing runs from there: what boots is told by RUNNING alone."""

import json

_BLOCK = 4096
_SIZE = 64 * _BLOCK


def _read():
    try:
        with open("/otadata") as f:
            return json.load(f)
    except OSError:
        return None


def _write(value):
    with open("/otadata", "w") as f:
        json.dump(value, f)


def _boot():
    found = _read()
    if found and found[1] == "pending":
        _write(None)
        return 0
    if found and found[1] == "new":
        _write([found[0], "pending"])
    return found[0] if found else 0


_running = _boot()


class Partition:
    """See the module."""

    BOOT = 0
    RUNNING = 1

    def __init__(self, which, n=None):
        self._n = _running if n is None else n

    def info(self):
        """Of type app."""
        return 0, 16 + self._n, 0x10000 + self._n * _SIZE, _SIZE, "ota_%d" % self._n, False

    def get_next_update(self):
        """The other."""
        return Partition(None, 1 - self._n)

    def _open(self):
        path = "/ota_%d" % self._n
        try:
            return open(path, "r+b")
        except OSError:
            with open(path, "wb") as f:
                f.write(b"\xff" * _SIZE)
            return open(path, "r+b")

    def readblocks(self, n, buf):
        """Whole blocks."""
        with self._open() as f:
            f.seek(n * _BLOCK)
            f.readinto(buf)

    def writeblocks(self, n, buf):
        """Whole blocks."""
        if len(buf) % _BLOCK or n * _BLOCK + len(buf) > _SIZE:
            raise OSError(-0x102)
        with self._open() as f:
            f.seek(n * _BLOCK)
            f.write(buf)

    def set_boot(self):
        """Takes what begins as an image does."""
        magic = bytearray(1)
        self.readblocks(0, magic)
        if magic[0] != 0xE9:
            raise OSError(-5379)
        _write([self._n, "new"])

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        """It stays."""
        _write([_running, "valid"])
