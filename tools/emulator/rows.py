"""The rows of `make emulator-test`: what the product must do on the chip."""

import json
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.device import bundle
from tools.device.package import File

from .bench import MPY, Bench
from .samples import arrived, part, told, whole
from .session import Failed, Session

# What fails today, and why; a row that passes in spite of it is shown as such.
EXPECTED: dict[str, str] = {}
BOOT_S = 420  # the emulator reads files some hundred times as slow as a chip
_RECORD_S = 300  # with a boot, if the one that sends was running
_UPLOAD_S = 600  # with the boot that sends
_UPDATE_S = 900
_SMALL, _MEDIUM, _ENDLESS = 61440, 204800, 1 << 24
_SYNC = 32768  # the settings' `sync_bytes`: what a power cut may cost
_WAV = 44


@dataclass
class Row:
    """What came of a row: `outcome` is `passed`, `failed`, `expected` (to fail) or `unexpected`
    (a pass)."""

    name: str
    outcome: str = "failed"
    reason: str = ""
    seconds: float = 0
    heaps: list = field(default_factory=list)


class Run:
    """All rows, one after another; those that can share a boot do. `show(text)` prints."""

    def __init__(self, image: Path, folder: Path, show, only=()):
        self.rows = []
        self.boots = []
        self.worst = {"wifi": [], "cellular": []}
        self.at_tls = []
        self.lost = 0
        self.microphone_lost = 0
        self.resets = 0
        self._image, self._folder, self._show, self._only = image, folder, show, only

    def wants(self, *names) -> bool:
        """Whether one of these rows is to be run."""
        return not self._only or bool(set(names) & set(self._only))

    def everything(self):
        """Run the rows."""
        if self.wants("wifi", "recording", "sending", "cut"):
            self._with("wifi", self._wifi)
        if self.wants("module"):
            self._with("wifi", self._module)
        if self.wants("ppp", "carrier_drop"):
            self._with("cellular", self._ppp)
        if self.wants("update", "update_undone"):
            self._with("wifi", self._updates)

    def _with(self, link, rows):
        with Bench(self._image, self._folder, link) as bench:
            rows(bench)

    def _row(self, name: str, session: Session | None, act):
        """Run one row; what it raises is its reason."""
        self._show(f"[bold]{name}[/]")
        row = Row(name)
        start = time.monotonic()
        try:
            act()
            row.outcome = "unexpected" if name in EXPECTED else "passed"
        except Failed as e:
            row.reason = str(e)
        except Exception:
            row.reason = traceback.format_exc(limit=3)
        if row.reason and name in EXPECTED:
            row.outcome = "expected"
        row.seconds = round(time.monotonic() - start, 1)
        if session:
            row.heaps = [asdict(h) for h in session.heaps()]
        self.rows.append(row)
        self._show(f"  {row.outcome} after {row.seconds:.0f} s {row.reason}")

    def _boot(self, bench, path):
        chip = bench.chip(path)
        chip.__enter__()
        return Session(chip, self._show)

    def _end(self, session, link):
        """Cut the power, and keep what was seen of the boot."""
        session.chip.kill()
        self.boots.append(session.boot_s)
        if session.worst():
            self.worst[link].append(session.worst())
        self.at_tls += [h for h in session.heaps() if h.phase == "tls"]
        self.microphone_lost += session.microphone_lost()
        self.resets += session.resets()

    def _must(self, condition, text):
        if not condition:
            raise Failed(text)

    # WiFi: boot, record, upload; cut while recording; cut while sending; what was kept arrives

    def _wifi(self, bench):
        path = bench.lay_out()
        cloud = bench.cloud
        session = self._boot(bench, path)
        if self.wants("wifi"):
            self._row("wifi", session, lambda: self._record_and_upload(session, cloud, 1, _SMALL))
            self.lost += not whole(cloud, 1, _SMALL)
        if self.wants("recording", "sending", "cut"):
            self._cuts(bench, path, session)
        else:
            self._end(session, "wifi")

    def _cuts(self, bench, path, session):
        cloud = bench.cloud

        def record():
            self._started(session)
            session.told("record", 2, _ENDLESS)
            session.until(lambda: session.given(2) >= 4 * _SYNC, _RECORD_S, "a recording under way")

        self._row("recording", session, record)
        given = session.given(2)
        self._end(session, "wifi")
        session = self._boot(bench, path)
        before = cloud.edge.received

        def send():
            self._must(given, "there was no recording to cut")
            session.boot(BOOT_S)
            session.until(lambda: cloud.edge.received > before + 8192, _UPLOAD_S, "a PUT")

        self._row("sending", session, send)
        self._end(session, "wifi")
        session = self._boot(bench, path)
        least = max(0, given - _SYNC - _WAV)

        def cut():
            self._must(given, "there was no recording to cut")
            session.boot(BOOT_S)
            session.until(lambda: arrived(cloud, 2), _UPLOAD_S, "the recording that was cut")
            self._must(part(cloud, 2, least), f"{least} bytes wanted, {told(cloud, 2)}")

        self._row("cut", session, cut)
        self._end(session, "wifi")
        self.lost += given > 0 and not part(cloud, 2, least)

    def _started(self, session):
        if session.boot_s is None:
            session.boot(BOOT_S)

    def _record_and_upload(self, session, cloud, number, size, meanwhile=lambda: None):
        self._started(session)
        session.told("record", number, size)
        session.until(lambda: session.recorded(number), _RECORD_S, "the end of the recording")
        meanwhile()
        session.until(lambda: arrived(cloud, number), _UPLOAD_S, "the recording in the cloud")
        self._must(whole(cloud, number, size), "what arrived is not what was recorded")

    # The module alone

    def _module(self, bench):
        path = bench.lay_out(MPY / "module.py")
        session = self._boot(bench, path)

        def module():
            session.boot(BOOT_S)
            session.until(lambda: arrived(bench.cloud, 5), _UPLOAD_S, "the recording in the cloud")
            self._must(whole(bench.cloud, 5, _SMALL), "what arrived is not what was recorded")
            session.until(
                lambda: b"~own work went on" in session.chip.output, 60, "the user's own work"
            )

        self._row("module", session, module)
        self._end(session, "wifi")
        self.lost += not whole(bench.cloud, 5, _SMALL)

    # Updates over the air: one that works, and one that crashes at import

    def _updates(self, bench):
        key = bundle.Key(Ed25519PrivateKey.generate())
        wanted = json.dumps({"keys": [key.public], "stood_s": 5}).encode()
        path = bench.lay_out(more=[File("/update.json", wanted)])
        session = self._boot(bench, path)
        said = session.chip

        def offer(version, crashes):
            """Hand a manifest of the cloud's over on the console: beside heartbeats this chip has
            no memory left for a TLS connection."""
            manifest = bench.assign(key, version, crashes)
            text = json.dumps(manifest, separators=(",", ":"))
            for at in range(0, len(text), 100):
                done = said.output.count(b"~did offer")
                session.command("offer", text[at : at + 100])
                session.until(lambda n=done: said.output.count(b"~did offer") > n, 60, "a piece")
            session.command("offer")

        def records():
            return said.output.rpartition(b"~kind ")[2].startswith(b"records")

        def installed(version, crashes=False):
            session.until(records, BOOT_S, "the boot that records")
            since = len(said.output)
            offer(version, crashes)
            for state in (b"alone", b"begun", b"installed"):
                what = b"state=" + state
                session.until(lambda w=what: w in said.output[since:], _UPDATE_S, state.decode())

        def good():
            self._started(session)
            installed("9.9.1")
            session.until(lambda: said.output.count(b" boot board=") > 1, BOOT_S, "its app")
            self._record_and_upload(session, bench.cloud, 6, _SMALL)
            session.until(lambda: b"state=applied version=9.9.1" in said.output, 120, "its end")

        if self.wants("update"):
            self._row("update", session, good)

        def bad():
            self._started(session)
            installed("9.9.2", True)
            session.until(lambda: b"state=undone version=9.9.2" in said.output, BOOT_S, "its end")
            self._record_and_upload(session, bench.cloud, 7, _SMALL)

        if self.wants("update_undone"):
            self._row("update_undone", session, bad)
        self._end(session, "wifi")

    # Modem and PPP, WiFi off; the carrier dropped in the middle of a PUT

    def _ppp(self, bench):
        path = bench.lay_out()
        cloud, modem = bench.cloud, bench.modem
        session = self._boot(bench, path)
        if self.wants("ppp"):
            self._row("ppp", session, lambda: self._record_and_upload(session, cloud, 3, _SMALL))
            self.lost += not whole(cloud, 3, _SMALL)

        def drop():
            drops = modem.log.events.count("dropped")

            def cut():
                # Not `modem.ppp_up`: a chip that was reset has not hung up.
                said, since = session.chip, len(session.chip.output)
                session.until(lambda: b"step=connected" in said.output[since:], _UPLOAD_S, "PPP")
                # More than the calls before the PUT take, and far less than the PUT.
                modem.drop_after(60_000)

            self._record_and_upload(session, cloud, 4, _MEDIUM, cut)
            self._must(modem.log.events.count("dropped") > drops, "the carrier was not dropped")

        if self.wants("carrier_drop"):
            self._row("carrier_drop", session, drop)
        self._end(session, "cellular")
        self.lost += session.recorded(4) and not whole(cloud, 4, _MEDIUM)

    def passed(self, *names) -> bool:
        """Whether all of these rows passed."""
        good = {r.name for r in self.rows if r.outcome in ("passed", "unexpected")}
        return set(names) <= good

    def report(self) -> dict:
        """The figures of build/emulator.json."""
        worst = self.worst["wifi"] + self.worst["cellular"]
        boots = [b for b in self.boots if b]
        return {
            "image": self._image.name,
            "wifi_completed": self.passed("wifi"),
            "ppp_completed": self.passed("ppp", "carrier_drop"),
            "module_completed": self.passed("module"),
            "cut_completed": self.passed("recording", "sending", "cut"),
            "lost": self.lost,
            "idf_free_min": min((w[1] for w in worst), default=None),
            "idf_largest_at_tls": min((h.piece for h in self.at_tls), default=None),
            "gc_alloc_max_wifi": max((w[0] for w in self.worst["wifi"]), default=None),
            "gc_alloc_max_ppp": max((w[0] for w in self.worst["cellular"]), default=None),
            "boot_s": max(boots, default=None),
            "microphone_lost_bytes": self.microphone_lost,
            "resets": self.resets,
            "rows": [asdict(r) for r in self.rows],
        }
