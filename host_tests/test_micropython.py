"""The interpreter is a parameter, and what a script says is never lost."""

import os
from pathlib import Path

import pytest

from tools import micropython


def executable(path, text="#!/bin/sh\necho $0 $*\n"):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def script(tmp_path):
    """`script(text)`: a file with that text."""

    def write(text):
        path = tmp_path / "script.py"
        path.write_text(text)
        return path

    return write


def test_the_environment_names_another_interpreter(tmp_path, monkeypatch, script):
    named = executable(tmp_path / "micropython32-1.26")
    monkeypatch.setenv("MICROPYTHON", named)
    said = micropython.run(script(""), 1, heap="64k").split()
    assert said[:3] == [named, "-X", "heapsize=64k"] and said[-1] == "1"


def test_its_own_compiler_is_the_one_beside_it(tmp_path, monkeypatch):
    monkeypatch.delenv("MPY_CROSS", raising=False)
    for name, cross in (("micropython32-1.26", "mpy-cross-1.26"), ("micropython", "mpy-cross")):
        monkeypatch.setenv("MICROPYTHON", executable(tmp_path / name))
        beside = executable(tmp_path / cross)
        assert micropython.compiler() == beside
        os.remove(beside)
        assert micropython.compiler() not in (beside, None)
    monkeypatch.setenv("MPY_CROSS", executable(tmp_path / "another"))
    assert micropython.compiler() == str(tmp_path / "another")


def test_an_interpreter_that_is_not_there_is_told(monkeypatch, script):
    monkeypatch.setenv("MICROPYTHON", "/nowhere/micropython")
    with pytest.raises(micropython.ScriptError, match="/nowhere/micropython.*MICROPYTHON="):
        micropython.run(script("print(1)"))


def test_what_a_script_printed_is_in_the_error_of_its_failure(script):
    text = "import sys\nprint('said')\nprint('and moaned', file=sys.stderr)\n1 / 0"
    with pytest.raises(micropython.ScriptError) as failure:
        micropython.run(script(text))
    for words in ("script.py", "said", "and moaned", "ZeroDivisionError"):
        assert words in str(failure.value)


def test_silence_is_a_failure_unless_it_is_meant(script):
    with pytest.raises(micropython.ScriptError, match="printed nothing"):
        micropython.run(script("x = 1"))
    assert micropython.run(script("x = 1"), silent=True) == ""


def test_a_heap_is_a_limit(script):
    path = script("print(len(bytearray(300000)))")
    assert micropython.report(path, heap="512k") == 300000
    with pytest.raises(micropython.ScriptError, match="MemoryError"):
        micropython.report(path, heap="128k")


def test_what_does_not_compile_is_told_with_its_line(tmp_path):
    source = tmp_path / "wrong.py"
    source.write_text("x = 1\ny = (\n")
    with pytest.raises(micropython.CompileError, match=r"wrong.py(.|\n)*line 3"):
        micropython.compile(source, tmp_path / "wrong.mpy")


def test_what_was_compiled_runs_in_the_interpreter(tmp_path, script):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/part.py").write_text("print('compiled', 0.1 + 0.2 > 0.3 - 0.1)")
    micropython.compile_tree(tmp_path / "src", [Path("part.py")], tmp_path / "out")
    path = script(f"import sys\nsys.path.insert(0, {str(tmp_path / 'out')!r})\nimport part")
    assert micropython.run(path) == "compiled True\n"
