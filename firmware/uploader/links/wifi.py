"""WiFi (MicroPython's network.WLAN): the strongest known network, with limits."""

import asyncio

from micropython import const

from ..errors import LinkError

_CONNECT_MS = const(20000)
_POLL_MS = const(100)
_LEAVE_MS = const(1000)
_ADDRESS_MS = const(1000)
# What a verdict that was there before an attempt has to outlast to be about it: a search of all
# channels takes some 2.5 s.
_STALE_MS = const(5000)
# network.STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP of MicroPython's esp32 port.
_UNDER_WAY = (1000, 1001, 1010)
# The disconnect reasons that its `status()` passes on: ESP-IDF's Wi-Fi guide, "Wi-Fi Reason
# Code" and "related to wrong password"; 211 with a key: wifi_scan_threshold_t.
_WHY = {
    2: ("wrong_key", "the key is wrong, or the signal too weak"),  # AUTH_EXPIRE
    15: ("wrong_key", "the key is wrong"),  # 4WAY_HANDSHAKE_TIMEOUT
    200: ("lost", "the access point went away"),  # BEACON_TIMEOUT
    201: ("no_network", "the network was not found"),  # NO_AP_FOUND
    202: ("wrong_key", "the key is wrong"),  # AUTH_FAIL
    203: ("refused", "the access point refused"),  # ASSOC_FAIL
    204: ("wrong_key", "the key is wrong, or the signal too weak"),  # HANDSHAKE_TIMEOUT
    210: ("wrong_key", "it wants a key, or its security is not supported"),
    211: ("wrong_key", "it is open, or of old security, and a key is given"),
    212: ("no_network", "its signal is too weak"),
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
        self._last = None  # (ssid, BSSID or None) of the last connection
        self._looked_ms = -_ADDRESS_MS
        self._addressed = False
        self.ssid = None

    async def up(self, may=None, quiet=False):
        """Connect: to the network of the last time if it is there, else to the strongest known
        one. `quiet` leaves out what holds Python up, the scan of 2.5 s: networks are then tried
        by name, in the order of the setting. Raises LinkError, whose `code` is one of
        `no_network wrong_key no_dhcp refused lost off`."""
        wlan = self._radio()
        last, self._last = self._last, None
        known = [(n, last[1]) for n in self._settings.wifi if last and n["ssid"] == last[0]]
        if known and await self._any_of(wlan, known) is None:
            return
        # While the driver connects, a scan finds nothing, and does not say why.
        await self._leave(wlan)
        error = await self._any_of(wlan, self._known({} if quiet else self._scan(wlan), quiet))
        if error:
            raise error

    def _known(self, found, quiet):
        # [(network, BSSID or None)], the strongest first.
        networks = self._settings.wifi
        known = [n for n in networks if n["ssid"] in found]
        known.sort(key=lambda n: -found[n["ssid"]][0])
        known = [(n, found[n["ssid"]][1]) for n in known]
        # A hidden network does not show in a scan; asking for it is the only way to know.
        for n in networks:
            if n["ssid"] not in found and (quiet or n.get("hidden")):
                known.append((n, None))
        return known

    async def _any_of(self, wlan, known):
        # None once connected to one of them, else why the first did not work.
        error = None
        for network, bssid in known:
            try:
                await self._connect(wlan, network, bssid)
                self.ssid = network["ssid"]
                self._last = self.ssid, bssid
                self._addressed = True
                self._looked_ms = self._clock.uptime_ms()
                return None
            except LinkError as e:
                # The first one tried is the strongest: its trouble says the most.
                error = error or e
        return error or LinkError("none of the known networks is in reach", "no_network")

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
        """{ssid: (dBm, BSSID)} of what is on the air, of each name the strongest."""
        found = {}
        try:
            for ssid, bssid, _, rssi, _, _ in wlan.scan():
                try:
                    ssid = ssid.decode()
                except UnicodeError:
                    continue
                if ssid and rssi > found.get(ssid, (-200,))[0]:
                    found[ssid] = rssi, bssid
        except (OSError, RuntimeError):
            pass  # busy, say: the hidden ones can still be asked for
        return found

    async def _leave(self, wlan):
        """Disconnect, and wait until that has happened: until then `isconnected()` tells of the
        network that is being left."""
        try:
            wlan.disconnect()
        except OSError:
            pass  # the radio was off
        start = self._clock.uptime_ms()
        while wlan.isconnected() and self._clock.uptime_ms() - start < _LEAVE_MS:
            await self._clock.sleep_ms(_POLL_MS // 5)

    async def _connect(self, wlan, network, bssid):
        ssid = network["ssid"]
        await self._leave(wlan)
        try:
            # Trying again, and which network, is for us to say: a driver that does so by itself
            # hides its verdict, and finds nothing when asked to scan.
            wlan.config(reconnects=0)
        except (OSError, ValueError, TypeError):
            pass  # a port without that setting
        stale = wlan.status()
        try:
            # The BSSID takes the strongest of several access points, not the first.
            wlan.connect(ssid, network.get("key") or None, bssid=bssid)
        except (OSError, RuntimeError) as e:
            raise LinkError("%s: %s" % (ssid, e), "refused")
        start = self._clock.uptime_ms()
        while not wlan.isconnected():
            took = self._clock.uptime_ms() - start
            status = wlan.status()
            if status != stale or (took > _STALE_MS and self.signal_dbm() is None):
                self._judge(ssid, status)
            if took > _CONNECT_MS:
                if self.signal_dbm() is not None:
                    raise LinkError("%s: connected, but no address by DHCP" % ssid, "no_dhcp")
                raise LinkError("%s: no answer" % ssid, "no_network")
            await self._clock.sleep_ms(_POLL_MS)
            await asyncio.sleep_ms(0)

    def _judge(self, ssid, status):
        """Raise LinkError if `status` is a verdict."""
        if status not in _UNDER_WAY:
            code, text = _WHY.get(status) or ("refused", "disconnected, reason %s" % status)
            raise LinkError("%s: %s" % (ssid, text), code)

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

    def signal_dbm(self):
        """RSSI in dBm, None while not associated."""
        try:
            return self._wlan.status("rssi") if self._wlan else None
        except (OSError, ValueError, TypeError):
            return None
