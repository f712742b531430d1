"""What goes onto a device: the files of firmware/, compiled, and the board's own."""

import ast
import functools
import hashlib
import json
import re
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tools import micropython

from . import shorten
from .connection import DeviceError
from .trust import bundle

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware"
BOARDS = ROOT / "boards"
# Not for every device: the plug-in for another HTTP client.
_LEFT_OUT = {"uploader/requests_transport.py"}
SOURCES = ("uploader", "recorders", "updates", "setup")
# Where the firmware lies on a device.
SLOT = "/lib"
# And, beside it, the certificates that set-up begins with; an update leaves them alone.
ROOTS = "/shipped"
_QUOTED = re.compile(r"```python\n.*?```|`[^`\n]+`", re.S)
_VERSION = re.compile(r'^__version__ = "(.*)"$', re.M)
# What stands beside those folders, main.py left out.
BESIDE = ("app", "doctor", "elsewhere", "power", "resting", "running", "sender", "start", "status")


@dataclass(frozen=True)
class File:
    """A file for the device: `path` there, its `data`."""

    path: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Of the data, as hex."""
        return hashlib.sha256(self.data).hexdigest()


def boards() -> dict[str, dict]:
    """Every board's facts by its name."""
    return {p.parent.name: json.loads(p.read_text()) for p in sorted(BOARDS.glob("*/board.json"))}


def board(name: str | None) -> dict:
    """A board's facts; a DeviceError that lists the boards if there is none of that name."""
    known = boards()
    key = (name or "").lower().replace("-", "_")
    if key not in known:
        problem = f"There is no board {name!r}." if name else "Which board? Name it with BOARD=."
        raise DeviceError(f"{problem} BOARD is one of: {', '.join(known)}.")
    return {"name": key, **known[key]}


def modules() -> list[Path]:
    """Every module of firmware/ but main.py, relative to it."""
    found = [FIRMWARE / f"{name}.py" for name in BESIDE]
    for folder in SOURCES:
        found += (FIRMWARE / folder).rglob("*.py")
    return sorted(p.relative_to(FIRMWARE) for p in found)


def version() -> str:
    """The firmware's version."""
    return _VERSION.search((FIRMWARE / "uploader/__init__.py").read_text())[1]


def within(file: File) -> str | None:
    """A file's path within its slot, None for one outside."""
    return file.path[len(SLOT) :] if file.path.startswith(SLOT + "/") else None


def placed(file: File, slot: str) -> str:
    """A file's path on a device that runs `slot`."""
    path = within(file)
    return file.path if path is None else slot + path


def build(name: str, version: str | None = None) -> list[File]:
    """All files of a board, compiled by mpy-cross where MicroPython imports them; `version` is
    the firmware's if it is not to be the source's."""
    arch = board(name)["arch"]
    # A board that is this machine takes what its interpreter takes.
    flags = [f"-march={arch}"] if arch else []
    own = BOARDS / board(name)["name"] / "board.py"
    return tree(own, flags=flags, version=version, short=lean(board(name)))


def lean(facts: dict) -> bool:
    """Whether the image of a board has no PSRAM to use."""
    return bool(facts["chip"]) and "SPIRAM" not in facts["variant"]


def sources(version: str | None = None) -> dict[Path, str]:
    """The text of every module of firmware/ but main.py, by its path there; `version` is the
    firmware's if it is not to be the source's."""
    texts = {module: (FIRMWARE / module).read_text() for module in modules()}
    if version:
        package = Path("uploader/__init__.py")
        texts[package] = _VERSION.sub(f'__version__ = "{version}"', texts[package])
    return texts


def shortened(texts: dict[Path, str], *scripts: Path) -> dict[Path, str]:
    """The texts of `sources`, and of a board's own modules, with short names (see shorten.py).
    `scripts` are those that call them by name besides main.py."""
    names = renamed(texts, *scripts)
    return {m: shorten.rename(t, names.get(micropython.dotted(m), {})) for m, t in texts.items()}


def renamed(texts: dict[Path, str] | None = None, *scripts: Path) -> dict[str, shorten.Names]:
    """What modules call how where names are short, by their dotted names; the arguments are as for
    `shortened`."""
    texts = dict(texts or sources())
    # Machine code has few names, and a compiler of its own.
    machine = [module for module in texts if module.stem.endswith("_viper")]
    said = set().union(*(shorten.said(texts.pop(module)) for module in machine))
    said |= _spoken().union(*(shorten.said(script.read_text()) for script in scripts))
    return shorten.renamed({micropython.dotted(m): t for m, t in texts.items()}, said)


@functools.cache
def shared() -> shorten.Names:
    """What every module calls alike where names are short: for what calls them from outside."""
    return dict(set.intersection(*(set(names.items()) for names in renamed().values())))


@functools.cache
def _spoken() -> frozenset[str]:
    """What boards and tools call by name, and what the documents quote."""
    code = [
        FIRMWARE / "main.py",
        *(p for p in BOARDS.glob("*/board.py") if p.parent.name != "unix"),
    ]
    spoken = set().union(*(shorten.said(path.read_text()) for path in code))
    for path in (ROOT / "tools/device").glob("*.py"):
        for text in filter(_is_code, shorten.texts(ast.parse(path.read_text()))):
            spoken |= shorten.said(textwrap.dedent(text))
    for path in (ROOT / "README.md", FIRMWARE / "README.md", *BOARDS.rglob("README.md")):
        for quoted in _QUOTED.findall(path.read_text()):
            spoken.update(shorten.words(quoted))
    return frozenset(spoken)


def _is_code(text: str) -> bool:
    """Whether a text is what a tool has a device do."""
    try:
        nodes = ast.walk(ast.parse(textwrap.dedent(text)))
    except SyntaxError:
        return False
    return any(isinstance(node, ast.Call | ast.Attribute | ast.Import) for node in nodes)


def tree(
    *own: Path,
    flags: list[str] | tuple[str, ...] = (),
    version: str | None = None,
    short: bool = False,
    scripts: tuple[Path, ...] = (),
) -> list[File]:
    """All files of a device: those of firmware/, and `own` (its board.py) beside the modules.
    `flags` are mpy-cross's, `version` is as for `sources`; with `short` names, `scripts` are as for
    `shortened`."""
    files = [File("/main.py", (FIRMWARE / "main.py").read_bytes())]
    texts = sources(version) | {Path(source.name): source.read_text() for source in own}
    if short:
        texts = shortened(texts, *scripts)
    with tempfile.TemporaryDirectory(prefix="mpy-") as folder:
        out = Path(folder) / "x.mpy"
        for module, text in texts.items():
            if str(module) in _LEFT_OUT:
                continue
            source = Path(folder) / module.name
            source.write_text(text)
            try:
                micropython.compile(source, out, *flags, name=micropython.dotted(module))
            except micropython.CompileError as e:
                raise DeviceError(str(e))
            files.append(File(f"{SLOT}/{module.with_suffix('.mpy')}", out.read_bytes()))
    return files + _for_setup()


@functools.cache
def _for_setup() -> list[File]:
    """What set-up needs beside its code: its page, and the roots that a device without a computer
    is to trust."""
    listed, certificates = bundle([])
    page = (FIRMWARE / "setup/page.html").read_bytes()
    return [
        File(f"{SLOT}/setup/page.html", page),
        File(f"{ROOTS}.der", certificates),
        File(f"{ROOTS}.txt", listed),
    ]


def size(files: list[File]) -> int:
    """Bytes in all."""
    return sum(len(f.data) for f in files)
