"""A battery of one lithium-ion cell."""

from machine import ADC, Pin

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
