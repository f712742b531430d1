"""A flash chip or SD card in RAM that loses power when told to. Runs in MicroPython."""

import errno


class PowerCut(BaseException):
    """The power failed. Not an Exception: no handler of the firmware may survive it."""


class Flash:
    """A block device (vfs.AbstractBlockDev, extended interface for littlefs).

    `blocks` of `block_size` bytes; a program writes whole units of `unit` bytes. `sectors`
    True is a card with FAT: blocks are written whole, a block is atomic. After `cut_after`
    more operations (programs, erases) the power fails within the next one, of which `torn`
    units (of its bytes; for an erase: 0 none, else all) were done. `programmed` and `erased`
    count bytes and blocks. `full_after` (operations) makes nothing; see `pulled`.
    """

    def __init__(self, blocks, block_size=4096, unit=32, sectors=False):
        self.block_size = block_size
        self.blocks = blocks
        self.unit = unit
        self.sectors = sectors
        self.data = bytearray(b"\xff" * (blocks * block_size))
        self.cut_after = None
        self.torn = 0
        self.operations = 0
        self.programmed = 0
        self.erased = 0
        self.dead = False
        self.pulled = False
        self.units_of_last = 0

    def revive(self):
        """A new device object over the same cells, as after a power cut; the old one, which
        file objects of the lost file system still hold, stays dead."""
        again = Flash(0, self.block_size, self.unit, self.sectors)
        again.blocks = self.blocks
        again.data = self.data
        return again

    def readblocks(self, n, buf, off=0):
        if self.dead or self.pulled:
            return -errno.EIO
        at = n * self.block_size + off
        buf[:] = memoryview(self.data)[at : at + len(buf)]
        return 0

    def writeblocks(self, n, buf, off=0):
        if self.dead or self.pulled:
            return -errno.EIO
        size = len(buf)
        unit = self.block_size if self.sectors else self.unit
        self.units_of_last = size // unit
        at = n * self.block_size + off
        if self.cut_after is not None and self.cut_after == self.operations:
            done = min(self.torn * unit, size)
            self.data[at : at + done] = memoryview(buf)[:done]
            self._cut()
        self.operations += 1
        self.programmed += size
        self.data[at : at + size] = buf
        return 0

    def ioctl(self, op, arg):
        if op == 4:
            return self.blocks
        if op == 5:
            return self.block_size
        if op == 6:
            if self.sectors:
                return 0
            return self.erase(arg)
        return 0

    def erase(self, n):
        """Erase block `n`; 0, or minus an errno."""
        if self.dead or self.pulled:
            return -errno.EIO
        self.units_of_last = 1
        cut = self.cut_after is not None and self.cut_after == self.operations
        if not cut or self.torn:
            at = n * self.block_size
            self.data[at : at + self.block_size] = b"\xff" * self.block_size
        if cut:
            self._cut()
        self.operations += 1
        self.erased += 1
        return 0

    def _cut(self):
        self.dead = True
        raise PowerCut()
