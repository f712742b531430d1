"""WiFi (MicroPython's network.WLAN): the strongest known network, with limits."""

import asyncio

from micropython import const

from ..errors import LinkError

_CONNECT_MS = const(20000)
_POLL_MS = const(100)
# network.STAT_* of MicroPython's esp32 port; other ports have none or other numbers for these.
_WHY = {
    200: ("lost", "the access point went away"),  # STAT_BEACON_TIMEOUT
    201: ("no_network", "the network was not found"),  # STAT_NO_AP_FOUND
    202: ("wrong_key", "the key is wrong"),  # STAT_WRONG_PASSWORD
    203: ("refused", "the access point refused"),  # STAT_ASSOC_FAIL
    204: ("wrong_key", "the key is wrong, or the signal too weak"),  # STAT_HANDSHAKE_TIMEOUT
}


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
        self.ssid = None

    async def up(self, may=None):
        """Connect to the strongest known network. Raises LinkError, whose `code` is one of
        `no_network wrong_key no_dhcp refused lost off`."""
        wlan = self._radio()
        found = self._scan(wlan)
        networks = self._settings.wifi
        known = [n for n in networks if n["ssid"] in found]
        known.sort(key=lambda n: -found[n["ssid"]])
        # A hidden network does not show in a scan; asking for it is the only way to know.
        known += [n for n in networks if n["ssid"] not in found and n.get("hidden")]
        if not known:
            raise LinkError("none of the known networks is in reach", "no_network")
        error = None
        for network in known:
            try:
                await self._connect(wlan, network)
                self.ssid = network["ssid"]
                return
            except LinkError as e:
                # The first one tried is the strongest: its trouble says the most.
                error = error or e
        raise error

    def _radio(self):
        try:
            if self._wlan is None:
                import network

                self._wlan = network.WLAN(network.STA_IF)
            self._wlan.active(True)
        except (OSError, RuntimeError) as e:
            raise LinkError("the radio can't be switched on: %s" % e, "off")
        return self._wlan

    def _scan(self, wlan):
        """{ssid: dBm} of what is on the air."""
        found = {}
        try:
            for ssid, _, _, rssi, _, _ in wlan.scan():
                try:
                    ssid = ssid.decode()
                except UnicodeError:
                    continue
                if ssid and rssi > found.get(ssid, -200):
                    found[ssid] = rssi
        except (OSError, RuntimeError):
            pass  # busy, say: the hidden ones can still be asked for
        return found

    async def _connect(self, wlan, network):
        ssid = network["ssid"]
        try:
            wlan.disconnect()
        except OSError:
            pass  # it was not connected
        try:
            # Only now and then does the driver try by itself: which network is for us to say.
            wlan.config(reconnects=2)
        except (OSError, ValueError, TypeError):
            pass  # a port without that setting
        try:
            wlan.connect(ssid, network.get("key") or None)
        except (OSError, RuntimeError) as e:
            raise LinkError("%s: %s" % (ssid, e), "refused")
        start = self._clock.uptime_ms()
        while not wlan.isconnected():
            code, text = _WHY.get(wlan.status(), (None, None))
            if code:
                raise LinkError("%s: %s" % (ssid, text), code)
            if self._clock.uptime_ms() - start > _CONNECT_MS:
                if self.signal_dbm() is not None:
                    raise LinkError("%s: connected, but no address by DHCP" % ssid, "no_dhcp")
                raise LinkError("%s: no answer" % ssid, "no_network")
            await self._clock.sleep_ms(_POLL_MS)
            await asyncio.sleep_ms(0)

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
        try:
            return self._wlan is not None and self._wlan.active() and self._wlan.isconnected()
        except OSError:
            return False

    def signal_dbm(self):
        """RSSI in dBm, None while not associated."""
        try:
            return self._wlan.status("rssi") if self._wlan else None
        except (OSError, ValueError, TypeError):
            return None
