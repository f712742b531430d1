"""One boot of the emulated chip, and what it says on its console."""

import re
import time
from dataclasses import dataclass

from .chip import Chip

_BOOT = re.compile(rb" boot board=|~boot")
_TRIES, _TAKEN_S = 5, 60
_ENDED = re.compile(rb"\n>>> |Guru Meditation|abort\(\) was called")


def _worst(output: bytes) -> list[tuple[int, int, int]]:
    found = re.findall(rb"~worst (\d+) (\d+) (\d+)\r?\n", output)
    return [tuple(map(int, f)) for f in found]


class Failed(Exception):
    """A row did not do what it should; the text says what was awaited."""


@dataclass(frozen=True)
class Heap:
    """Both heaps at a phase, in bytes; see mpy/probe.py."""

    phase: str
    alloc: int
    free: int
    idf: int
    piece: int
    least: int


class Session:
    """A chip that was started, as the rows see it. `say(text)` shows progress."""

    def __init__(self, chip: Chip, say):
        self.chip = chip
        self.say = say
        self.boot_s = None

    def boot(self, seconds: float):
        """Wait until the product runs. Raises Failed."""
        self.until(lambda: _BOOT.search(self.chip.output), seconds, "the product's start")
        self.boot_s = round(time.monotonic() - self.chip.booted_at, 1)
        self.say(f"booted in {self.boot_s} s")

    def until(self, true, seconds: float, what: str):
        """Wait for `true()`. Raises Failed: after `seconds`, which is how a hang ends here, for
        no watchdog does it; at once if the program or the chip has stopped."""
        start, shown = time.monotonic(), time.monotonic()
        seen = 0
        while not true():
            now = time.monotonic()
            if not self.chip.running:
                raise Failed(f"waited for {what}: the emulator ended")
            stop = _ENDED.search(self.chip.output)
            if stop:
                raise Failed(f"waited for {what}: {self.last_words(stop.start())}")
            if now - start > seconds:
                raise Failed(f"{what} did not come in {seconds:.0f} s; {self.last_words()}")
            if now - shown > 20:
                shown = now
                quiet = "" if len(self.chip.output) > seen else ", silent"
                seen = len(self.chip.output)
                self.say(f"  waiting for {what}, {now - start:.0f} s{quiet}")
            time.sleep(0.05)

    def last_words(self, end: int | None = None) -> str:
        """The console's last line that is not the probe's."""
        lines = self.chip.output[:end].decode(errors="replace").splitlines()
        lines = [w for w in map(str.strip, lines) if w and not w.startswith(("~", ">>>"))]
        return f"it said last: {lines[-1][:200]!r}" if lines else "it said nothing"

    def command(self, *words):
        """Have the board do something (see mpy/orders.py)."""
        self.chip.send(" ".join(map(str, words)).encode() + b"\n")

    def told(self, *words):
        """`command`, until it is taken: during a reset it would be lost. Raises Failed."""
        what = b"~did " + words[0].encode()
        before = self.chip.output.count(what)
        for tries in range(_TRIES, 0, -1):
            self.command(*words)
            try:
                self.until(lambda: self.chip.output.count(what) > before, _TAKEN_S, words[0])
                return
            except Failed:
                if tries == 1 or not self.chip.running:
                    raise

    def given(self, number: int) -> int:
        """Bytes of samples that the recorder has taken of a recording, as told so far."""
        found = re.findall(rb"~(?:given|recorded) %d (\d+)" % number, self.chip.output)
        return int(found[-1]) if found else 0

    def recorded(self, number: int) -> bool:
        """Whether a recording has ended."""
        return b"~recorded %d " % number in self.chip.output

    def kind(self, since: int = 0) -> str | None:
        """What the last boot since a place in the output is for, once it runs: `records`, `sends`;
        None where there was none."""
        found = re.findall(rb"~kind (\w+)", self.chip.output[since:])
        return found[-1].decode() if found else None

    def heaps(self) -> list[Heap]:
        """What was noted at phases."""
        found = []
        for line in re.findall(rb"~heap (\S+) ([\d ]+)\r?\n", self.chip.output):
            found.append(Heap(line[0].decode(), *map(int, line[1].split())))
        return found

    def worst(self) -> tuple[int, int, int] | None:
        """(most of the Python heap, least of IDF's, its smallest largest block) while it ran; of
        the Python heap where something was sent, if that was known (`~kind`), else 0: in a boot
        that records no radio is on, and there is more room."""
        before, *boots = re.split(rb"~kind ", self.chip.output)
        sends = [b for b in boots if b.startswith(b"sends")] if boots else [before]
        most = [w[0] for w in _worst(b"".join(sends))]
        all_ = _worst(self.chip.output)
        if not all_:
            return None
        return max(most, default=0), min(w[1] for w in all_), min(w[2] for w in all_)

    def microphone_lost(self) -> int:
        """Bytes that came faster than they were taken."""
        return sum(map(int, re.findall(rb"~recorded \d+ \d+ (\d+)", self.chip.output)))

    def resets(self) -> int:
        """Boots beyond the first."""
        return max(0, self.chip.output.count(b"rst:0x") - 1)
