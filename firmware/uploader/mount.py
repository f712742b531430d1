"""Making an SD card or a flash partition be there, for `Store(..., mount=...)`."""

import vfs

from .errors import StorageError


def mounter(make_device, path, make_file_system=None):
    """A callable that mounts at `path`, anew if need be: `Store(..., mount=mounter(...))`.

    `make_device()` returns the block device, a new one each time, because a card that was
    pulled needs one: `lambda: machine.SDCard(slot=2)`, or for a partition of internal flash
    `lambda: esp32.Partition.find(esp32.Partition.TYPE_DATA, label="data")[0]`. The one before
    is ended first (`deinit`, where it has that). The file system is recognised; only a device
    without one is formatted, and only if `make_file_system` says as what: `vfs.VfsLfs2` for
    flash, `vfs.VfsFat` for cards.
    The callable raises StorageError if there is no card or nothing usable on it.
    """

    made = []

    def mount():
        try:
            # Also what a pulled card leaves behind.
            vfs.umount(path)
        except OSError:
            pass
        _give_back(made)
        try:
            device = make_device()
            made.append(device)
            # Asking for its size tells "no card" (0, or -1 of an SDCard) from "a card without
            # a file system".
            if (device.ioctl(4, 0) or 0) <= 0:
                raise OSError(19)  # ENODEV
        except (OSError, RuntimeError, IndexError) as e:
            raise StorageError("%s: no card or partition answers: %s" % (path, e))
        try:
            vfs.mount(device, path)
        except OSError as e:
            if make_file_system is None:
                raise StorageError("%s: no usable file system: %s" % (path, e))
            try:
                if not _blank(device):
                    raise StorageError("%s: damaged, and not blank; not formatted" % path)
                make_file_system.mkfs(device)
                vfs.mount(device, path)
            except OSError as e2:
                raise StorageError("%s can't be formatted: %s" % (path, e2))

    return mount


def _give_back(made):
    # An SDCard keeps its bus, whatever becomes of its name, and a second one is refused.
    while made:
        deinit = getattr(made.pop(), "deinit", None)
        if deinit:
            deinit()


def _blank(device):
    # Erased flash reads as ones, a new card mostly as zeros; what could not be read, as neither.
    buf = bytearray(b"\xa5" * 512)
    device.readblocks(0, buf)
    return all(b == 0xFF for b in buf) or all(b == 0 for b in buf)
