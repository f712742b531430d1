"""machine.SDCard of the esp32 port.

From ports/esp32/machine_sdcard.c (v1.26.0; v1.28.0 differs in the slot's number only) and ESP-IDF
v5.4.2 (spi_master's spi_common.c, esp_driver_sdmmc's sdmmc_host.c):

- Making one takes the bus, card or no card: a second one on an SPI slot (2, 3) raises
  OSError(-259, "ESP_ERR_INVALID_STATE") until the first was `deinit()`ed, whatever became of its
  name. On an SDMMC slot (0, 1) a second one comes about, but either's `deinit()` ends both.
- No card is no error when it is made; `ioctl(4)` then gives -1, which is true.
- Reads and writes return True or False, from 1.29 on 0 or -5; they take no offset: littlefs
  can't use it.
- A card that was pulled and put back has to be initialised: an object that did so before does
  not do it again, and fails until its `deinit()`, or until ioctl(2) was asked for.
- After `deinit()` an object still answers ioctl(4) and ioctl(5), from memory.

Not modelled: the finaliser of an object that failed, which may free the bus of another.
"""

import sys

# As the interpreter's own extmod/vfs_blockdev.c expects it.
OK, FAILED = (0, -5) if sys.implementation.version[:2] >= (1, 29) else (True, False)
_INVALID_STATE = -0x103
_SDMMC = (0, 1)


class Socket:
    """Where a card is put. `cells` is its block device (512-byte sectors, `readblocks`,
    `writeblocks`, `blocks`), None if there is none."""

    def __init__(self, cells=None):
        self.cells = cells
        self.insertion = 1
        self.owner = None  # of the SPI bus
        self.host = 0  # of SDMMC: counts its lives

    def pull(self):
        """Take the card out; it is returned."""
        cells, self.cells = self.cells, None
        return cells

    def put(self, cells):
        """Put a card in."""
        self.cells = cells
        self.insertion += 1


class SDCardMaker:
    """What `machine.SDCard` is; `socket` is where all slots lead."""

    def __init__(self, socket):
        self._socket = socket

    def __call__(self, slot=1, width=1, cd=None, wp=None, freq=20000000, **pins):
        if not 0 <= slot <= 3:
            raise ValueError("invalid slot number")
        if slot not in _SDMMC and ("cmd" in pins or "data" in pins):
            raise ValueError("invalid config: SPI slot with SDMMC pin arguments")
        if slot in _SDMMC and ("miso" in pins or "mosi" in pins or "cs" in pins):
            raise ValueError("invalid config: SDMMC slot with SPI pin arguments")
        if slot in _SDMMC and width not in (1, 4) and (width, slot) != (8, 0):
            raise ValueError("width must be 1 or 4 (or 8 on slot 0)")
        return SDCard(self._socket, slot)


class SDCard:
    """A machine.SDCard."""

    def __init__(self, socket, slot):
        self._socket = socket
        self._spi = slot not in _SDMMC
        self._insertion = None  # SDCARD_CARD_FLAGS_CARD_INIT_DONE, and of which card
        self._blocks = 0
        if self._spi:
            if socket.owner is not None:
                raise OSError(_INVALID_STATE, "ESP_ERR_INVALID_STATE")
            socket.owner = self
        elif not socket.host % 2:
            socket.host += 1
        self._life = socket.host
        self._open = True

    def _hosted(self):
        if self._spi:
            return self._open
        return self._open and self._socket.host == self._life

    def _ready(self):
        """sdcard_ensure_card_init: True also for a card that has long been another."""
        if self._insertion is None and self._hosted() and self._socket.cells:
            self._insertion = self._socket.insertion
            self._blocks = self._socket.cells.blocks
        return self._insertion is not None

    def _cells(self):
        if self._ready() and self._hosted() and self._insertion == self._socket.insertion:
            return self._socket.cells
        return None

    def readblocks(self, n, buf):
        """FAILED if the card did not answer."""
        cells = self._cells()
        return OK if cells and cells.readblocks(n, buf) == 0 else FAILED

    def writeblocks(self, n, buf):
        """FAILED if the card did not answer."""
        cells = self._cells()
        return OK if cells and cells.writeblocks(n, buf) == 0 else FAILED

    def ioctl(self, op, arg):
        """1 initialise, 2 forget that it was, 3 sync, 4 blocks, 5 their size; -1 is failure."""
        if op == 1:
            return 0 if self._ready() else -1
        if op == 2:
            self._insertion = None
            return 0
        if op == 3:
            return 0
        if op in (4, 5):
            if not self._ready():
                return -1
            return self._blocks if op == 4 else 512
        return -1

    def info(self):
        """(bytes, sector size). Raises OSError without a card."""
        if not self._ready():
            raise OSError(-0x107, "ESP_ERR_TIMEOUT")
        return self._blocks * 512, 512

    def deinit(self):
        """Give the bus back; nothing the second time."""
        if not self._open:
            return
        self._open = False
        if self._spi:
            self._socket.owner = None
        elif self._socket.host == self._life:
            self._socket.host += 1
