"""Boards without PSRAM get names that MicroPython has in its ROM: the same firmware, less RAM."""

import ast
import io
import os
import shutil
from pathlib import Path

import pytest
from conftest import DEVICE, HEAP, ROOT

from tools import micropython
from tools.device import package, shorten

# Tests of most of the firmware; what a test of its own inherits has no private names, and asks for
# nothing by a text.
FILES = ("product.py", "session.py", "wifi.py", "image.py")


def test_a_module_has_its_own_and_who_inherits_shares_them():
    sources = {
        "p": "",
        "p.base": "class Base:\n def __init__(self):\n  self._top = self._zone = 1\n",
        "p.sub": "from .base import Base\n\nclass Sub(Base):\n def _get(self):\n  self._own = 2\n",
        "p.other": "_LIMIT = 3\n\ndef _f(_a):\n return getattr(_a, '_kept') or _a._kept + _LIMIT\n",
        "p.port": "import sys\n\ndef _f():\n return sys.implementation._mpy\n",
    }
    short = shorten.shorten(sources)
    names = {
        key: {n.attr for n in ast.walk(ast.parse(short[key])) if isinstance(n, ast.Attribute)}
        for key in short
    }
    rom, _ = shorten.known_names()
    assert not names["p.base"] & names["p.sub"]  # they share instances
    assert names["p.base"] | names["p.sub"] <= rom
    assert names["p.other"] == {"_kept"}  # a text names it
    assert "_mpy" in names["p.port"]  # MicroPython's: nothing here is called so
    scope = {}
    exec(short["p.other"], scope)
    function = next(v for k, v in scope.items() if callable(v) and not k.startswith("__"))
    assert function(type("Thing", (), {"_kept": 0})) == 3


def test_what_others_may_know_by_name_is_left_alone():
    source = """
from micropython import const

_FOLDED = const(5)


class OwnError(Exception):
    def active(self, spoken, found, keyword=1):
        "Docstrings do not count: found."
        self.in_a_text = found
        return getattr(self, "in_a_text") + _FOLDED


def inner(one_more):
    return OwnError().active(one_more, one_more, keyword=2)
"""
    short = shorten.shorten({"m": source}, ["spoken"])["m"]
    for kept in ("OwnError", "active", "spoken", "keyword", "self.in_a_text = ", "_FOLDED"):
        assert kept in short
    for gone in ("inner", "one_more", "= found\n"):
        assert gone not in short
    assert "do not count: found." in short
    assert len(short.splitlines()) == len(source.splitlines())


def test_what_a_small_board_gets_has_fewer_names_and_no_less_code():
    plain, short = package.sources(), package.shortened(package.sources())
    assert plain.keys() == short.keys()
    _, known = shorten.known_names()

    def costly(texts):
        found = set()
        for text in texts.values():
            for node in ast.walk(ast.parse(text)):
                for where in ("id", "attr", "name", "arg"):
                    found.add(getattr(node, where, None))
        return {n for n in found if isinstance(n, str)} - known

    assert len(costly(short)) < len(costly(plain)) - 700
    for module in plain:
        kinds = [
            [type(node) for node in ast.walk(ast.parse(texts[module]))] for texts in (plain, short)
        ]
        assert kinds[0] == kinds[1], module
    boards = {name for name in package.boards() if package.lean(package.board(name))}
    assert boards == {"esp32_generic", "esp32_generic_s3"}


def test_one_name_more_changes_few_others():
    """What has not changed need not be copied to a device again."""
    plain = package.sources()
    more = dict(plain)
    more[Path("status.py")] += "\ndef another_one(with_an_argument):\n    pass\n"
    one, other = package.shortened(plain), package.shortened(more)
    assert sum(one[m] != other[m] for m in plain) < len(plain) / 5


def test_a_new_name_stands_for_one_thing():
    for module, names in package.renamed().items():
        assert len(set(names.values())) == len(names), module
        assert not set(names) & set(names.values()), module


def test_a_traceback_is_told_as_the_source_calls_things(capsys, monkeypatch):
    names = package.renamed()["uploader.session"]
    old, new = next((old, new) for old, new in names.items() if not old.startswith("_"))
    shorten.main(new)
    assert f"{new} in uploader.session: {old}\n" in capsys.readouterr().out
    rest = '  File "asyncio/core.py", line 1, in run\r\nValueError: no\n'
    frame = f'  File "uploader.session", line 1, in {new}\r\n'
    monkeypatch.setattr("sys.stdin", io.StringIO("Traceback:\n" + frame + rest))
    shorten.main()
    expected = '  File "uploader.session", line 1, in %s\n' % old
    out = capsys.readouterr().out
    assert out.startswith("Traceback:\n" + expected) and out.endswith("ValueError: no\n")


@pytest.fixture(scope="module")
def shortened(tmp_path_factory):
    """This checkout, as far as device tests need it, with short names."""
    root = tmp_path_factory.mktemp("short")
    for module, text in package.shortened(package.sources()).items():
        path = root / "firmware" / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    everywhere = package.shared()
    (root / "boards").symlink_to(ROOT / "boards")
    tests = [p for folder in ROOT.glob("tools/*/mpy") for p in folder.glob("*.py")]
    for path in [*tests, *DEVICE.glob("*"), *ROOT.glob("tools/modem/**/*.py")]:
        copy = root / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        # An `import` of it has another name now, too.
        copy = copy.with_stem(everywhere.get(path.stem, path.stem))
        if path.suffix == ".py":
            copy.write_text(shorten.rename(path.read_text(), everywhere))
        elif path.is_file():
            shutil.copyfile(path, copy)
    return root / "host_tests/device"


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_the_device_tests_pass_with_short_names(shortened, tmp_path, name):
    tests = [
        node.name
        for node in ast.parse((DEVICE / name).read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]
    assert tests
    for test in tests:
        folder = tmp_path / test
        folder.mkdir()
        env = {**os.environ, "TEST_DIR": str(folder)}
        args = (shortened / name, test)
        micropython.run(shortened / "_run.py", *args, heap=HEAP, silent=True, env=env)
