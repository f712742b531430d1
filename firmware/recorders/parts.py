"""Pieces that several boards are made of."""

from machine import ADC, UART, Pin

# Resting voltage of a single lithium-ion cell in mV and what is left of it in percent: the
# usual shape, not measured on any board's cell.
_CELL = ((4150, 100), (4000, 85), (3870, 65), (3780, 45), (3710, 25), (3600, 10), (3300, 0))


def percent_of(millivolts):
    """About how full a lithium-ion cell at that voltage is, 0 to 100."""
    above = _CELL[0]
    if millivolts >= above[0]:
        return 100
    for point in _CELL[1:]:
        if millivolts >= point[0]:
            span = above[0] - point[0]
            return point[1] + (millivolts - point[0]) * (above[1] - point[1]) // span
        above = point
    return 0


class CellAdc:
    """A cell behind a divider by `factor` at an ADC pin; calling it gives percent.

    None above 4.3 V or below 2 V: no cell then, but the board's own supply.
    """

    def __init__(self, pin, factor=2):
        self._adc = ADC(Pin(pin), atten=ADC.ATTN_11DB)
        self._factor = factor

    def __call__(self):
        """Percent, or None."""
        millivolts = self._adc.read_uv() // 1000 * self._factor
        return percent_of(millivolts) if 2000 < millivolts < 4300 else None


def line(pin, active=1):
    """A callable that drives an output: `line(4)(True)`."""
    out = Pin(pin, Pin.OUT, value=1 - active)

    def drive(on):
        out.value(active if on else 1 - active)

    return drive


def wifi(settings, clock):
    """The WiFi link, or None if no network is configured."""
    if not settings.wifi:
        return None
    from uploader.links.wifi import WifiLink

    return WifiLink(settings, clock)


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
        from uploader.links.cellular import CellularLink
        from uploader.links.modem import Pins

        # PPP reads in bursts: room for what comes between two polls at 115200 baud.
        uart = UART(1, 115200, tx=self.tx, rx=self.rx, rxbuf=4096, txbuf=2048, timeout=0)
        pins = Pins(self.key, self.reset, self.power)
        return CellularLink(uart, self.profile, pins, settings, clock, on_event)


def present(*links):
    """Those of the links that are there."""
    return [link for link in links if link]
