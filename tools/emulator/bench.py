"""What stands around the emulated chip: the cloud, SNTP, a modem; and flashes to boot from."""

import json
import time
from pathlib import Path

from tools.cloud import Cloud
from tools.cloud.limits import Limits
from tools.device import bundle, package
from tools.device.package import File
from tools.modem import Modem
from tools.modem.internet.names import LocalNameServer, Names

from . import flash
from .chip import HOST, NETWORK, Chip
from .sntp import Sntp

MPY = Path(__file__).parent / "mpy"
NAME = "cloud.test"  # what name servers know this machine as
APN = "internet"
_ROOT = "/roots/cloud.der"
_OWN = ("board", "generated", "orders", "probe")
_SCRIPTS = ("boot", "module")


class Bench:
    """A cloud that guests on `link`, `wifi` or `cellular`, reach, from `with Bench(...) as b:`
    on. `image` is MicroPython's, `folder` where the flashes are laid out."""

    def __init__(self, image: Path, folder: Path, link: str):
        self.folder = folder
        self.link = link
        self._image = image.read_bytes()
        self.cloud = Cloud(limits=Limits(10**9, 10**9), host=NAME)
        self.names = LocalNameServer(Names({NAME: HOST}))
        self.sntp = Sntp()
        self.modem = None
        self._boots = 0

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cloud.start()
        self.sntp.__enter__()
        self.names.__enter__()
        if self.link == "cellular":
            # The network tells the time (NITZ) as it is now; one mobile minute is a real one.
            nitz = time.strftime("%y/%m/%d,%H:%M:%S+00", time.gmtime())
            self.modem = Modem("sim7600", speed=1, on=True, key_tied=True, nitz=nitz, apn=APN)
            self.modem.__enter__()
            self.modem.names.addresses[NAME] = HOST
        return self

    def __exit__(self, *_):
        if self.modem:
            self.modem.__exit__(None, None, None)
        self.names.__exit__(None, None, None)
        self.sntp.__exit__(None, None, None)
        self.cloud.stop()

    def settings(self, **more) -> dict:
        """The device's configuration, which `make provision` would write."""
        values = {
            "api_url": self.cloud.api_url,
            "device_token": self.cloud.new_device(),
            "storage": "/captures",
            "state": "/state",
            "roots": [_ROOT],
            "max_connections": 1,
            "ntp_server": f"{HOST}:{self.sntp.port}",
            "radio_idle_timeout_s": 0,
        }
        if self.link == "wifi":
            values["wifi"] = [{"ssid": NETWORK, "key": ""}]
            # The one that DHCP tells asks this machine's own, which knows no such name.
            values["dns_servers"] = [f"{HOST}:{self.names.address.rpartition(':')[2]}"]
        else:
            values["apn"] = APN
        return {**values, **more}

    def firmware(self, version: str | None = None) -> list[File]:
        """The product as `make deploy` copies it, with the emulated board."""
        flags = [f"-march={package.board('esp32_generic')['arch']}"]
        own, scripts = ([MPY / f"{n}.py" for n in names] for names in (_OWN, _SCRIPTS))
        return package.tree(*own, flags=flags, version=version, short=True, scripts=tuple(scripts))

    def assign(self, key: bundle.Key, version: str, crashes: bool = False) -> dict:
        """Have the cloud assign an update to the device, one that `crashes` at import; the
        manifest that it delivers."""
        files = {p: f.data for f in self.firmware(version) if (p := package.within(f))}
        if crashes:
            del files["/app.mpy"]
            files["/app.py"] = b"raise ValueError('broken')\n"
        made = [File(path, data) for path, data in files.items()]
        data = bundle.make(made, key, "Emulated ESP32", version)
        release = self.cloud.service.firmware.release(version, data)
        (device,) = self.cloud.state.keys("device")
        self.cloud.service.firmware.assign(device, release.id)
        return self.cloud.service.firmware.deliver(device)["firmware"]

    def lay_out(self, main: Path | None = None, battery=False, more=(), **settings) -> Path:
        """A flash with the product, and a configuration; `main` is a main.py in place of the
        product's, `battery` whether the board has one, `more` are files besides."""
        files = [*self.firmware(), *more]
        if main:
            files = [f for f in files if f.path != "/main.py"]
            files.append(File("/main.py", main.read_bytes()))
        files.append(File("/boot.py", (MPY / "boot.py").read_bytes()))
        config = json.dumps(self.settings(**settings)).encode()
        files += [File("/config.json", config), File(_ROOT, self.cloud.root_der.read_bytes())]
        # Where provisioning makes a directory; a file in it is what this one is made by.
        files.append(File("/state/log.0", b""))
        if battery:
            files.append(File("/battery", b""))
        path = self.folder / f"{self.link}{'-' + main.stem if main else ''}.bin"
        flash.lay_out(path, self._image, files)
        return path

    def chip(self, path: Path) -> Chip:
        """A chip with that flash, the modem at its UART 1 where there is one."""
        self._boots += 1
        log = path.with_name(f"{path.stem}-{self._boots}.log")
        uart1 = self.modem.path if self.modem else None
        return Chip(path, uart1, wifi=self.link == "wifi", log=log)
