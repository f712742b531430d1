"""network.WLAN of the esp32 port, the station.

From ports/esp32/network_wlan.c and network_common.c (v1.26.0, v1.28.0: the same but for
constants) and ESP-IDF v5.4.2 (esp_wifi.h, docs/en/api-guides/wifi.rst):

- `status()` is made of the last disconnect's reason, which stays until an address is had or
  another disconnect comes: not a call of `connect`, nor of `disconnect` without a connection
  (which raises no event), nor `active(False)` changes it. 201 and 210 to 212 show as they are,
  205 as 202, 8 as 1000 (idle, whatever goes on); others only when no reconnect is under way,
  1001 until then.
- What happens is told by a task: right after `disconnect()` the station is still "connected".
- The port connects again at each disconnect that was not asked for, `reconnects` + 1 times in
  all, or for ever. `connect` and `disconnect` set whether it was.
- `connect` takes the name and the key by position and `bssid` by name, no more. It clears what
  `config(channel=)` set. While the driver connects it raises "Wifi Internal State Error"
  (set_config), while connected "Wifi Internal Error" (micropython#17661, #7139).
- `scan` holds Python for 2.5 s (measured on an emulated ESP32), and returns [] where the driver
  refuses: while it connects, and when it was not started. Hidden networks come nameless.
- The first access point in the order of channels is taken (WIFI_FAST_SCAN), not the strongest.
- A key given for an open network ends in 211 (threshold, esp_wifi_types_generic.h), none for a
  closed one in 210.
- `isconnected()` stays True if the address is lost (IP_EVENT_STA_LOST_IP is not handled), and for
  the 6 s until beacons are missed.

Read, not measured: how long a handshake with a wrong key takes, and its reason (15; or 2, 204,
202: an access point's `reason`). Times are in ms.
"""

_SCAN = 2500
_JOIN = 300
_NO_AP = 2500
_HANDSHAKE = 3000
_DHCP = 400
_BEACONS = 6000
_TOLD = 5
_ZERO = "0.0.0.0"


class AccessPoint:
    """`key` "" is an open network. `reason` ends every attempt to join, if given, and
    `wrong_key` those with another key; without `dhcp` no address comes."""

    def __init__(self, ssid, key="", rssi=-60, channel=1, bssid=None):
        self.ssid = ssid
        self.key = key
        self.rssi = rssi
        self.channel = channel
        self.bssid = bssid or (b"\x02ap" + bytes([channel]) + ssid.encode() + b"__")[:6]
        self.hidden = False
        self.dhcp = True
        self.reason = None
        self.wrong_key = 15


class Wlan:
    """The station; `network.WLAN()` gives the same one each time. `air` is the list of
    AccessPoints in reach, to be changed at will. For tests: `tried` are the names that
    `connect` was called with, `scans` counts scans, `joins` the driver's attempts, `told(up)`
    hears of the address."""

    def __init__(self, chip, air=(), told=None):
        self._chip = chip
        self.air = list(air)
        self.dns = "10.0.0.1"
        self.told = told
        self.out_of_memory = False
        self.tried = []
        self.scans = 0
        self.joins = 0
        self._started = False
        # The driver: None, "connecting", or the AccessPoint that it is associated with.
        self._driver = None
        self._plan = None
        self._config = ("", "", None)
        self._channel = 0
        # The port's variables in network_wlan.c.
        self._requested = False
        self._connected = False
        self._reason = 0
        self._most = 0  # conf_wifi_sta_reconnects
        self._count = 0
        self._address = False

    # The driver and its events

    def _join(self):
        self.joins += 1
        self._driver = "connecting"
        ssid, key, bssid = self._config
        mine = [a for a in self.air if a.ssid == ssid and bssid in (None, a.bssid)]
        mine.sort(key=lambda a: a.channel)
        fit = [a for a in mine if bool(a.key) == bool(key)]
        if not mine:
            return self._soon(_NO_AP, lambda: self._lost(201))
        if not fit:
            return self._soon(_NO_AP, lambda: self._lost(211 if key else 210))
        ap = fit[0]
        if ap.reason:
            return self._soon(_JOIN, lambda: self._lost(ap.reason))
        if ap.key != key:
            return self._soon(_HANDSHAKE, lambda: self._lost(ap.wrong_key))
        self._soon(_JOIN, lambda: self._associated(ap))

    def _soon(self, ms, call):
        self._plan = self._chip.at(ms, call)

    def _associated(self, ap):
        if ap not in self.air:
            return self._lost(201)
        self._driver = ap
        if ap.dhcp:
            self._soon(_DHCP, self._addressed)

    def _addressed(self):
        self._plan = None
        self._address = self._connected = True
        self._reason = 0
        if self.told:
            self.told(True)

    def _lost(self, reason):
        """The driver is no longer connected: WIFI_EVENT_STA_DISCONNECTED, told by a task."""
        self._chip.cancel(self._plan)
        self._plan = None
        self._driver = None
        self._address = False
        self._chip.at(_TOLD, lambda: self._disconnected(reason))

    def _disconnected(self, reason):
        # network_wlan_wifi_event_handler
        was, self._connected = self._connected, False
        self._reason = reason
        if was and self.told:
            self.told(False)
        if not self._requested:
            return
        if self._most:
            self._count += 1
            if self._count >= self._most:
                return
        if self._started and self._driver is None:
            self._join()

    # For tests: what happens to it

    def remove(self, ssid):
        """The access points of that name are gone; the station finds out by missed beacons."""
        self.air = [a for a in self.air if a.ssid != ssid]
        if self._driver not in (None, "connecting") and self._driver.ssid == ssid:
            self._chip.at(_BEACONS, lambda: self._beacons_missed(ssid))

    def _beacons_missed(self, ssid):
        ap = self._driver
        if ap not in (None, "connecting") and ap.ssid == ssid and ap not in self.air:
            self._lost(200)

    def kick(self, reason):
        """The access point throws the station out, with an IEEE 802.11 reason code."""
        if self._driver not in (None, "connecting"):
            self._lost(reason)

    def lose_address(self):
        """The lease ended and was not renewed."""
        self._address = False

    # network.WLAN

    def active(self, value=None):
        """As the port's: it waits for the driver's event."""
        if value is not None:
            if value and self.out_of_memory:
                raise OSError("WiFi Out of Memory")
            if value and not self._started:
                self._count = 0
            elif not value and self._started and self._driver is not None:
                joined = self._driver != "connecting"
                self._chip.cancel(self._plan)
                self._driver = self._plan = None
                self._address = False
                if joined:
                    self._started = False
                    self._disconnected(8)
            self._started = bool(value)
        return self._started

    def connect(self, *ssid_and_key, bssid=None):
        """As the port's. Raises OSError while it is connecting or connected."""
        self._chip.now()
        if len(ssid_and_key) > 2:
            raise TypeError("extra positional arguments given")
        if ssid_and_key:
            if bssid is not None and len(bssid) != 6:
                raise ValueError
            if self._driver == "connecting":
                raise OSError("Wifi Internal State Error")
            ssid, key = (ssid_and_key + (None,))[:2]
            self._config = (_text(ssid), _text(key), bssid)
            self._channel = 0
        self.tried.append(self._config[0])
        self._count = 0
        if not self._started:
            raise OSError("Wifi Not Started")
        if self._driver is not None:
            raise OSError("Wifi Internal Error")
        self._join()
        self._requested = True

    def disconnect(self):
        """As the port's. Raises OSError while the radio is off."""
        self._chip.now()
        self._requested = False
        if not self._started:
            raise OSError("Wifi Not Started")
        if self._driver == "connecting":
            self._chip.cancel(self._plan)
            self._driver = self._plan = None
        elif self._driver is not None:
            self._lost(8)

    def scan(self):
        """As the port's: [(ssid, bssid, channel, RSSI, security, hidden)], the last always
        False; [] where the driver refuses."""
        self._chip.now()
        if not self._started or self._driver == "connecting":
            return []
        self.scans += 1
        self._chip.block(_SCAN)
        found = sorted(self.air, key=lambda a: -a.rssi)
        return [
            (
                b"" if a.hidden else a.ssid.encode(),
                a.bssid,
                a.channel,
                a.rssi,
                3 if a.key else 0,
                False,
            )
            for a in found
        ]

    def isconnected(self):
        """As the port's: an address was had, and no disconnect has been told since."""
        self._chip.now()
        return self._connected

    def status(self, what=None):
        """As the port's, in its order. Raises OSError without an access point for "rssi"."""
        self._chip.now()
        if what == "rssi":
            if self._driver in (None, "connecting"):
                raise OSError("Wifi Not Connected")
            return self._driver.rssi
        if what is not None:
            raise ValueError("unknown status param")
        reason = self._reason
        if self._connected:
            return 1010
        if reason in (201, 210, 211, 212):
            return reason
        if reason in (202, 205):
            return 202
        if reason == 8:
            return 1000
        if self._requested and (self._most == 0 or self._count < self._most):
            return 1001
        return reason or 1000

    def config(self, *what, **values):
        """As the port's: `reconnects`, `channel`, `ssid`, `mac`, `hostname`, `pm`, `txpower`."""
        if what and values:
            raise TypeError("either pos or kw args are allowed")
        for name, value in values.items():
            if name == "reconnects":
                self._most = 0 if value == -1 else value + 1
            elif name == "channel":
                if not self._started:
                    raise OSError("Wifi Not Started")
                self._channel = value
            elif name not in ("mac", "hostname", "dhcp_hostname", "pm", "txpower", "protocol"):
                raise ValueError("unknown config param")
        if values:
            return None
        if len(what) != 1:
            raise TypeError("can query only one param")
        known = {
            "reconnects": self._most - 1,
            "ssid": self._config[0],
            "mac": b"\x24\x0a\xc4\x00\x00\x01",
            "channel": self._channel,
        }
        if what[0] not in known:
            raise ValueError("unknown config param")
        return known[what[0]]

    def ifconfig(self):
        """(address, netmask, gateway, name server); zeros without an address."""
        self._chip.now()
        if not self._address:
            return (_ZERO, _ZERO, _ZERO, self.dns if self._reason else _ZERO)
        return ("10.0.0.2", "255.255.255.0", "10.0.0.1", self.dns)

    def ipconfig(self, what):
        """`addr4` (address, netmask), `gw4`, `dhcp4`. Raises ValueError for anything else."""
        here = self.ifconfig()
        if what == "addr4":
            return here[:2]
        if what == "gw4":
            return here[2]
        if what == "dhcp4":
            return self._driver not in (None, "connecting")
        raise ValueError("unexpected key")


def _text(value):
    if value is None:
        return ""
    return value if isinstance(value, str) else bytes(value).decode()


class Network:
    """What `network` is, as far as WiFi goes; `ap` is the access point (see `ap.Ap`)."""

    STA_IF = 0
    AP_IF = 1
    STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010

    def __init__(self, wlan, ap=None):
        self._wlan = wlan
        self.WLAN = _Maker(wlan, ap)

    def ipconfig(self, what):
        """`dns`: the first name server, whichever link it came from."""
        if what != "dns":
            raise ValueError("unexpected key")
        return self._wlan.dns


class _Maker:
    IF_STA, IF_AP = 0, 1
    SEC_WPA2 = 3

    def __init__(self, wlan, ap):
        self._wlan = wlan
        self._ap = ap

    def __call__(self, interface=0):
        if interface not in (0, 1):
            raise ValueError("invalid WLAN interface identifier")
        return self._ap if interface and self._ap else self._wlan
