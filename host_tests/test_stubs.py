"""The stubs beside the module say what the sources do, name by name."""

import ast
import json

import pytest
from conftest import ROOT

FOLDER = ROOT / "firmware/uploader"
STUBS = sorted(FOLDER.rglob("*.pyi"))
TYPES = {"str": str, "bool": bool, "int": int, "list": list}


def public(name):
    return name == "__init__" or not name.startswith("_")


def names(tree):
    """What a module or class defines: its functions by their parameters, classes, attributes."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and public(node.name):
            found[node.name] = signature(node)
            if node.name == "__init__":
                found.update(attributes(node))
        elif isinstance(node, ast.ClassDef) and public(node.name):
            found[node.name] = names(node), [ast.unparse(base) for base in node.bases]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(tree, ast.ClassDef):
            for target in getattr(node, "targets", None) or [node.target]:
                if public(target.id):
                    found[target.id] = "attribute"
    return found


def signature(node):
    """(kind, parameters, those with a default), whatever their types are."""
    a = node.args
    parameters = [x.arg for x in a.posonlyargs + a.args + a.kwonlyargs]
    more = [x and x.arg for x in (a.vararg, a.kwarg)]
    defaults = [ast.unparse(d) for d in a.defaults]
    marks = [ast.unparse(d) for d in node.decorator_list]
    return type(node).__name__, parameters, more, defaults, marks


def attributes(node):
    """Public attributes that a constructor gives an object."""
    found = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            if getattr(part.value, "id", "") == "self" and public(part.attr):
                found[part.attr] = "attribute"
    return found


@pytest.mark.parametrize("stub", STUBS, ids=lambda p: p.relative_to(FOLDER).as_posix())
def test_a_stub_has_what_its_source_has(stub):
    source = names(ast.parse(stub.with_suffix(".py").read_text()))
    told = names(ast.parse(stub.read_text()))
    if stub.stem == "settings":
        for key in keys():
            assert told["Settings"][0].pop(key) == "attribute", key
    assert told == source


def keys():
    from tools.device import checker

    return json.loads(checker.config.KEYS)


def test_every_setting_is_there_with_its_type():
    (settings,) = (
        n for n in ast.parse((FOLDER / "settings.pyi").read_text()).body
        if isinstance(n, ast.ClassDef)
    )  # fmt: skip
    told = {
        n.target.id: TYPES.get(ast.unparse(n.annotation))
        for n in settings.body
        if isinstance(n, ast.AnnAssign)
    }
    for key, default in keys().items():
        if isinstance(default, dict):  # a choice
            default = default["of"][0]
        elif isinstance(default, list) and default and isinstance(default[0], int):
            default = default[0]
        assert told[key] is type(default), key


def test_what_users_are_told_to_import_has_a_stub():
    """Each `from uploader... import` of the documents."""
    for file in ("README.md", "firmware/README.md"):
        for block in (ROOT / file).read_text().split("```python")[1:]:
            for node in ast.walk(ast.parse(block.split("```")[0])):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("uploader"):
                    path = FOLDER.joinpath(*node.module.split(".")[1:])
                    stub = path / "__init__.pyi" if path.is_dir() else path.with_suffix(".pyi")
                    if not stub.exists() and path.is_dir():
                        continue  # a package without code of its own
                    text = stub.read_text()
                    for alias in node.names:
                        assert alias.name in text, (file, node.module, alias.name)
