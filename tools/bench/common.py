"""What the measurements share."""

import statistics
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tools import micropython
from tools.device import package
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
