"""What the READMEs show as text: LED patterns as bars, the states of a recording as a diagram."""

import ast
from pathlib import Path

from tools import micropython

ROOT = Path(__file__).parents[2]
_STATES = Path(__file__).parent / "mpy/states.py"
_STEP_MS = 100
_SEEN_MS = 30
_MOST_MS = 3000
# What is said of each of `recorders.led.PATTERNS`, in this order.
MEANINGS = {
    "idle": "nothing to do",
    "recording": "recording",
    "uploading": "uploading",
    "updating": "an update is fetched or written",
    "waiting": "something waits for its time, or for a network",
    "low_battery": "the battery is low, uploads are deferred",
    "storage_full": "little space is left",
    "needs_owner": "needs its owner: a new token, or a server that can't be trusted",
    "setup": "set-up mode: join its network",
    "error": "storage or other trouble: `make logs`",
}


def patterns() -> dict[str, tuple[int, ...]]:
    """PATTERNS of the firmware: milliseconds on and off, in turn."""
    for node in ast.parse((ROOT / "firmware/recorders/led.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "PATTERNS":
            return ast.literal_eval(node.value)
    raise LookupError("recorders/led.py has no PATTERNS")


def bar(pattern: tuple[int, ...]) -> str:
    """Three seconds of a pattern, a sign for each tenth: on if it is on for a good part of it."""
    if not pattern:
        return "░" * (_MOST_MS // _STEP_MS)
    lit = bytearray(_MOST_MS)
    at = 0
    while at < _MOST_MS:
        for i, ms in enumerate(pattern):
            if i % 2 == 0:
                lit[at : at + ms] = b"\1" * len(lit[at : at + ms])
            at += ms
    steps = range(0, _MOST_MS, _STEP_MS)
    return "".join("█" if sum(lit[at : at + _STEP_MS]) > _SEEN_MS else "░" for at in steps)


def leds() -> str:
    """The table of firmware/README.md."""
    known = patterns()
    rows = ["| three seconds | state |", "| --- | --- |"]
    rows += [f"| `{bar(known[name])}` | {text} |" for name, text in MEANINGS.items()]
    return "\n".join(rows) + "\n"


def states() -> str:
    """The states of a recording and what leads from one to the other, as Mermaid has it: found by
    writing each line of a state file and asking the owner's `state` what it then is."""
    seen = micropython.report(_STATES)
    lines = ["stateDiagram-v2", "    [*] --> recording: begin"]
    lines += [f"    {before} --> {after}: {label}" for before, label, after in seen]
    return "\n".join(lines) + "\n"
