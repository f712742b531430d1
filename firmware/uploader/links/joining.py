"""Joining a WiFi network (MicroPython's network.WLAN): the one of the last time, else the strongest
known one, with limits. Loaded to connect, and forgotten once that is done."""

import asyncio

from micropython import const

from ..errors import LinkError

_CONNECT_MS = const(20000)
_POLL_MS = const(100)
_LEAVE_MS = const(1000)
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


async def join(wlan, networks, last, quiet, clock):
    """Connect `wlan` (a network.WLAN, active) to the network of `last`, (ssid, BSSID) or None, or
    to the strongest of `networks` (as in the setting `wifi`); its (ssid, BSSID). `quiet` as of
    `WifiLink.up`, which says what LinkErrors this raises."""
    known = [(n, last[1]) for n in networks if last and n["ssid"] == last[0]]
    joined = known and await _any_of(wlan, known, clock)
    if not isinstance(joined, tuple):
        # While the driver connects, a scan finds nothing, and does not say why.
        await _leave(wlan, clock)
        found = {} if quiet else _scan(wlan)
        joined = await _any_of(wlan, _known(networks, found, quiet), clock)
        if not isinstance(joined, tuple):
            raise joined
    return joined


def _known(networks, found, quiet):
    # [(network, BSSID or None)], the strongest first.
    known = [n for n in networks if n["ssid"] in found]
    known.sort(key=lambda n: -found[n["ssid"]][0])
    known = [(n, found[n["ssid"]][1]) for n in known]
    # A hidden network does not show in a scan; asking for it is the only way to know.
    for n in networks:
        if n["ssid"] not in found and (quiet or n.get("hidden")):
            known.append((n, None))
    return known


async def _any_of(wlan, known, clock):
    # (ssid, BSSID) of the one that it connected to, or why the first did not work.
    error = None
    for network, bssid in known:
        try:
            await _connect(wlan, network, bssid, clock)
            return network["ssid"], bssid
        except LinkError as e:
            # The first one tried is the strongest: its trouble says the most.
            error = error or e
    return error or LinkError("none of the known networks is in reach", "no_network")


def _scan(wlan):
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


async def _leave(wlan, clock):
    """Disconnect, and wait until that has happened: until then `isconnected()` tells of the
    network that is being left."""
    try:
        wlan.disconnect()
    except OSError:
        pass  # the radio was off
    start = clock.uptime_ms()
    while wlan.isconnected() and clock.uptime_ms() - start < _LEAVE_MS:
        await clock.sleep_ms(_POLL_MS // 5)


async def _connect(wlan, network, bssid, clock):
    ssid = network["ssid"]
    await _leave(wlan, clock)
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
    start = clock.uptime_ms()
    while not wlan.isconnected():
        took = clock.uptime_ms() - start
        status = wlan.status()
        if status != stale or (took > _STALE_MS and _rssi(wlan) is None):
            _judge(ssid, status)
        if took > _CONNECT_MS:
            if _rssi(wlan) is not None:
                raise LinkError("%s: connected, but no address by DHCP" % ssid, "no_dhcp")
            raise LinkError("%s: no answer" % ssid, "no_network")
        await clock.sleep_ms(_POLL_MS)
        await asyncio.sleep_ms(0)


def _judge(ssid, status):
    """Raise LinkError if `status` is a verdict."""
    if status not in _UNDER_WAY:
        code, text = _WHY.get(status) or ("refused", "disconnected, reason %s" % status)
        raise LinkError("%s: %s" % (ssid, text), code)


def _rssi(wlan):
    try:
        return wlan.status("rssi")
    except (OSError, ValueError, TypeError):
        return None  # not associated
