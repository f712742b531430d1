"""network.WLAN of the esp32 port, the access point.

From ports/esp32/network_wlan.c (v1.26.1): `config` reads the whole configuration from the driver,
changes what is named and writes it back in one call. ESP-IDF's esp_wifi.h says that this needs
the interface to be enabled; MicroPython's own example (docs/esp32/quickref.rst) does it before.
Here it raises unless `early`. Started without a configuration it is open (esp_wifi's default).
"""


class Ap:
    """`ran` are the configurations that it ran with, in turn; `early` as above, `weak` makes the
    driver take no WPA2."""

    def __init__(self, early=False, weak=False):
        self.early = early
        self.weak = weak
        self.ran = []
        self._on = False
        self._config = {"ssid": "ESP_000001", "key": "", "security": 0, "max_clients": 4}

    def active(self, value=None):
        """As the port's."""
        if value is not None:
            self._on = value
            if value:
                self.ran.append(dict(self._config))
        return self._on

    def config(self, *what, **values):
        """As the port's, as far as it is used."""
        if values:
            if not (self._on or self.early):
                raise OSError("Wifi Invalid Mode")
            for name in values:
                if name not in self._config:
                    raise ValueError("unknown config param")
            if values.get("security") and len(values.get("key", "")) < 8:
                raise OSError("Wifi Invalid Password")
            self._config.update(values)
            if self.weak:
                self._config["security"] = 0
            if self._on:
                self.ran.append(dict(self._config))
            return None
        return self._config[what[0]]

    def ifconfig(self):
        """As the port's: ESP-IDF's default (esp_netif_defaults.h)."""
        return ("192.168.4.1", "255.255.255.0", "192.168.4.1", "0.0.0.0")
