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

    return WifiLink(settings.wifi, clock)


def modem(profile, settings, clock, on_event, tx, rx, key=None, reset=None, power=None, uart=1):
    """The cellular link of a modem at UART pins `tx`, `rx`; `key`, `reset` and `power` are
    callables (see `line`). None if no APN is configured."""
    if not settings.apn:
        return None
    from uploader.links.cellular import CellularLink, Pins

    # PPP reads in bursts: room for what comes between two polls at 115200 baud.
    port = UART(uart, 115200, tx=tx, rx=rx, rxbuf=4096, txbuf=2048, timeout=0)
    pins = Pins(key, reset, power)
    return CellularLink(port, profile, pins, settings, clock, None, on_event)


def in_order(settings, **links):
    """The links that are there, in the order of the settings' `network_preference`."""
    return [links[name] for name in settings.network_preference if links.get(name)]
