"""The product on a device without hardware, updated by the local cloud; bundles that do harm."""

import json
import time
from pathlib import Path

from tools.cloud import Cloud
from tools.device import bundle, package
from tools.device.package import FIRMWARE, File
from tools.simulator import Simulator

BOARD = "unix"
NEW = "9.9.9"
_HANGS = "while True:\n    pass\n"
_CRASHES = "raise ValueError('broken')\n"
_TWO_SLOTS = "import esp32, partition\nesp32.Partition = partition.Partition\n"
_EATS = """
import asyncio
import whole

hoard = []


async def eat():
    size = 4096
    while size:
        try:
            hoard.append(bytearray(size))
        except MemoryError:
            size //= 2
    await asyncio.sleep(1)
    hoard.append(0)  # it is held on to all the time


class App:
    def __init__(self, app):
        self.app = app

    async def run(self):
        asyncio.create_task(eat())
        await self.app.run()

    def close(self):
        self.app.close()


def make():
    return App(whole.make())
"""
HARMS = ("crashes", "hangs", "eats", "mute")


def firmware(version: str = NEW, harm: str | None = None) -> list[File]:
    """The files of a slot, as `version`; `harm` is one of HARMS: a crash at import, a hang, the
    heap eaten, a network that gives nothing."""
    built = package.build(BOARD, version)
    files = {p: f.data for f in built if (p := package.within(f))}
    if harm == "mute":
        source = (FIRMWARE / "uploader/connection.py").read_text()
        del files["/uploader/connection.mpy"]
        broken = source.replace("self.sock = socket.socket(", "raise OSError(113)\n        (", 1)
        assert broken != source
        files["/uploader/connection.py"] = broken.encode()
    elif harm:
        files["/whole.mpy"] = files.pop("/app.mpy")
        files["/app.py"] = {"crashes": _CRASHES, "hangs": _HANGS, "eats": _EATS}[harm].encode()
    return [File(path, data) for path, data in files.items()]


class Product:
    """A device below `folder`, at `cloud`, that trusts `key`; from `with Product(...) as p:` on.
    `heap` is what it has for Python, `confirm_s` how long a trial's link may be up without an
    answer, `settings` are keys of its configuration."""

    def __init__(
        self, folder: Path, cloud: Cloud, key: bundle.Key, heap="2m", confirm_s=120, **settings
    ):
        self._confirm_s = confirm_s
        self.root = folder / "device"
        self.cloud = cloud
        self.key = key
        token = cloud.new_device()
        values = cloud.device_config("/captures", token, ntp_server="", roots=["/root.der"])
        values |= {"state": "/state", "heartbeat_minutes": 1, "watchdog_s": 120, **settings}
        more = [
            File("/config.json", json.dumps(values).encode()),
            File("/root.der", cloud.root_der.read_bytes()),
            File("/update.json", json.dumps(self.provisioned()).encode()),
        ]
        (self.root / "state").mkdir(parents=True)
        for file in [*package.build(BOARD), *more]:
            path = self.root / file.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
        self.simulator = Simulator(self.root, heap)

    def provisioned(self) -> dict:
        """What /update.json says."""
        return {"keys": [self.key.public], "stood_s": 2, "confirm_s": self._confirm_s}

    def __enter__(self):
        self.simulator.__enter__()
        return self

    def __exit__(self, *more):
        self.simulator.__exit__(*more)

    def assign(self, files: list[File], version: str = NEW, key=None, **more) -> bytes:
        """Have the cloud assign a bundle to every device that it knows; the bundle."""
        data = bundle.make(files, key or self.key, bundle.board_name(BOARD), version, **more)
        release = self.cloud.service.firmware.release(version, data)
        for device in self.cloud.state.keys("device"):
            self.cloud.service.firmware.assign(device, release.id)
        return data

    def assign_image(self, app: bytes, micropython: str = "9.0.0") -> bytes:
        """Have the cloud assign an update of MicroPython; what was made of it. The device has two
        slots for it from then on."""
        source = FIRMWARE.parent / "tools/update/mpy/partition.py"
        (self.root / "lib/partition.py").write_bytes(source.read_bytes())
        main = self.root / "main.py"
        main.write_text(_TWO_SLOTS + main.read_text())
        data = bundle.make_image(app, self.key, bundle.board_name(BOARD), micropython)
        release = self.cloud.service.firmware.release(f"micropython-{micropython}", data)
        for device in self.cloud.state.keys("device"):
            self.cloud.service.firmware.assign(device, release.id)
        return data

    def until(self, text: bytes, seconds: float = 600, times: int = 1):
        """Wait until the device has said `text` so many times. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while self.simulator.output.count(text) < times:
            if time.monotonic() > end:
                raise TimeoutError(f"no {text!r}: {self.simulator.output[-3000:].decode()}")
            time.sleep(0.05)

    def status(self) -> list[str]:
        """How the cloud sees the assignments, the newest first."""
        keys = self.cloud.state.keys("device")
        return [a.status for d in keys for a in self.cloud.service.firmware.of(d)]


def harmed(folder: Path, cloud: Cloud, key: bundle.Key, harm: str) -> str:
    """Have a device take a bundle that does harm; what it said of undoing it. Raises TimeoutError
    unless it is, and goes on as what it was."""
    folder.mkdir()
    product = Product(folder, cloud, key, confirm_s=8, watchdog_s=10)
    product.assign(firmware(harm=harm))
    with product:
        product.until(b"state=installed")
        product.until(b"state=undone")
        product.until(b"heartbeat state=sent", times=2)
        said = product.simulator.output.decode(errors="replace").splitlines()
        boots = [line for line in said if " boot " in line]
        if "version=0." not in boots[-1] and package.version() not in boots[-1]:
            raise TimeoutError(f"it runs {boots[-1]}")
        return next(line for line in said if "state=undone" in line)
