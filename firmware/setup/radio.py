"""The access point of set-up: WPA2, its name and key drawn at random once."""

import os

from .known import recall, remember

# Without what is mistaken for something else. 31 letters: twelve are 59 bits.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_CLIENTS = 2


def identity():
    """(name, key) of the access point: drawn once, and kept. Raises OSError."""
    known = recall()
    if "key" not in known:
        remember(name="recorder-" + _draw(4), key=_draw(12))
        known = recall()
    return known["name"], known["key"]


def _draw(count):
    text = ""
    while len(text) < count:
        n = os.urandom(1)[0]
        if n < 248:  # or the first letters were drawn more often
            text += _LETTERS[n % 31]
    return text


class Radio:
    """The WiFi of a chip (MicroPython's network.WLAN): an access point, and a station that looks
    for networks. A board without one has a `make_radio()` that gives the like."""

    web_port = 80
    dns_port = 53
    _ap = _station = None

    def open(self, name, key):
        """Be an access point; its address. Raises OSError unless it is closed to whoever lacks the
        key."""
        import network

        self._station = network.WLAN(network.WLAN.IF_STA)
        self._ap = ap = network.WLAN(network.WLAN.IF_AP)
        security = getattr(network.WLAN, "SEC_WPA2", 3)
        for before in (True, False):
            try:
                ap.config(ssid=name, key=key, security=security, max_clients=_CLIENTS)
            except OSError:
                # Before it is active the driver may refuse (esp_wifi_set_config).
                if not before:
                    raise
            ap.active(True)
        if ap.config("security") != security or ap.config("ssid") != name:
            ap.active(False)
            raise OSError("the access point is not as it should be")
        return ap.ifconfig()[0]

    def scan(self):
        """[[name, dBm, open]] of what is in reach, the strongest first. Holds Python up for 2.5 s,
        in which telephones may lose the access point for a moment."""
        best = {}
        self._station.active(True)
        try:
            for ssid, _, _, rssi, security, _ in self._station.scan():
                try:
                    ssid = ssid.decode()
                except UnicodeError:
                    continue
                if ssid and rssi > best.get(ssid, (-200,))[0]:
                    best[ssid] = rssi, not security
        except (OSError, RuntimeError):
            pass
        return sorted(([s, best[s][0], best[s][1]] for s in best), key=lambda n: -n[1])

    def close(self):
        """Switch it off."""
        for wlan in (self._ap, self._station):
            if wlan:
                wlan.active(False)
