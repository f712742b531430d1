"""An image of one's own: MicroPython's esp32 build with the firmware frozen in, so that its code
runs from flash and takes no RAM. The build is MicroPython's; the tools are the user's."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

from . import package
from .connection import MIN_VERSION, DeviceError, minimum

MANIFEST = package.FIRMWARE / "manifest.py"


def build(board: str | None, idf: Path | None, source: Path | None, out: Path) -> Path:
    """Build the image of a board with ESP-IDF in `idf` and MicroPython's sources in `source`; the
    .bin file, in `out`. Raises DeviceError, whose text says what is missing or what the build
    said last."""
    facts = package.board(board)
    if facts.get("platform") != "esp32":
        raise DeviceError(f"BOARD={facts['name']} has no image of its own to build.")
    if idf is None or not (idf / "export.sh").is_file():
        raise DeviceError(
            "Where is ESP-IDF? ESP_IDF=FOLDER names it, the one with export.sh, of the version "
            "that MicroPython's ports/esp32/README.md asks for, and installed by its install.sh."
        )
    if source is None or not (source / "ports/esp32/Makefile").is_file():
        raise DeviceError(
            "Where are MicroPython's sources? MICROPYTHON_SRC=FOLDER names a checkout of a "
            f"release, at least {minimum()}."
        )
    found = version(source)
    if found < MIN_VERSION:
        raise DeviceError(
            f"{source} is MicroPython {'.'.join(map(str, found))}; it takes {minimum()} or newer."
        )
    if not shutil.which("bash"):
        raise DeviceError("ESP-IDF's export.sh needs bash, which is not installed.")
    name = facts["build"] + (f"-{facts['variant']}" if facts["variant"] else "")
    made = source / "ports/esp32" / f"build-{name}" / "firmware.bin"
    result = subprocess.run(["bash", "-c", command(facts, idf, source)], text=True)
    if result.returncode or not made.is_file():
        raise DeviceError(
            "MicroPython's build failed; what it said last is above. If submodules are missing: "
            f"make -C {source}/ports/esp32 submodules"
        )
    target = out / f"{name}-frozen.bin"
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(made, target)
    return target


def command(facts: dict, idf: Path, source: Path) -> str:
    """What bash is given: MicroPython's own steps (ports/esp32/README.md), with our manifest."""
    variant = f"BOARD_VARIANT={facts['variant']}" if facts["variant"] else ""
    steps = [
        f". {shlex.quote(str(idf / 'export.sh'))} >/dev/null",
        f"make -C {shlex.quote(str(source / 'mpy-cross'))}",
        f"make -C {shlex.quote(str(source / 'ports/esp32'))} BOARD={facts['build']} {variant} "
        f"FROZEN_MANIFEST={shlex.quote(str(MANIFEST))}",
    ]
    return " && ".join(steps)


def version(source: Path) -> tuple[int, int]:
    """(major, minor) of a checkout, by its py/mpconfig.h; (0, 0) if that does not say."""
    try:
        text = (source / "py/mpconfig.h").read_text()
    except OSError:
        return 0, 0
    found = [re.search(rf"#define MICROPY_VERSION_{n} (\d+)", text) for n in ("MAJOR", "MINOR")]
    return tuple(int(m.group(1)) for m in found) if all(found) else (0, 0)
