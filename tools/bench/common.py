"""What the measurements share."""

import statistics
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tools import micropython
from tools.device import package, shorten
from tools.faults.line import Line
from tools.faults.proxy import Shape

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware"
MPY = Path(__file__).parent / "mpy"
BOARD = ROOT / "boards/unix/cli.py"
AUDIO = 1_200_000  # five minutes of Opus at 32 kbit/s


def spread(values) -> dict:
    """Median, least and most."""
    values = sorted(values)
    return {
        "median": round(statistics.median(values), 4),
        "min": round(values[0], 4),
        "max": round(values[-1], 4),
    }


@contextmanager
def line(shape: Shape | None = None):
    """A Line in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Line(Path(name), None, shape) as it:
        yield it


def add(config, *files):
    """Store a recording on the desktop board."""
    micropython.run(BOARD, config, "add", *files)


def compiled(folder: Path, *flags) -> Path:
    """The firmware as .mpy files, as they are deployed."""
    return micropython.compile_tree(FIRMWARE, package.modules(), folder / "mpy", *flags)


def compiled_small(folder: Path, *scripts: Path) -> Path:
    """The firmware as `make deploy` gives it to a board without PSRAM, and `scripts` beside it."""
    texts = package.shortened(package.sources()) | {Path(s.name): small(s) for s in scripts}
    for module, text in texts.items():
        path = folder / "source" / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return micropython.compile_tree(folder / "source", texts, folder / "small")


def small(script: Path) -> str:
    """A script that calls everything as it is called on such a board."""
    return shorten.rename(script.read_text(), package.shared())
