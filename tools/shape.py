"""The shape of the code, counted from its syntax trees: `python -m tools.shape`.

Prints each offender with file and line, writes the figures to build/shape.json, and exits with 1
if a limit is broken. `self` is never counted, imports inside functions are counted like others.
"""

import ast
import json
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

ROOT = Path(__file__).parents[1]
_console = Console(highlight=False, emoji=False, soft_wrap=True)

LIMITS = {
    "max_constructor_parameters": 6,
    "functions_over_40_lines": 3,
    "largest_module_lines": 400,
    "private_accesses_across_objects": 0,
    "assigned_callbacks": 0,
    "import_cycles": 0,
    "upward_imports": 0,
}

# What may have up to 10 constructor parameters: the composition root, and records, which only
# carry data (a class named here that has a method is counted like any other).
COMPOSITION_ROOT = ("uploader.uploader.Uploader",)
RECORDS = ("uploader.links.cellular.Pins", "uploader.links.modems.Profile")
_EXCEPTED_PARAMETERS = 10

# The order of layers, the topmost first. A module imports from layers below its own, or from its
# own, where `import_cycles` keeps the order.
LAYERS = (
    "main",
    "setup setup.*",
    "app sender board",
    "elsewhere start",
    "running doctor status power resting",
    "updates updates.*",
    "recorders recorders.*",
    "uploader",
    "uploader.uploader",
    "uploader.beating uploader.concluding uploader.links.choosing",
    "uploader.owner uploader.heartbeat uploader.links.manager uploader.requests_transport"
    " uploader.sending uploader.rotation uploader.remote uploader.commands uploader.diagnostics"
    " uploader.device uploader.waiting uploader.asleep",
    "uploader.session",
    "uploader.proof uploader.grants",
    "uploader.api uploader.s3",
    "uploader.http",
    "uploader.connecting uploader.request",
    "uploader.connection uploader.trust",
    "uploader.broken",
    "uploader.links.wifi uploader.links.cellular uploader.links.host uploader.timesync",
    "uploader.links uploader.links.*",
    "uploader.policy uploader.store",
    "uploader.recording uploader.recovery uploader.entry uploader.space uploader.credentials"
    " uploader.data_meter uploader.answer",
    "uploader.journal",
    "uploader.media",
    "uploader.layout uploader.verdict uploader.retry uploader.config uploader.clock uploader.mount",
    "uploader.dates uploader.settings uploader.zones uploader.schedule uploader.flac_recovery",
    "uploader.growth uploader.heaps",
    "uploader.errors uploader.memory",
)

# Public by their documentation, whatever their names look like.
_DOCUMENTED = {"_asdict", "_replace", "_fields", "_make", "_exit", "_mpy"}


@dataclass
class Offender:
    """Something that a figure counts."""

    figure: str
    where: str
    what: str


@dataclass
class Module:
    """A parsed file; `name` is dotted, as it is imported."""

    path: Path
    name: str
    source: str
    tree: ast.Module = field(init=False)

    def __post_init__(self):
        self.tree = ast.parse(self.source, str(self.path))


def read(root: Path, base: str, pattern: str = "**/*.py") -> list[Module]:
    """The modules below `root / base`."""
    out = []
    for path in sorted((root / base).glob(pattern)):
        name = path.relative_to(root / base).with_suffix("").as_posix().replace("/", ".")
        out.append(Module(path.relative_to(root), name.removesuffix(".__init__"), path.read_text()))
    return out


def is_private(name: str) -> bool:
    """Whether `name` is for the class or module alone that defines it."""
    return name[:1] == "_" and not name.startswith("__") and name not in _DOCUMENTED


class PrivateAccesses(ast.NodeVisitor):
    """Finds `x._name` where x is neither `self`, `cls`, `super()` nor the class itself."""

    def __init__(self, module: Module, firmware: set[str]):
        self.module = module
        self.firmware = firmware
        self.classes = []
        self.found = []
        self.visit(module.tree)

    def _own(self, node):
        if isinstance(node, ast.Name):
            return node.id in ("self", "cls", *self.classes)
        return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "super"

    def _add(self, node, what):
        where = f"{self.module.path}:{node.lineno}"
        self.found.append(Offender("private_accesses_across_objects", where, what))

    def visit_ClassDef(self, node):  # noqa: D102
        self.classes.append(node.name)
        self.generic_visit(node)
        self.classes.pop()

    def visit_Attribute(self, node):  # noqa: D102
        if is_private(node.attr) and not self._own(node.value):
            self._add(node, ast.unparse(node))
        self.generic_visit(node)

    def visit_Call(self, node):  # noqa: D102
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called in ("getattr", "setattr", "hasattr", "delattr") and node.args:
            for arg in node.args[1:2]:
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str):
                    if is_private(arg.value) and not self._own(node.args[0]):
                        self._add(node, ast.unparse(node))
        self.generic_visit(node)

    def visit_ImportFrom(self, node):  # noqa: D102
        ours = node.level or (node.module or "").split(".")[0] in self.firmware
        for alias in node.names:
            if ours and is_private(alias.name):
                self._add(node, ast.unparse(node))


def constructors(module: Module):
    """(class, its full name, parameters of its constructor)."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                    a = item.args
                    n = len(a.posonlyargs + a.args + a.kwonlyargs) - 1
                    n += bool(a.vararg) + bool(a.kwarg)
                    yield node, f"{module.name}.{node.name}", n


def only_carries_data(node: ast.ClassDef) -> bool:
    """Whether a class has no method but special ones."""
    return all(
        item.name.startswith("__")
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def excepted(node: ast.ClassDef, full: str) -> bool:
    """Whether a class is one of the named exceptions."""
    return full in COMPOSITION_ROOT or (full in RECORDS and only_carries_data(node))


def parameters(modules) -> tuple[int, list]:
    """The most constructor parameters, the named exceptions apart, and those over the limit."""
    most, found = 0, []
    for module in modules:
        for node, full, n in constructors(module):
            limit = LIMITS["max_constructor_parameters"]
            if excepted(node, full) and n <= _EXCEPTED_PARAMETERS:
                continue
            most = max(most, n)
            if n > limit:
                where = f"{module.path}:{node.lineno}"
                found.append(Offender("max_constructor_parameters", where, f"{full}: {n}"))
    return most, found


def long_functions(modules) -> list:
    """The functions over 40 lines."""
    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                n = node.end_lineno - node.lineno + 1
                if n > 40:
                    where = f"{module.path}:{node.lineno}"
                    found.append(Offender("functions_over_40_lines", where, f"{node.name}: {n}"))
    return found


def lengths(modules) -> tuple[int, list]:
    """Lines of the largest module, and the modules over the limit."""
    counted = [(module.source.count("\n"), module) for module in modules]
    limit = LIMITS["largest_module_lines"]
    found = [
        Offender("largest_module_lines", f"{module.path}:1", f"{n} lines")
        for n, module in counted
        if n > limit
    ]
    return max(n for n, _ in counted), found


def assigned_callbacks(modules) -> list:
    """Assignments from outside of what is, or is used as, a function."""
    functions, called = set(), set()
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.add(node.name)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if getattr(node.func.value, "id", "") == "self":
                    called.add(node.func.attr)

    def function(value):
        if isinstance(value, ast.IfExp):
            return function(value.body) or function(value.orelse)
        if isinstance(value, ast.BoolOp):
            return any(function(v) for v in value.values)
        name = getattr(value, "attr", getattr(value, "id", None))
        return isinstance(value, ast.Lambda) or name in functions

    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                if not isinstance(target, ast.Attribute):
                    continue
                if isinstance(target.value, ast.Name) and target.value.id in ("self", "cls"):
                    continue
                if function(node.value) or (target.attr in called and target.attr not in functions):
                    where = f"{module.path}:{node.lineno}"
                    found.append(Offender("assigned_callbacks", where, ast.unparse(node)))
    return found


def imports(modules) -> dict:
    """What each module imports of the others: {name: {imported: line}}."""
    known = {module.name for module in modules}
    packages = {m.name for m in modules if m.path.name == "__init__.py"}
    out = {}
    for module in modules:
        found = out.setdefault(module.name, {})
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found.setdefault(alias.name, node.lineno)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = module.name.split(".")
                    up = node.level - (module.name in packages)
                    parent = parts[: len(parts) - up] if up else parts
                    base = ".".join([*parent, *filter(None, [base])])
                for alias in node.names:
                    whole = f"{base}.{alias.name}"
                    found.setdefault(whole if whole in known else base, node.lineno)
        found.pop(module.name, None)  # a package's own module, of the same name as a class
        for name in set(found) - known:
            del found[name]
    return out


def cycles(modules, graph) -> list:
    """One offender for each set of modules that import each other."""
    paths = {module.name: module.path for module in modules}

    def reached(start):
        seen, todo = set(), list(graph[start])
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += graph[name]
        return seen

    reach = {name: reached(name) for name in graph}
    rings = {
        frozenset(other for other in graph if other in reach[name] and name in reach[other])
        for name in graph
    } - {frozenset()}
    found = []
    for ring in rings:
        first = min(ring)
        line = next(line for name, line in graph[first].items() if name in ring)
        found.append(Offender("import_cycles", f"{paths[first]}:{line}", " ".join(sorted(ring))))
    return found


def layer(name: str) -> int | None:
    """A module's layer, counted from the top; an exact name goes before a pattern."""
    for test in (lambda p: p == name, lambda p: fnmatch(name, p)):
        for i, patterns in enumerate(LAYERS):
            if any(test(p) for p in patterns.split()):
                return i
    return None


def upward_imports(modules, graph) -> list:
    """Imports from a layer above, and modules without a layer."""
    found = []
    for module in modules:
        mine = layer(module.name)
        if mine is None:
            found.append(Offender("upward_imports", f"{module.path}:1", "is in no layer"))
            continue
        for name, line in graph[module.name].items():
            theirs = layer(name)
            if theirs is not None and theirs < mine:
                found.append(Offender("upward_imports", f"{module.path}:{line}", f"from {name}"))
    return found


def private_accesses(root: Path) -> list:
    """In the firmware, the boards, the tests and what MicroPython runs of the tools."""
    modules = [*read(root, "firmware"), *read(root, "boards"), *read(root, "host_tests")]
    modules += [m for folder in sorted((root / "tools").glob("*/mpy")) for m in read(root, folder)]
    ours = {m.name.split(".")[0] for m in read(root, "firmware")}
    return [o for module in modules for o in PrivateAccesses(module, ours).found]


def measure(root: Path) -> tuple[dict, list]:
    """(figures, offenders) of the tree at `root`."""
    modules = read(root, "firmware")
    modules = [m for m in modules if m.name != "manifest"]
    most, over = parameters(modules)
    largest, large = lengths(modules)
    graph = imports(modules)
    long = long_functions(modules)
    private = private_accesses(root)
    assigned = assigned_callbacks(modules)
    rings = cycles(modules, graph)
    upward = upward_imports(modules, graph)
    figures = {
        "max_constructor_parameters": most,
        "functions_over_40_lines": len(long),
        "largest_module_lines": largest,
        "private_accesses_across_objects": len(private),
        "assigned_callbacks": len(assigned),
        "import_cycles": len(rings),
        "upward_imports": len(upward),
    }
    return figures, [*over, *long, *large, *private, *assigned, *rings, *upward]


def main(
    root: Annotated[Path, typer.Option(help="The tree to look at.")] = ROOT,
    out: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path(
        "build/shape.json"
    ),
):
    """Count, print what breaks a limit, and write the figures."""
    figures, offenders = measure(root)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n")
    for offender in offenders:
        text = f"{offender.where}: {offender.figure}: {offender.what}"
        _console.print(text, markup=False)
    broken = False
    for name, value in figures.items():
        good = value <= LIMITS[name]
        broken |= not good
        _console.print(f"{name:<34} {value:>4}  {'' if good else f'[red]over {LIMITS[name]}[/]'}")
    sys.exit(broken)


if __name__ == "__main__":
    typer.run(main)
