"""What a person may meet is in the troubleshooting table, with what to do about it."""

import ast
import re

from conftest import ROOT

FIRMWARE = ROOT / "firmware"
SOURCES = {p: p.read_text() for p in FIRMWARE.rglob("*.py")}
EVERYTHING = "".join(SOURCES.values())
TABLE = re.search(
    r"^## Troubleshooting\n(.*?)^## ", (FIRMWARE / "README.md").read_text(), re.S | re.M
)[1]
# The names in the first cell of each row.
ROWS = {
    name: line
    for line in TABLE.splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`(\w+)`", line.split(" | ")[0])
}


def first_texts(call, position):
    """The literal at a place of every call to a name, over all of the firmware."""
    found = set()
    for text in SOURCES.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and len(node.args) > position:
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                value = node.args[position]
                if (
                    name in call
                    and isinstance(value, ast.Constant)
                    and isinstance(value.value, str)
                ):
                    found.add(value.value)
    return found


def lacking(names):
    return sorted(name for name in names if name not in ROWS)


def test_every_event_is_there():
    events = first_texts(("emit", "_emit", "_event", "file_due", "tell"), 0)
    # `doctor` has a `tell` of its own, which names what it looks at.
    events -= first_texts(("tell",), 0) - set(re.findall(r'\.tell\(\s*"(\w+)"', EVERYTHING))
    assert len(events) > 30 and {"certificate", "boot_loop", "gap"} <= events
    assert lacking(events) == []


def test_every_code_of_a_link_is_there():
    codes = first_texts(("LinkError",), 1)
    joining = ast.parse((FIRMWARE / "uploader/links/joining.py").read_text())
    for node in ast.walk(joining):
        if isinstance(node, ast.Assign) and node.targets[0].id == "_WHY":
            codes |= {code for code, _ in ast.literal_eval(node.value).values()}
            break
    codes.add("captive_portal")
    assert len(codes) > 12 and "wrong_key" in codes
    assert lacking(codes) == []


def test_every_error_and_kind_is_there():
    errors = re.findall(r"^class (\w+)", (FIRMWARE / "uploader/errors.py").read_text(), re.M)
    kinds = first_texts(("TransportError",), 0)
    said = re.search(r"`kind` is one of `([^`]*)`", EVERYTHING)[1].split()
    assert kinds <= set(said), "errors.py does not say them all"
    assert lacking([*errors, *said]) == []


def test_every_row_says_what_to_do():
    for name, row in ROWS.items():
        cells = [cell.strip() for cell in row.strip("| ").split(" | ")]
        assert len(cells) in (2, 3) and all(cells[:2]), (name, row)
