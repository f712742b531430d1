"""Names that cost no RAM, for boards without PSRAM, where each name counts.

MicroPython keeps every name that code uses in RAM, once and for good (py/qstr.c): its bytes, and 7
in a table, which doubles when it is full: by 4.4 KB at the 621st, by 9 KB at the 1,261st. Names
that MicroPython itself has are in its ROM and cost nothing, so what is our own gets one of those.
What boards, tools and documents call by name stays, and so do modules and errors;
`python -m tools.device.shorten < traceback.txt` has it as the source calls it.
"""

import ast
import functools
import io
import re
import sys
import tokenize
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

_WHERE = ("id", "attr", "name", "arg", "asname")
# What MicroPython's C code and asyncio look for in objects of ours (mp_load_method and its like in
# py, extmod and ports/esp32): no name for anything else.
_LOOKED_FOR = frozenset(
    "IRQ_RXIDLE args close count default errno ioctl irq key keys mount readblocks remove send "
    "setblocking sync throw value writeblocks".split()
)
_FRAME = re.compile(r'(\s*File "([\w.]+)", line \d+, in )(\w+)\s*$')

Names = Mapping[str, str]


def shorten(sources: Mapping[str, str], spoken: Iterable[str] = ()) -> dict[str, str]:
    """The sources of modules, by their dotted names (a package's is its folder's), with other
    names for what is not `spoken` of outside of them. See `renamed`."""
    names = renamed(sources, spoken)
    return {module: rename(source, names[module]) for module, source in sources.items()}


def renamed(sources: Mapping[str, str], spoken: Iterable[str] = ()) -> dict[str, Names]:
    """What is called how in each of the modules, by old name.

    A private name means nothing outside its module, so other modules use the same ones; but those
    that inherit from each other have to be among the sources: their classes share an instance's
    names, so they are given theirs together. Any other name is the same everywhere. No name of
    MicroPython's is touched, for it may be a thing of its own that is asked for it.
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    rom, known = known_names()
    fixed = known | set(spoken) | set().union(*map(_fixed, trees.values()))
    fixed |= {part for module in sources for part in module.split(".")}
    used = set().union(*map(_names, trees.values()), spoken)
    fresh = {name for name in rom - used - _LOOKED_FOR if not name.startswith("_")}
    given = {module: _given(tree) - fixed for module, tree in trees.items()}
    every = set().union(*given.values())
    everywhere = _pairs({name for name in every if not _is_private(name)}, fresh)
    fresh -= set(everywhere.values())
    found = {}
    for family in _families(trees):
        own = set().union(*(given[name] for name in family))
        private = _pairs(set(filter(_is_private, own)), fresh)
        found |= dict.fromkeys(family, {**everywhere, **private})
    return found


def _pairs(names: set[str], fresh: set[str]) -> Names:
    """A new name for each, as far as they go: mostly the same ones when there is one more or less
    of either, for what has not changed need not be copied to a device again."""
    left = {new.encode() for new in fresh}
    pairs = {}
    for name in sorted(names)[: len(left)]:
        seed = zlib.crc32(name.encode())
        new = min(left, key=lambda new: (zlib.crc32(new, seed), new))
        left.remove(new)
        pairs[name] = new.decode()
    return pairs


def rename(source: str, names: Names) -> str:
    """A module's source with other names, each line where it was."""
    lines = source.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token in reversed(tokens):
        if token.type == tokenize.NAME and token.string in names:
            (row, start), (_, end) = token.start, token.end
            line = lines[row - 1]
            lines[row - 1] = line[:start] + names[token.string] + line[end:]
    return "".join(lines)


@functools.cache
def known_names() -> tuple[frozenset[str], frozenset[str]]:
    """MicroPython's names: (those in the ROM of an ESP32, all)."""
    text = Path(__file__).with_name("rom_names.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rom = frozenset(line[:-1] for line in lines if line.endswith("*"))
    return rom, frozenset(line.removesuffix("*") for line in lines)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _collect(of: Callable, tree: ast.AST) -> set[str]:
    found = (of(node, where) for node in ast.walk(tree) for where in _WHERE)
    return {name for name in found if isinstance(name, str)}


def _names(tree: ast.AST) -> set[str]:
    return _collect(lambda node, where: getattr(node, where, None), tree)


def _given(tree: ast.AST) -> set[str]:
    """The names that something is given: all but those that are only asked for."""

    def given(node, where):
        if not isinstance(getattr(node, "ctx", None), ast.Load):
            return getattr(node, where, None)

    return _collect(given, tree)


def said(source: str) -> set[str]:
    """What a module calls by name, in code and in texts."""
    tree = ast.parse(source)
    return _names(tree) | {word for text in texts(tree) for word in words(text)}


def texts(tree: ast.AST) -> set[str]:
    """A module's texts, its documentation left out."""
    documents = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr):
                documents.add(id(first.value))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documents
    }


def words(text: str) -> list[str]:
    """The words of a text that could be names."""
    return re.findall(r"\w+", text)


def _spelled(tree: ast.AST) -> set[str]:
    """What may be a name in a text: one alone, with dots between, or in JSON."""
    found = set()
    for text in texts(tree):
        if '"' in text or re.fullmatch(r"[\w.]+", text):
            found.update(words(text))
    return found


def _fixed(tree: ast.AST) -> set[str]:
    """What is left alone: what may be a name in a text; what is imported; private constants, which
    the compiler puts in place of their names; arguments by name, which may be keys of a dict;
    errors, which are told by their class's name; `__names__`."""
    found = {name for name in _names(tree) if name == "_" or name.startswith("__")}
    found |= _spelled(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                found |= {alias.asname or alias.name for alias in node.names}
            case ast.keyword(arg=str(name)):
                found.add(name)
            case ast.ClassDef(name=name) if name.endswith("Error"):
                found.add(name)
            case ast.Assign(value=ast.Call(func=ast.Name("const")), targets=[ast.Name(id=name)]):
                if _is_private(name):
                    found.add(name)
    return found


def _families(trees: Mapping[str, ast.Module]) -> list[set[str]]:
    """The modules, in sets outside which nobody inherits, or imports a private name."""
    families = {name: {name} for name in trees}
    for name, tree in trees.items():
        bases = {
            getattr(base, "id", None) or getattr(base, "attr", None)
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for base in node.bases
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            imported = {alias.name for alias in node.names}
            near = {_absolute(name, node, trees)}
            near |= {f"{source}.{each}" for source in near for each in imported}
            if not (
                imported & bases or any(map(_is_private, imported)) or _by_module(tree, imported)
            ):
                continue
            for source in near & set(trees):
                joined = families[source] | families[name]
                families.update(dict.fromkeys(joined, joined))
    return [family for name, family in families.items() if name == min(family)]


def _by_module(tree: ast.Module, imported: set[str]) -> bool:
    """Whether a class inherits from one of an imported module: `class A(module.B)`."""
    return any(
        isinstance(base, ast.Attribute) and getattr(base.value, "id", None) in imported
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    )


def _absolute(name: str, node: ast.ImportFrom, trees: Mapping[str, ast.Module]) -> str:
    """The dotted name of what an import is from."""
    if not node.level:
        return node.module or ""
    package = name.split(".")
    is_package = any(other.startswith(name + ".") for other in trees)
    package = package[: len(package) - node.level + is_package]
    return ".".join([*package, *([node.module] if node.module else [])])


def main(*wanted: str):
    """Print what these names stand for, and where; without any, standard input with the names of
    functions as they are in the source: a traceback."""
    from . import package

    modules = {m: {new: old for old, new in n.items()} for m, n in package.renamed().items()}
    for module, names in modules.items():
        for new in names.keys() & set(wanted):
            print(f"{new} in {module}: {names[new]}")
    if not wanted:
        for line in sys.stdin:
            found = _FRAME.match(line)
            if found:
                name = modules.get(found[2], {}).get(found[3], found[3])
                line = f"{found[1]}{name}\n"
            print(line, end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
