"""Short private names, for boards without PSRAM, where each name counts.

MicroPython keeps every name that code uses in RAM, once and for good (py/qstr.c): some 10 bytes
for a name of this length and 7 in a table, which doubles when it is full: by 9 KB at the 1,260th,
and the firmware comes to that many. A private name means nothing outside its module, so every
module can have the same few, `_a`, `_b` and so on. What is public stays, and with it what
tracebacks and texts say.
"""

import ast
import itertools
import string
from collections.abc import Iterable, Mapping

_WHERE = ("id", "attr", "name", "arg", "asname")


def shorten(sources: Mapping[str, str]) -> dict[str, str]:
    """The sources of modules, by their dotted names (a package's is its folder's), with short
    private names.

    All modules that inherit from each other have to be among them: their classes share an
    instance's names, so they are given theirs together.
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    fixed = set().union(*map(_spelled, trees.values()))
    for family in _families(trees):
        names = set().union(*(_names(trees[name]) for name in family))
        # What is not given its name here is MicroPython's own: sys.implementation._mpy.
        own = set().union(*(_given(trees[name]) for name in family))
        private = sorted(filter(_is_private, own - fixed))
        fresh = (name for name in _short() if name not in names | fixed)
        rename = _Rename(dict(zip(private, fresh, strict=False)))
        for name in family:
            rename.visit(trees[name])
    return {name: ast.unparse(tree) + "\n" for name, tree in trees.items()}


def _short() -> Iterable[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield "_" + "".join(letters)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _names(tree: ast.AST) -> set[str]:
    found = (getattr(node, where, None) for node in ast.walk(tree) for where in _WHERE)
    return {name for name in found if isinstance(name, str)}


def _given(tree: ast.AST) -> set[str]:
    """The names that something is given: all but those that are only asked for."""
    asked = [node for node in ast.walk(tree) if isinstance(getattr(node, "ctx", None), ast.Load)]
    kept = set(map(id, asked))
    found = (
        getattr(node, where, None)
        for node in ast.walk(tree)
        if id(node) not in kept
        for where in _WHERE
    )
    return {name for name in found if isinstance(name, str)}


def _spelled(tree: ast.AST) -> set[str]:
    """What may be a name in a text, and modules that are imported: those are left alone."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name for alias in node.names}
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


class _Rename(ast.NodeVisitor):
    def __init__(self, names: Mapping[str, str]):
        self._names = names

    def generic_visit(self, node):
        for where in _WHERE:
            value = getattr(node, where, None)
            if isinstance(value, str):
                setattr(node, where, self._names.get(value, value))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._names.get(name, name) for name in node.names]
        super().generic_visit(node)
