"""MicroPython (unix): make a littlefs as a device does, and copy a directory into it.

`littlefs.py IMAGE BLOCKS FOLDER` writes IMAGE, BLOCKS blocks of 4,096 bytes, the erase size
that `esp32.Partition` gives as its block size.
"""

import os
import sys

import vfs

_BLOCK = 4096


class Image:
    """A block device in RAM, erased at first."""

    def __init__(self, blocks):
        self._blocks = blocks
        self.data = bytearray(b"\xff" * (blocks * _BLOCK))
        self._view = memoryview(self.data)

    def readblocks(self, n, buf, offset=0):
        at = n * _BLOCK + offset
        buf[:] = self._view[at : at + len(buf)]

    def writeblocks(self, n, buf, offset=0):
        at = n * _BLOCK + offset
        self._view[at : at + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 4:  # block count
            return self._blocks
        if op == 5:  # block size
            return _BLOCK
        if op == 6:  # erase
            at = arg * _BLOCK
            self._view[at : at + _BLOCK] = b"\xff" * _BLOCK
        return 0


def copy(source, target):
    for name, kind, *_ in os.ilistdir(source):
        if kind == 0x4000:
            os.mkdir(target + "/" + name)
            copy(source + "/" + name, target + "/" + name)
            continue
        with open(source + "/" + name, "rb") as f, open(target + "/" + name, "wb") as to:
            to.write(f.read())


path, blocks, folder = sys.argv[1:]
device = Image(int(blocks))
vfs.VfsLfs2.mkfs(device)
vfs.mount(device, "/flash")
copy(folder, "/flash")
vfs.umount("/flash")
with open(path, "wb") as f:
    f.write(device.data)
