"""Which settings that the service may change are felt: by the device tests themselves."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ("remote.py", "nested.py")
_TIMEOUT_S = 900


def names() -> set[str]:
    """What the firmware takes from the service: the names of `remote.LEAVES`."""
    for node in ast.parse((ROOT / "firmware/uploader/remote.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "LEAVES":
            return set(json.loads(ast.literal_eval(node.value)))
    raise LookupError("firmware/uploader/remote.py has no LEAVES")


def felt(folder: Path) -> dict:
    """`settings_with_effect`, how many a test has felt at their effect, set, after a reboot and
    taken back; `settings_without_effect`, the names of the others; and `problems`. A test that
    has passed writes the names itself."""
    notes = folder / "felt"
    notes.touch()
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *(f"host_tests/device/{name}" for name in TESTS)],
        cwd=ROOT,
        env={**os.environ, "SETTINGS_FELT": str(notes)},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    known = names()
    found = set(notes.read_text().split())
    problems = [result.stdout[-2000:]] if result.returncode else []
    if found != known:
        problems.append(f"settings that no test felt: {sorted(known ^ found)}")
    return {
        "settings_with_effect": len(found & known),
        "settings_without_effect": sorted(known - found),
        "problems": problems,
    }
