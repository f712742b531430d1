"""Pieces that several boards are made of."""

from machine import Pin


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


def present(*links):
    """Those of the links that are there."""
    return [link for link in links if link]
