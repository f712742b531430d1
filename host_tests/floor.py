"""What code uses that a MicroPython does not have, found in syntax trees.

Types are not known there, so a method is taken to be there if any type of the list, or any class
of the checked code, has one of that name; its arguments must suit one of them.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from floor_esp32 import BUILTINS, MODULES, SPECIAL_METHODS, TYPES

_ENTRY = re.compile(r"(\w+)(?:/(\d+)(-?)(\d*))?(?:\(([\w,]*)\))?$")


@dataclass
class Signature:
    """What a callable takes: positional arguments (`most` None: any number), keywords."""

    least: int
    most: int | None
    keywords: set[str]

    def refuses(self, call: ast.Call) -> str | None:
        """Why a call does not suit, None if it does or that can't be told."""
        named = {k.arg for k in call.keywords}
        if None in named or any(isinstance(a, ast.Starred) for a in call.args):
            return None
        unknown = named - self.keywords
        if unknown:
            return f"takes no keyword {', '.join(sorted(unknown))}"
        n = len(call.args)
        if self.most is not None and n > self.most:
            return f"takes {self.most} arguments at most, not {n}"
        if n + len(named) < self.least:
            return f"needs {self.least} arguments"
        return None


def table(text: str) -> dict[str, Signature | None]:
    """A list of `name/1-2(keyword)` as signatures by name, None where any call may be right."""
    out = {}
    for word in text.split():
        name, least, dash, most, keywords = _ENTRY.match(word).groups()
        names = set(filter(None, (keywords or "").split(",")))
        if least is None:
            out[name] = None
        else:
            upper = (int(most) if most else None) if dash else int(least)
            out[name] = Signature(int(least), upper, names)
    return out


_BUILTINS = table(BUILTINS)
# Types that only the viper emitter knows ("The Viper code emitter" in MicroPython's documentation).
_VIPER = {"ptr8", "ptr16", "ptr32"}
_MODULES = {name: table(text) for name, text in MODULES.items()}
_TYPES = {name: table(text) for name, text in TYPES.items()}
_SPECIAL = set(SPECIAL_METHODS.split())
_METHODS: dict[str, list] = {}
for _names in _TYPES.values():
    for _name, _signature in _names.items():
        _METHODS.setdefault(_name, []).append(_signature)
# What a module of Python code has beside what it defines.
_EVERY_MODULE = {"__name__", "__file__", "__path__"}


def own_names(trees) -> set[str]:
    """Every name that the code itself gives to something with a dot before it."""
    names = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "namedtuple":
                names |= set(re.findall(r"\w+", " ".join(ast.unparse(a) for a in node.args[1:])))
    return names


class Checker(ast.NodeVisitor):
    """Collects `problems`, (line, text), of one file.

    `modules` are the project's own top-level modules, `named` its names with a dot before them.
    """

    def __init__(self, tree: ast.Module, modules: set[str], named: set[str]):
        self.problems = []
        self._own = modules
        self._named = named
        self._imported = {}  # local name: a module of the list
        self._taken = {}  # local name: the signature of what was imported from one
        self._bound = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        self._shadows = []  # of each function around: what it binds itself, imports apart
        self._bind(tree)
        self.visit(tree)

    def _bind(self, tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self._bound.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._bound.add(node.name)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                self._bound.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    self._bound.add(alias.asname or alias.name.split(".")[0])
                    if isinstance(node, ast.Import):
                        self._imported[alias.asname or alias.name] = alias.name

    def _problem(self, node, text):
        self.problems.append((node.lineno, text))

    def visit_Import(self, node):
        for alias in node.names:
            if alias.name not in _MODULES and alias.name.split(".")[0] not in self._own:
                self._problem(node, f"no module {alias.name}")

    def visit_ImportFrom(self, node):
        if node.level or node.module.split(".")[0] in self._own:
            return
        if node.module not in _MODULES:
            self._problem(node, f"no module {node.module}")
            return
        for alias in node.names:
            if alias.name not in _MODULES[node.module]:
                self._problem(node, f"no {node.module}.{alias.name}")
            self._taken[alias.asname or alias.name] = _MODULES[node.module].get(alias.name)

    def visit_FunctionDef(self, node):
        name = node.name
        if name.startswith("__") and name.endswith("__") and name not in _SPECIAL:
            self._problem(node, f"{name} is never called")
        own = {n.arg for n in ast.walk(node.args) if isinstance(n, ast.arg)}
        own |= {
            n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        self._shadows.append(own)
        self.generic_visit(node)
        self._shadows.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Name(self, node):
        known = node.id in self._bound or node.id in _BUILTINS or node.id in _EVERY_MODULE
        known = known or node.id in _VIPER
        if isinstance(node.ctx, ast.Load) and not known:
            self._problem(node, f"no builtin {node.id}")

    def _module_of(self, node) -> str | None:
        if isinstance(node, ast.Name) and not any(node.id in own for own in self._shadows):
            name = self._imported.get(node.id)
            return name if name in _MODULES else None
        return None

    def visit_Attribute(self, node):
        module = self._module_of(node.value)
        if module:
            if node.attr not in _MODULES[module] and node.attr not in _EVERY_MODULE:
                self._problem(node, f"no {module}.{node.attr}")
        elif isinstance(node.ctx, ast.Load):
            kind = self._literal(node.value)
            if kind:
                if node.attr not in _TYPES[kind]:
                    self._problem(node, f"{kind} has no {node.attr}")
            elif node.attr not in self._named and node.attr not in _METHODS:
                if not self._is_constant_of_module(node):
                    self._problem(node, f"nothing has a {node.attr}")
        self.generic_visit(node)

    def _is_constant_of_module(self, node):
        # `machine.Pin.IN`, and what was imported under a name of its own.
        return node.attr in _EVERY_MODULE or self._module_of(node.value) is not None

    @staticmethod
    def _literal(node) -> str | None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            return type(node.value).__name__
        return None

    def visit_Call(self, node):
        why = None
        if isinstance(node.func, ast.Name):
            why = self._call_of_name(node)
        elif isinstance(node.func, ast.Attribute):
            why = self._call_of_attribute(node)
        if why:
            self._problem(node, f"{ast.unparse(node.func)} {why}")
        self.generic_visit(node)

    def _call_of_name(self, node):
        name = node.func.id
        if name in self._taken:
            signature = self._taken[name]
        elif name in self._bound:
            return None
        else:
            signature = _BUILTINS.get(name)
        return signature.refuses(node) if signature else None

    def _call_of_attribute(self, node):
        module = self._module_of(node.func.value)
        name = node.func.attr
        if module:
            signature = _MODULES[module].get(name)
            return signature.refuses(node) if signature else None
        kind = self._literal(node.func.value)
        if name in self._named and not kind:
            return None
        signatures = [_TYPES[kind].get(name)] if kind else _METHODS.get(name, [None])
        reasons = [s and s.refuses(node) for s in signatures]
        return reasons[0] if all(reasons) else None


def check(sources: dict[Path, str], named: set[str] = frozenset()) -> list[str]:
    """`file:line: what is not there` of the files' texts. `named` are attributes that come from
    elsewhere, the board's among them."""
    trees = {path: ast.parse(text, str(path)) for path, text in sources.items()}
    names = own_names(trees.values()) | named
    modules = {path.parts[0].removesuffix(".py") for path in sources}
    out = []
    for path, tree in trees.items():
        for line, text in sorted(Checker(tree, modules, names).problems):
            out.append(f"{path}:{line}: {text}")
    return out
