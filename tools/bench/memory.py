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

from .common import MPY, ROOT, add, compiled_small, line, small

# Has a modem, WiFi, a microphone and a button.
_BOARD = ROOT / "boards/lilygo_t_a7670/board.py"
_SCRIPTS = [MPY / f"{name}.py" for name in ("product", "records", "sends", "boots")]
_SMALL_KB = 240  # in which a recording is made for sure, and no more: see uploader/memory.py
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
    """KiB for a whole cycle of the module, and for the product: the boot that records, the one
    that sends (see firmware/sender.py) and the larger of both; files and bytes of a boot. All as
    a board without PSRAM is given it."""
    figures = {}
    with line() as bench:
        mpy = compiled_small(bench.folder, _BOARD, *_SCRIPTS)
        boot = Product(bench, [mpy]).report("boots", heap="2m")
        figures |= {"boot_files": boot["files"], "boot_bytes": boot["bytes"]}
        if micropython.facts()["word_bits"] != 32:
            return figures | {"heap_32_cycle_kb": _NEEDS, "heap_32_product_kb": _NEEDS}
        figures["heap_32_cycle_kb"] = _least(lambda kb: cycle(bench, mpy, kb), 16, 192)
        figures |= _product(Product(bench, [mpy]), "heap_32_product")
        frozen = os.environ.get("MICROPYTHON_FROZEN")
        if frozen:
            files = bench.folder / "files"
            files.mkdir()
            for script in (_BOARD, *_SCRIPTS):
                micropython.compile(script, files / f"{script.stem}.mpy")
            figures |= _product(Product(bench, [files], frozen), "heap_32_product_frozen")
        for which, more in (("requests", []), ("aiohttp", [aiohttp])):
            if which == "requests" or aiohttp:
                figures[f"heap_32_{which}_one_file_kb"] = _least(
                    lambda kb, which=which, more=more: other(bench, which, more, kb), 8, 8192
                )
    return figures


def _product(product, name: str) -> dict:
    records = _least(product.records, 16, 256)
    sends = _least(product.sends, 16, 256)
    return {
        f"{name}_records_kb": records,
        f"{name}_sends_kb": sends,
        f"{name}_kb": max(records, sends),
    }


def cycle(bench, mpy: Path, kb: int) -> bool:
    """Whether a recording of 2 MiB goes out in a heap of so many KiB, the code from .mpy files."""
    shutil.rmtree(bench.storage, ignore_errors=True)
    config = bench.configure()
    data = bench.folder / "a.opus"
    data.write_bytes(os.urandom(2 << 20))
    add(config, data)
    script = bench.folder / "cycle.py"
    script.write_text(small(MPY / "cycle.py"))
    result = micropython.attempt(script, mpy, config, heap=f"{kb}k")
    return result.returncode == 0 and json.loads(result.stdout)["done"]


def other(bench, which: str, more: list, kb: int) -> bool:
    """Whether another client sends one such file in a heap of so many KiB."""
    args = (which, bench.configure(), bench.folder / "a.opus", *more)
    result = micropython.attempt(MPY / "peer.py", *args, heap=f"{kb}k")
    return result.returncode == 0 and "put" in result.stdout


class Product:
    """The product on a board with everything, in the two boots of a board without PSRAM: one
    records, one uploads and reports.

    `path` is what its modules are imported from, `binary` an interpreter that has them frozen in.
    """

    def __init__(self, bench, path: list, binary: str | None = None):
        self._bench = bench
        self._path = ":".join(map(str, path))
        self._binary = binary
        self._config = bench.configure(
            wifi=[{"ssid": "home", "key": "12345678"}],
            apn="internet",
            heartbeat_minutes=1,
            state=str(bench.storage),
            watchdog_s=0,
        )

    def report(self, what: str, heap: str) -> dict:
        """What it tells of a boot that `records` or `sends`, or of one until it runs (`boot`).
        Raises ScriptError if it failed."""
        args = (self._path, "product", self._config, what)
        return micropython.report(
            MPY / "launch.py", *args, heap=heap, binary=self._binary, timeout=60
        )

    def records(self, kb: int) -> bool:
        """Whether a recording is made in a heap of so many KiB."""
        shutil.rmtree(self._bench.storage, ignore_errors=True)
        return self._does("records", kb) == 1

    def sends(self, kb: int) -> bool:
        """Whether a recording arrives, and a heartbeat, that were sent in a heap of so many KiB."""
        state = self._bench.cloud.state
        for key in ("recording", "heartbeat"):
            for name in state.keys(key):
                state.delete(key, name)
        if not self.records(_SMALL_KB) or self._does("sends", kb) != 0:
            return False
        whole = [r for r in self._bench.cloud.recordings() if r.status == "uploaded"]
        return len(whole) == 1 and bool(state.keys("heartbeat"))

    def _does(self, what, kb) -> int | None:
        """How many recordings are on flash after a boot, None if it failed."""
        try:
            return len(self.report(what, f"{kb}k")["left"])
        except (micropython.ScriptError, subprocess.TimeoutExpired):
            return None
