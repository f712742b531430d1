"""Each path of the READMEs, walked in a fresh copy of what is there, by the commands that stand in
their text. What was walked, and how long the first hour is, goes to build/first_hour.json."""

import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import time

import httpx
import pytest
from conftest import PATIENCE_S, ROOT
from test_device import wait_for

from tools.simulator import Simulator

pytestmark = pytest.mark.long
OUT = ROOT / "build/first_hour.json"
_SECTION = r"^#+ {}\n(.*?)(?=^#+ |\Z)"
_NO_BOARD = "needs a board on USB: nothing here takes an image by its serial loader"


def section(file, title):
    """The text below a heading."""
    found = re.search(_SECTION.format(re.escape(title)), (ROOT / file).read_text(), re.S | re.M)
    assert found, f"{file} has no section {title!r}"
    return found[1]


def commands(file, title):
    """The commands of a section's indented block, without what is said beside them."""
    lines = re.findall(r"^    (\S.*)$", section(file, title), re.M)
    assert lines, f"{file}, {title}: no commands"
    return [line.split("  #")[0].split("   #")[0].strip() for line in lines]


def inline(file, title, begin):
    """The command in a section's running text that begins so."""
    found = re.search(rf"`({re.escape(begin)}[^`]*)`", section(file, title))
    assert found, f"{file}, {title}: no {begin!r}"
    return " ".join(found[1].split())


# What make test hands down: a person's make has none of it.
_OURS = ("PYTHONPATH", "ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")


class Clone:
    """A copy of the files that a clone would have, with this one's .venv."""

    def __init__(self, folder):
        self.folder = folder
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, names.decode().split("\0")):
            source, target = ROOT / name, folder / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
        os.utime(folder / "pyproject.toml", (0, 0))  # .venv is ready for it
        # What mpy-cross made of the same sources is not made again.
        (folder / "build").mkdir()
        (ROOT / "build/mpy").mkdir(parents=True, exist_ok=True)
        (folder / "build/mpy").symlink_to(ROOT / "build/mpy")

    def start(self, line, **more):
        """A command line as it stands, as a process."""
        return subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if k not in _OURS},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **more,
        )

    def run(self, line, seconds=900):
        """What a command line prints; it must succeed."""
        process = self.start(line, stdin=subprocess.DEVNULL)
        out, _ = process.communicate(timeout=seconds)
        assert process.returncode == 0, f"{line}\n{out}"
        return out


def walked(name, **figures):
    """Note a walk that came through."""
    OUT.parent.mkdir(exist_ok=True)
    with OUT.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the tests' other process walks, too
        file.seek(0)
        known = json.loads(file.read() or "{}")
        known.update(figures)
        known["walks"] = sorted({*known.get("walks", []), name})
        file.truncate(0)
        file.write(json.dumps(known, indent=1) + "\n")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return Clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def running_cloud(clone):
    """The cloud of the README's path without hardware: the address of its page."""
    line = commands("tools/README.md", "Without hardware")[0]
    assert line == "make cloud"
    process = clone.start("exec " + line)
    page = None
    for said in process.stdout:
        page = page or re.search(r"page +(http://\S+)", said)
        if "Ctrl-C" in said:
            break
    assert page, "the cloud did not begin"
    yield page[1]
    os.killpg(process.pid, 2)
    process.communicate(timeout=120)


@pytest.fixture
def device(tmp_path):
    with Simulator(tmp_path / "device") as simulator:
        yield simulator


def ask_for_a_recording(page):
    """On the cloud's page: the device's next heartbeat brings it."""
    known = list(httpx.get(page + "state", timeout=PATIENCE_S).json()["devices"])
    url = f"{page}devices/{known[0]}/commands"
    answer = httpx.post(
        url, json={"type": "start_recording", "params": {"max_duration_sec": 1}}, timeout=PATIENCE_S
    )
    assert answer.status_code < 300, answer.text


def test_demo(clone):
    line, test = commands("README.md", "Try it")
    assert test == "make test"  # which is what runs now
    clone.run(line)
    begin = time.monotonic()
    assert clone.run(line).count("identical, byte for byte") == 2
    walked("demo", seconds_demo_warm=round(time.monotonic() - begin, 1))


def test_cloud_and_simulator(clone, running_cloud):
    _, simulate, deploy, provision, status = commands("tools/README.md", "Without hardware")
    process = clone.start("exec " + simulate)
    try:
        port = next(m[1] for m in map(re.compile(r"port +(\S+)").search, process.stdout) if m)
        for line in (deploy, provision, status):
            out = clone.run(line.replace("/dev/pts/N", port))
        assert re.search(r"pending +0 recordings", out)
    finally:
        os.killpg(process.pid, 2)
        process.communicate(timeout=120)
    walked("cloud and simulator")


def test_board_by_cable(clone, running_cloud, device):
    flash, deploy, provision, status, doctor = commands("README.md", "Put it on a board")
    assert flash.startswith("make flash ")
    first = [flash, deploy, provision]  # then its button, or the page
    given = f" PORT={device.path} BOARD=unix"
    clone.run(re.sub(r" BOARD=\S+", given, deploy))
    ask_for_a_recording(running_cloud)
    clone.run(f"{provision}{given} ARGS='--file build/cloud/provision.json'")
    wait_for(lambda: b" completed " in device.output, device.output)
    assert re.search(r"pending +0 recordings", clone.run(status + given))
    settings = json.loads((clone.folder / "build/cloud/provision.json").read_text())
    s3_url = shlex.quote("--s3-url " + settings["s3_url"])
    assert "the service takes it" in clone.run(f"{doctor}{given} ARGS={s3_url}")
    assert len(first) <= 4
    walked("board by cable", commands_to_first_upload=len(first))


def test_board_by_telephone(clone, running_cloud, device):
    """As test_setup.py does it in a browser; here by the same requests."""
    from tools.device import trust

    deploy = commands("README.md", "Put it on a board")[1]
    out = clone.run(re.sub(r" BOARD=\S+", f" PORT={device.path} BOARD=unix", deploy))
    assert re.search(r"to set it up with a telephone: network \S+, key \S+", out)
    said = re.compile(rb"set-up: network .* page (http://\S+)\r?\n")
    wait_for(lambda: said.search(device.output), device.output)
    page = said.search(device.output)[1].decode()
    settings = json.loads((clone.folder / "build/cloud/provision.json").read_text())
    # A cloud of one's own is under an authority that no telephone and no bundle knows.
    root = (clone.folder / "build/cloud/root.der").read_bytes()
    listed, certificates = trust.bundle([root])
    (device.root / "shipped.txt").write_bytes(listed)
    (device.root / "shipped.der").write_bytes(certificates)
    asked = {"api_url": settings["api_url"], "token": settings["device_token"]}
    assert httpx.post(page + "save", json=asked, timeout=PATIENCE_S).status_code == 200
    wait_for(lambda: b" boot board=unix" in device.output, device.output)
    assert "reason" not in json.loads((device.root / "setup.json").read_text())
    walked("board by telephone")


def test_module_by_mip(clone, device):
    line = re.search(r"`(mpremote mip install [^`]*)`", (ROOT / "firmware/README.md").read_text())[
        1
    ]
    assert line.startswith("mpremote mip ")
    path = f"export PATH={ROOT}/.venv/bin:$PATH; "
    clone.run(path + line.replace("mpremote ", f"mpremote connect {device.path} ", 1))
    out = clone.run(
        f"{path} mpremote connect {device.path} exec 'import uploader; print(uploader.__file__)'"
    )
    assert out.strip().startswith("/lib/uploader/")
    walked("module by mip")


def test_update(clone, running_cloud, device):
    given = f" PORT={device.path} BOARD=unix"
    clone.run("make deploy" + given)
    clone.run(f"make provision{given} ARGS='--file build/cloud/provision.json'")
    (bundle,) = commands("tools/README.md", "Updates")
    made = clone.run(bundle)
    file = re.search(r"(build/\S+?)[,; ]", made)[1]
    update = inline("firmware/README.md", "Updates", "make update ")
    clone.run(update.replace("FILE=…", f"FILE={file}").replace("PORT=…", f"PORT={device.path}"))
    wait_for(lambda: b"version=9.9.9" in device.output, device.output)
    walked("update")


def test_new_board(clone):
    text = section("boards/README.md", "A new board")
    line = re.search(r"`(make test [^`]*)`", text)[1]
    assert line == "make test ARGS='-k boards'"
    made = clone.folder / "boards/my_board"
    shutil.copytree(clone.folder / "boards/esp32_generic", made)
    # What `make test` runs, without collecting what it then leaves out.
    out = clone.run(".venv/bin/python -m pytest -q -p no:cacheprovider host_tests/device/boards.py")
    assert "passed" in out
    shutil.rmtree(made)
    walked("new board")


def test_board_flashed():
    pytest.skip(_NO_BOARD)


def test_emulated_board():
    pytest.skip(
        "needs an emulator and an image, and minutes: make emulator-test FIRMWARE=image.bin"
    )
