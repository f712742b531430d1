"""A modem on a board."""

_CODE = 19968  # bytes of heap that its code takes; without WiFi there is room for them


class Modem:
    """A modem as it is wired: its family's `profile` (see `uploader.links.modems`), the pins
    `tx` and `rx` of UART 1, and its other lines, callables (see `line`) or None."""

    def __init__(self, profile, tx, rx, key=None, reset=None, power=None):
        self.profile = profile
        self.tx = tx
        self.rx = rx
        self.key = key
        self.reset = reset
        self.power = power

    def link(self, settings, clock, on_event):
        """Its cellular link, or None if no APN is configured."""
        if not settings.apn:
            return None
        from uploader import memory

        make = lambda: self._make(settings, clock, on_event)  # noqa: E731
        return make() if memory.roomy() else _Later(make)

    def _make(self, settings, clock, on_event):
        from machine import UART

        from uploader import memory

        memory.borrow("uploader.growth").extend(_CODE)
        from uploader.links.cellular import CellularLink
        from uploader.links.modem import Pins

        # PPP's input is read once the line is idle: room for lwIP's whole window, 5760 bytes
        # (ports/esp32/network_ppp.c; ESP-IDF's CONFIG_LWIP_TCP_WND_DEFAULT).
        uart = UART(1, 115200, tx=self.tx, rx=self.rx, rxbuf=8192, txbuf=2048, timeout=0)
        pins = Pins(self.key, self.reset, self.power)
        return CellularLink(uart, self.profile, pins, settings, clock, on_event)


class _Later:
    """A CellularLink that is made, of `make()`, when it is first brought up or powered off: its
    code is large, and a boot that records, or has WiFi, does without."""

    name = "cellular"
    metered = True
    connection = "4g"
    _link = None

    def __init__(self, make):
        self._make = make

    def __getattr__(self, name):
        return getattr(self._link, name)

    def _made(self):
        self._link = self._link or self._make()
        return self._link

    async def up(self, may=None, quiet=False):
        await self._made().up(may, quiet)

    async def down(self):
        # Never wanted in this boot, it may be on from the one before.
        try:
            link = self._made()
        except MemoryError:
            return  # nothing is worth a crash here
        await link.down()

    def is_up(self):
        return self._link is not None and self._link.is_up()

    # What the owner's rules ask of a link that is not up, too.

    def roaming(self):
        return self._link is not None and self._link.roaming()

    def signal_dbm(self):
        return self._link and self._link.signal_dbm()
