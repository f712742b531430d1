"""Boards without PSRAM get short private names: the same firmware, with fewer names."""

import ast
import os
import shutil

import pytest
from conftest import DEVICE, HEAP, ROOT

from tools import micropython
from tools.device import package
from tools.device.shorten import shorten

# Tests of most of the firmware; what a test of its own inherits has no private names.
FILES = ("product.py", "session.py", "wifi.py", "image.py")


def test_a_module_has_its_own_and_who_inherits_shares_them():
    sources = {
        "p": "",
        "p.base": "class Base:\n def __init__(self):\n  self._top = self._zone = 1\n",
        "p.sub": "from .base import Base\n\nclass Sub(Base):\n def _get(self):\n  self._own = 2\n",
        "p.other": "_LIMIT = 3\n\ndef _f(_a):\n return getattr(_a, '_kept') or _a._kept + _LIMIT\n",
        "p.port": "import sys\n\ndef _f():\n return sys.implementation._mpy\n",
    }
    short = shorten(sources)
    names = {
        key: {n.attr for n in ast.walk(ast.parse(short[key])) if isinstance(n, ast.Attribute)}
        for key in short
    }
    assert not names["p.base"] & names["p.sub"]  # they share instances
    assert all(len(name) <= 2 for name in names["p.base"] | names["p.sub"])
    assert names["p.other"] == {"_kept"}  # a text names it
    assert "_mpy" in names["p.port"]  # MicroPython's: nothing here is called so
    scope = {}
    exec(short["p.other"], scope)
    function = next(v for k, v in scope.items() if callable(v) and not k.startswith("__"))
    assert function(type("Thing", (), {"_kept": 0})) == 3


def test_what_a_small_board_gets_has_fewer_names_and_no_less_code():
    plain, short = package.sources(), package.sources(short=True)
    assert plain.keys() == short.keys()

    def names(texts):
        found = set()
        for text in texts.values():
            for node in ast.walk(ast.parse(text)):
                for where in ("id", "attr", "name", "arg"):
                    found.add(getattr(node, where, None))
        return {n for n in found if isinstance(n, str)}

    assert len(names(short)) < len(names(plain)) - 250
    assert {n for n in names(plain) if not n.startswith("_")} <= names(short)
    for module in plain:
        kinds = [
            [type(node) for node in ast.walk(ast.parse(texts[module]))] for texts in (plain, short)
        ]
        assert kinds[0] == kinds[1], module
    boards = {name for name in package.boards() if package.lean(package.board(name))}
    assert boards == {"esp32_generic", "esp32_generic_s3"}


@pytest.fixture(scope="module")
def shortened(tmp_path_factory):
    """This checkout, as far as device tests need it, with short names."""
    root = tmp_path_factory.mktemp("short")
    for module, text in package.sources(short=True).items():
        path = root / "firmware" / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in ("tools", "boards"):
        (root / folder).symlink_to(ROOT / folder)
    shutil.copytree(DEVICE, root / "host_tests/device")
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
