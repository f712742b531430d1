"""WiFi (MicroPython's network.WLAN): the link while it is there; `joining` brings it about."""

from micropython import const

from .. import memory
from ..errors import LinkError

_ADDRESS_MS = const(1000)


class WifiLink:
    """The link over the networks of the setting `wifi`: dicts with `ssid`, `key` ("" for an
    open network) and `hidden` (true if it does not broadcast its name). `wlan` is a
    `network.WLAN`, made when first needed if left out; `clock` measures the waits."""

    name = "wifi"
    metered = False
    connection = "wifi"

    def __init__(self, settings, clock, wlan=None):
        self._settings = settings
        self._clock = clock
        self._wlan = wlan
        self.last = None  # (ssid, BSSID or None) of the last connection
        self._looked_ms = -_ADDRESS_MS
        self._addressed = False
        self.ssid = None

    async def up(self, may=None, quiet=False):
        """Connect: to the network of the last time if it is there, else to the strongest known
        one. `quiet` leaves out what holds Python up, the scan of 2.5 s: networks are then tried
        by name, in the order of the setting. Raises LinkError, whose `code` is one of
        `no_network wrong_key no_dhcp refused lost off`."""
        wlan = self._radio()
        last, self.last = self.last, None
        from . import joining

        try:
            joined = await joining.join(wlan, self._settings.wifi, last, quiet, self._clock)
        finally:
            memory.forget(joining.__name__)
        self.last = joined
        self.ssid = joined[0]
        self._addressed = True
        self._looked_ms = self._clock.uptime_ms()

    def _radio(self):
        try:
            if self._wlan is None:
                import network

                self._wlan = network.WLAN(network.STA_IF)
            self._wlan.active(True)
        except (OSError, RuntimeError) as e:
            raise LinkError("the radio can't be switched on: %s" % e, "off")
        return self._wlan

    async def down(self):
        """Power the radio off."""
        wlan = self._wlan
        self.ssid = None
        if wlan is None:
            return
        for call in (wlan.disconnect, lambda: wlan.active(False)):
            try:
                call()
            except (OSError, RuntimeError):
                pass

    def is_up(self):
        """True while there is an address."""
        wlan = self._wlan
        try:
            if wlan is None or not wlan.active() or not wlan.isconnected():
                return False
            # A lease that ran out shows in the address alone. Asked for now and then, as the
            # answer is four new strings.
            now = self._clock.uptime_ms()
            if now - self._looked_ms >= _ADDRESS_MS:
                self._looked_ms = now
                self._addressed = wlan.ifconfig()[0] != "0.0.0.0"
            return self._addressed
        except OSError:
            return False

    def name_servers(self):
        """The addresses of the name servers that DHCP told."""
        server = self._wlan.ifconfig()[3]
        return [server] if server != "0.0.0.0" else []

    def signal_dbm(self):
        """RSSI in dBm, None while not associated."""
        try:
            return self._wlan.status("rssi") if self._wlan else None
        except (OSError, ValueError, TypeError):
            return None
