"""A flash chip on a chip's time: while it writes and erases, interrupts wait.

`erase_ms` and `page_ms` are the typical figures of a W25Q32JV's datasheet as commonly quoted
(45 ms a sector, 0.4 ms a page of 256 bytes; 400 and 3 at most): not looked up, not measured.
"""

from flash import Flash


class TimedFlash(Flash):
    """As tools/crash's Flash, over `chip`."""

    def __init__(self, chip, blocks, erase_ms=45, page_ms=0.4):
        super().__init__(blocks)
        self._chip = chip
        self._erase_ms = erase_ms
        self._page_ms = page_ms

    def writeblocks(self, n, buf, off=0):
        """Program; each page stops the interrupts for `page_ms`."""
        for _ in range(0, len(buf), 256):
            self._chip.erase(self._page_ms)
        return super().writeblocks(n, buf, off)

    def ioctl(self, op, arg):
        """The block protocol's; 6 erases, with interrupts stopped for `erase_ms`."""
        if op == 6:
            self._chip.erase(self._erase_ms)
        return super().ioctl(op, arg)
