"""The smallest Python heaps in which the work gets done, on a 32-bit interpreter, and what a boot
reads.

A 64-bit heap says little about a board's: pointers are half of most objects.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from tools import micropython

from .common import MPY, ROOT, add, compiled, line

# Has a modem, WiFi, a microphone and a button.
_BOARD = ROOT / "boards/lilygo_t_a7670/board.py"
_NEEDS = "not measured: needs MICROPYTHON= a 32-bit build"


def _least(works, low: int, high: int) -> int:
    """The least number in (low, high] for which `works` holds, by halving. Raises RuntimeError
    if `high` is not enough."""
    if not works(high):
        raise RuntimeError(f"{high} are not enough")
    while high - low > 1:
        middle = (low + high) // 2
        if works(middle):
            high = middle
        else:
            low = middle
    return high


def memory(aiohttp: Path | None) -> dict:
    """KiB for a whole cycle of the module and of the product; files and bytes of a boot."""
    figures = {}
    with line() as bench:
        mpy = compiled(bench.folder)
        micropython.compile(_BOARD, mpy / "board.mpy")
        micropython.compile(MPY / "product.py", mpy / "product.mpy")
        boot = Product(bench, [mpy]).report("boot", heap="2m")
        figures |= {"boot_files": boot["files"], "boot_bytes": boot["bytes"]}
        if micropython.facts()["word_bits"] != 32:
            return figures | {"heap_32_cycle_kb": _NEEDS, "heap_32_product_kb": _NEEDS}
        figures["heap_32_cycle_kb"] = _least(lambda kb: cycle(bench, mpy, kb), 16, 192)
        figures["heap_32_product_kb"] = _least(Product(bench, [mpy]).fits, 32, 256)
        frozen = os.environ.get("MICROPYTHON_FROZEN")
        if frozen:
            files = bench.folder / "files"
            files.mkdir()
            shutil.move(mpy / "board.mpy", files)
            shutil.move(mpy / "product.mpy", files)
            product = Product(bench, [files], frozen)
            figures["heap_32_product_frozen_kb"] = _least(product.fits, 16, 192)
        for which, more in (("requests", []), ("aiohttp", [aiohttp])):
            if which == "requests" or aiohttp:
                figures[f"heap_32_{which}_one_file_kb"] = _least(
                    lambda kb, which=which, more=more: other(bench, which, more, kb), 8, 8192
                )
    return figures


def cycle(bench, mpy: Path, kb: int) -> bool:
    """Whether a recording of 2 MiB goes out in a heap of so many KiB, the code from .mpy files."""
    shutil.rmtree(bench.storage, ignore_errors=True)
    config = bench.configure()
    data = bench.folder / "a.opus"
    data.write_bytes(os.urandom(2 << 20))
    add(config, data)
    result = micropython.attempt(MPY / "cycle.py", mpy, config, heap=f"{kb}k")
    return result.returncode == 0 and json.loads(result.stdout)["done"]


def other(bench, which: str, more: list, kb: int) -> bool:
    """Whether another client sends one such file in a heap of so many KiB."""
    args = (which, bench.configure(), bench.folder / "a.opus", *more)
    result = micropython.attempt(MPY / "peer.py", *args, heap=f"{kb}k")
    return result.returncode == 0 and "put" in result.stdout


class Product:
    """The product on a board with everything: records, uploads and reports.

    `path` is what its modules are imported from, `binary` an interpreter that has them frozen in.
    """

    def __init__(self, bench, path: list, binary: str | None = None):
        self._bench = bench
        self._path = ":".join(map(str, path))
        self._binary = binary

    def report(self, what: str, heap: str) -> dict:
        """What it tells of a life (`cycle`) or of a `boot`. Raises ScriptError if it failed."""
        bench = self._bench
        shutil.rmtree(bench.storage, ignore_errors=True)
        config = bench.configure(
            wifi=[{"ssid": "home", "key": "12345678"}],
            apn="internet",
            heartbeat_minutes=1,
            state=str(bench.storage),
            watchdog_s=0,
        )
        args = (self._path, "product", config, what)
        return micropython.report(
            MPY / "launch.py", *args, heap=heap, binary=self._binary, timeout=60
        )

    def fits(self, kb: int) -> bool:
        """Whether a recording made in a heap of so many KiB arrives, and a heartbeat."""
        state = self._bench.cloud.state
        for key in ("recording", "heartbeat"):
            for name in state.keys(key):
                state.delete(key, name)
        try:
            self.report("cycle", f"{kb}k")
        except (micropython.ScriptError, subprocess.TimeoutExpired):
            return False
        whole = [r for r in self._bench.cloud.recordings() if r.status == "uploaded"]
        return len(whole) == 1 and bool(state.keys("heartbeat"))
