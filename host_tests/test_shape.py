"""The shape of the code: a module's and a function's size, and who may reach into what."""

import json

import pytest
from conftest import ROOT

from tools import shape


@pytest.mark.long
def test_the_code_has_the_shape_that_it_should():
    figures, offenders = shape.measure(ROOT)
    out = ROOT / "build/shape.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n")
    over = [name for name, limit in shape.LIMITS.items() if figures[name] > limit]
    assert not over, "\n".join(f"{o.where}: {o.what}" for o in offenders if o.figure in over)


def measure(tmp_path, **files):
    """Figures and offenders of a tree of these files."""
    files = {"firmware/uploader/errors.py": "", **files}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return shape.measure(tmp_path)


MANY = "a, b, c, d, e, f, g"


@pytest.mark.parametrize(
    ("figure", "value", "file", "text"),
    [
        (
            *("max_constructor_parameters", 7, "firmware/uploader/api.py"),
            f"class A:\n    def __init__(self, {MANY}):\n        pass\n",
        ),
        (
            *("max_constructor_parameters", 11, "firmware/uploader/uploader.py"),
            f"class Uploader:\n    def __init__(self, {MANY}, h, i, j, k):\n        pass\n",
        ),
        (  # a record that does something is none
            *("max_constructor_parameters", 7, "firmware/uploader/links/modems.py"),
            f"class Profile:\n    def __init__(self, {MANY}):\n        pass\n"
            "    def dial(self):\n        pass\n",
        ),
        (
            *("functions_over_40_lines", 1, "firmware/uploader/api.py"),
            "async def f():\n" + "    x = 1\n" * 40,
        ),
        ("largest_module_lines", 401, "firmware/uploader/api.py", "x = 1\n" * 401),
        (
            *("private_accesses_across_objects", 1, "firmware/uploader/api.py"),
            "def f(a):\n    return a._b\n",
        ),
        (
            *("private_accesses_across_objects", 1, "firmware/uploader/api.py"),
            "class A:\n    def f(self):\n        self.x._y = 1\n",
        ),
        (
            *("private_accesses_across_objects", 1, "host_tests/test_x.py"),
            "def test(m, a):\n    m.setattr(a, '_b', 1)\n    assert a.b\n",
        ),
        (
            *("private_accesses_across_objects", 1, "tools/faults/mpy/x.py"),
            "from uploader.http import _KEPT\n",
        ),
        (
            *("assigned_callbacks", 1, "firmware/uploader/uploader.py"),
            "class U:\n    def __init__(self, store):\n        store.on_event = self.told\n"
            "    def told(self):\n        pass\n",
        ),
        (
            *("assigned_callbacks", 1, "firmware/uploader/http.py"),
            "class H:\n    def run(self):\n        self.alive()\n"
            "class U:\n    def __init__(self, http, alive):\n        http.alive = alive\n",
        ),
        (
            *("upward_imports", 1, "firmware/uploader/errors.py"),
            "def f():\n    from . import http\n",
        ),
        ("upward_imports", 1, "firmware/uploader/nowhere.py", ""),
    ],
)
def test_what_breaks_a_limit_is_counted_and_found(tmp_path, figure, value, file, text):
    others = {"firmware/uploader/http.py": ""}
    figures, offenders = measure(tmp_path, **{**others, file: text})
    assert figures[figure] == value
    assert [o for o in offenders if o.figure == figure and o.where.startswith(file + ":")]


def test_a_cycle_is_found_even_inside_functions(tmp_path):
    figures, _ = measure(
        tmp_path,
        **{
            "firmware/uploader/session.py": "from .api import A\n",
            "firmware/uploader/api.py": "def f():\n    from .http import B\n",
            "firmware/uploader/http.py": "def f():\n    from . import session\n",
        },
    )
    assert figures["import_cycles"] == 1 and figures["upward_imports"] == 1


def test_what_is_allowed_is_not_counted(tmp_path):
    figures, offenders = measure(
        tmp_path,
        **{
            "firmware/uploader/__init__.py": "from .uploader import Uploader\n",
            "firmware/uploader/uploader.py": "from .http import Http\n"
            f"class Uploader:\n    def __init__(self, {MANY}):\n        self._a = a\n"
            "    def __eq__(self, other):\n        return self._a\n",
            "firmware/uploader/http.py": "from . import errors\nclass Http:\n"
            "    def f(self, conn):\n        conn.sock = 1\n        Http._g()\n",
            "firmware/uploader/links/modems.py": f"class Profile:\n    def __init__(self, {MANY}):"
            "\n        pass\n",
            "host_tests/test_x.py": "from _support import folder\nimport os\nos._exit(0)\n",
        },
    )
    assert offenders == [] and figures["max_constructor_parameters"] == 0
