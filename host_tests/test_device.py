"""From an empty device to a completed upload, with the commands alone, through the real mpremote
against a real MicroPython on a pty."""

import json
import os
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from tools.device import deploy as deploying
from tools.device import package
from tools.device.connection import Device, DeviceError
from tools.simulator import Simulator


@pytest.fixture
def simulator(tmp_path):
    with Simulator(tmp_path / "device") as s:
        yield s


def run(*args, **more):
    return subprocess.run(
        [sys.executable, "-m", "tools.device", *map(str, args)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        **more,
    )


def ok(*args, **more):
    result = run(*args, **more)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def values(cloud, tmp_path, token=None, **more):
    port = cloud.edge.port
    path = tmp_path / "provision.json"
    path.write_text(
        json.dumps(
            {
                "api_url": cloud.api_url,
                "device_token": token or cloud.new_device(),
                "ca_file": str(cloud.root_pem),
                "s3_url": f"https://localhost:{port}",
                "heartbeat_minutes": 1,
                "ntp_server": "",
                "watchdog_s": 0,
                **more,
            }
        )
    )
    return path


def wait_for(true, what, seconds=300):
    """Poll: what happens on the device has no other end to wait at."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture(params=["2m", "512k"], ids=["roomy", "lean"])
def either(request, tmp_path):
    """A simulator with memory to record and send side by side, and one without: see sender.py."""
    with Simulator(tmp_path / "device", request.param) as s:
        yield s


@pytest.mark.long
def test_from_an_empty_device_to_a_completed_upload(cloud, either, tmp_path):
    simulator = either
    port = ("--port", simulator.path)
    assert "nothing is deployed" in run("status", *port).stdout
    assert "copied" in ok("deploy", "--board", "unix", *port)
    wait_for(lambda: b"set-up: network" in simulator.output, simulator.output)
    told = run("status", *port).stdout
    identity = json.loads((simulator.root / "setup.json").read_text())
    assert "not provisioned" in told and f"key {identity['key']}" in told
    # Looking at it ends its set-up, and begins it anew.
    wait_for(lambda: simulator.output.count(b"set-up: network") == 2, simulator.output)
    assert "not provisioned" in run("level", *port).stdout

    path = values(cloud, tmp_path)
    token = json.loads(path.read_text())["device_token"]
    cloud.service.command("dev_demo", "start_recording")
    out = ok("provision", "--file", path, *port)
    assert token not in out and "roots" in out
    assert token.encode() not in simulator.output
    (root,) = (simulator.root / "roots").glob("?" * 16 + ".der")
    assert (simulator.root / "roots/bundle.der").read_bytes().startswith(root.read_bytes())

    wav = simulator.root / "captures/00000100.wav"
    wait_for(lambda: wav.exists() and wav.stat().st_size > 20000, simulator.output)
    # Looking at it ends what it records, and restarts it: then it uploads.
    status = json.loads(ok("status", "--json", *port))
    assert status["queue"]["pending"] == 1 and status["board"] == "unix"
    wait_for(lambda: cloud.recordings() and cloud.recordings()[0].status == "uploaded", "upload")
    (recording,) = cloud.recordings()
    data = cloud.media_bytes(recording, recording.media[0])
    assert data[:4] == b"RIFF" and len(data) > 20000

    wait_for(lambda: b" completed " in simulator.output, "completed")
    table = ok("status", *port)
    assert "0 recordings" in table and "dev_demo" in table
    log = ok("logs", *port)
    assert " boot " in log and token not in log + table + json.dumps(status)
    assert cloud.state.keys("heartbeat")


def test_the_level_is_shown_with_its_noise_floor(simulator, cloud, tmp_path):
    port = ("--port", simulator.path)
    ok("deploy", "--board", "unix", *port)
    ok("provision", "--file", values(cloud, tmp_path, heartbeat_minutes=0), *port)
    lines = ok("level", "--seconds", "2", *port).splitlines()
    told = [line.split() for line in lines if "dBFS" in line]
    # The simulator's square wave has an eighth of full scale: 20 log(1/8) and the 3.9 dB between
    # a sine's mean and its own.
    assert len(told) >= 3 and {(w[0], w[3]) for w in told} == {("-14", "-14")}, lines
    assert not [w for w in told if "voice" in w], "as loud as its own floor"


@pytest.mark.long
def test_deploy_copies_only_what_changed_and_removes_what_is_stale(simulator):
    port = ("--port", simulator.path)
    count = len(package.build("unix"))
    assert f"{count} of {count} files copied" in ok("deploy", "--board", "unix", *port)
    assert "0 of" in ok("deploy", "--board", "unix", *port)
    (simulator.root / "lib/uploader/http.mpy").write_bytes(b"spoiled")
    (simulator.root / "lib/uploader/http.py").write_text("raise SystemExit")
    (simulator.root / "mine.txt").write_text("mine")
    out = ok("deploy", "--board", "unix", *port)
    assert f"1 of {count} files copied, 1 removed" in out
    assert (simulator.root / "mine.txt").exists()


def test_pull_brings_the_captures_off_the_device(cloud, simulator, tmp_path):
    port = ("--port", simulator.path)
    ok("deploy", "--board", "unix", *port)
    path = values(cloud, tmp_path, "dtok_unknown", heartbeat_minutes=0)
    ok("provision", "--file", path, *port)
    data = os.urandom(5000)
    (tmp_path / "data").write_bytes(data)
    code = (
        "from app import make; a = make(); r = a.store.begin('x'); w = r.add('audio');"
        "w.write(open('/data', 'rb').read()); r.end()"
    )
    for command in (["fs", "cp", tmp_path / "data", ":/data"], ["exec", code]):
        subprocess.run(["mpremote", "connect", simulator.path, *command], check=True, timeout=300)
    out = ok("pull", "--to", tmp_path / "pulled", *port)
    assert "1 files" in out
    assert (tmp_path / "pulled/00000100.opu").read_bytes() == data


@pytest.mark.parametrize("answer", ["y", "n"])
def test_another_token_asks_whose_recordings_these_are(cloud, simulator, tmp_path, answer):
    port = ("--port", simulator.path)
    ok("deploy", "--board", "unix", *port)
    first = values(cloud, tmp_path, "dtok_of_before", heartbeat_minutes=0)
    ok("provision", "--file", first, *port)
    code = (
        "from app import make; a = make(); r = a.store.begin('x');"
        "r.add('audio').write(b'sound'); r.end()"
    )
    subprocess.run(["mpremote", "connect", simulator.path, "exec", code], check=True, timeout=300)
    second = values(cloud, tmp_path, heartbeat_minutes=0)
    out = ok("provision", "--file", second, *port, input=answer + "\n")
    assert "same end user?" in out
    if answer == "y":
        wait_for(lambda: [r for r in cloud.recordings() if r.status == "uploaded"], "upload")
    else:
        status = json.loads(ok("status", "--json", *port))
        assert status["queue"]["held"] == 1 and cloud.recordings() == []


def test_interactive_provisioning_never_shows_a_secret(cloud, simulator, tmp_path):
    port = ("--port", simulator.path)
    ok("deploy", "--board", "unix", *port)
    # At the prompts of a person; without a terminal the prompts still hide what is typed.
    out = run("provision", *port, input=f"{cloud.api_url}\ndtok_secret\nhome\nwifisecret\n\n\n")
    assert "dtok_secret" not in out.stdout and "wifisecret" not in out.stdout
    # This machine does not trust the local cloud's root, so nothing was written.
    assert out.returncode == 1 and "does not trust" in out.stdout
    assert not (simulator.root / "config.json").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wifi": [{"ssid": "x", "key": "short"}]}, "8 to 63 characters"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"device_token": ""}, "'device_token' is empty"),
        ({"sim_pin": "12"}, "4 to 8 digits"),
        ({"api_url": "https://localhost:1/v1"}, "can't be reached"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(cloud, simulator, tmp_path, change, words):
    path = values(cloud, tmp_path, **change)
    out = run("provision", "--file", path, "--port", simulator.path)
    assert out.returncode == 1 and words in out.stdout.replace("\n", " ")
    assert not (simulator.root / "config.json").exists()


def test_errors_say_what_to_do(simulator, tmp_path):
    def says(*args):
        result = run(*args)
        assert result.returncode in (1, 2) and "Traceback" not in result.stdout + result.stderr
        return " ".join(result.stdout.split())

    assert "There is no port /dev/nothing" in says("status", "--port", "/dev/nothing")
    assert "BOARD is one of: esp32_generic" in says("deploy", "--board", "toaster")
    assert "wants a MicroPython for esp32" in says(
        "deploy", "--board", "esp32_generic", "--port", simulator.path
    )
    assert "can't be read" in says("provision", "--file", "/x", "--port", simulator.path)
    out = says("flash", "--board", "lilygo_t_a7670")
    assert "ESP32_GENERIC, variant SPIRAM" in out and "1.26" in out
    assert "is not flashed" in says("flash", "--board", "unix")
    (tmp_path / "x.bin").write_bytes(b"x")
    out = says("flash", "--board", "esp32_generic", "--port", simulator.path)
    assert "No firmware for esp32_generic" in out
    # A port that is in use.
    import serial

    with serial.Serial(simulator.path, exclusive=True):
        assert "using it?" in says("status", "--port", simulator.path)


def test_a_port_without_micropython_and_one_that_is_too_old(tmp_path, monkeypatch):
    from tools.device import connection

    master, slave = os.openpty()
    # By another name, since mpremote waits for ever for what lies under /dev/pts.
    port = tmp_path / "port"
    port.symlink_to(os.ttyname(slave))
    with pytest.raises(connection.DeviceError, match="No MicroPython answers"):
        with connection.Device(str(port), patience_s=0.5):
            pass
    monkeypatch.setattr(connection, "MIN_VERSION", (9, 0))
    with Simulator(tmp_path / "old") as simulator:
        with pytest.raises(connection.DeviceError, match="too old"):
            with connection.Device(simulator.path):
                pass


def test_the_tools_wait_for_a_device_that_still_boots(tmp_path, monkeypatch):
    """It answers Ctrl-C late, as a board does that imports, scans or looks up a name."""
    from tools.device import connection

    monkeypatch.setattr(connection, "TRY_S", 0.5)
    monkeypatch.setattr(connection, "TOLD_S", 0)
    root = tmp_path / "device"
    root.mkdir()
    (root / "main.py").write_text(
        "import time\nn = 0\nwhile n < 2:\n try:\n"
        "  n or print('booting')\n  while True:\n   time.sleep_ms(10)\n"
        " except KeyboardInterrupt:\n  n += 1\n"
    )
    told = []
    with Simulator(root) as simulator:
        wait_for(lambda: b"booting" in simulator.output, simulator.output)
        with connection.Device(simulator.path, told=told.append) as device:
            assert device.ask("answer = 6 * 7") == 42
    assert told and "may still boot" in told[0]


def test_another_ctrl_c_lets_what_is_recorded_end_as_it_should(tmp_path, monkeypatch):
    """The tools ask again of a device that does not answer: flash may take its time."""
    from tools.device import connection

    monkeypatch.setattr(connection, "TRY_S", 0.5)
    root = tmp_path / "device"
    for file in package.build("unix"):
        path = root / file.path[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    (root / "main.py").write_text(
        "import time\nfrom running import Running\n"
        "class Control:\n def end(self):\n  time.sleep(2)\n  print('it has ended')\n"
        "class Slow(Running):\n def __init__(self):\n  self.control = Control()\n"
        "try:\n print('recording')\n while True:\n  time.sleep_ms(10)\n"
        "finally:\n Slow().close()\n"
    )
    with Simulator(root) as simulator:
        wait_for(lambda: b"recording" in simulator.output, simulator.output)
        with connection.Device(simulator.path) as device:
            assert b"it has ended" in simulator.output, simulator.output
            # And from here on it does interrupt.
            device.transport.exec_raw_no_follow("print('runs')\nwhile True: pass")
            wait_for(lambda: b"runs" in simulator.output, simulator.output)
            device.transport.serial.write(b"\x03")
            assert b"KeyboardInterrupt" in device.transport.follow(60)[1]


def test_images_older_than_the_floor_are_refused_by_name(tmp_path):
    image = tmp_path / "ESP32_GENERIC-20241129-v1.24.1.bin"
    image.write_bytes(b"x")
    out = run("flash", "--board", "esp32_generic", "--port", "/dev/null", "--firmware", image)
    text = " ".join(out.stdout.split())
    assert out.returncode == 1 and "1.24 is too old: 1.26 or newer is needed" in text
    assert "flashing" not in text


def test_verification_prints_as_it_goes(simulator, monkeypatch):
    """A slow device hashes for longer than mpremote bears silence."""
    from tools.device import connection, deploy

    ok("deploy", "--board", "unix", "--port", simulator.path)
    files = package.build("unix")
    read = []
    with connection.Device(simulator.path) as device:
        assert deploy.present(device, read.append) == {f.path: f.sha256 for f in files}
    assert sum(read) >= package.size(files)


@pytest.mark.parametrize("mount", ["raise OSError(16)", "raise RuntimeError('in use')"])
def test_provisioning_again_survives_a_card_that_cannot_be_mounted_twice(
    cloud, simulator, tmp_path, mount
):
    port = ("--port", simulator.path)
    ok("provision", "--file", values(cloud, tmp_path, "dtok_one"), *port)
    board = simulator.root / "lib/board.py"
    board.parent.mkdir(exist_ok=True)
    board.write_text(f"STORAGE = '/sd/captures'\ndef mount():\n {mount}\n")
    config = simulator.root / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "storage": "/sd/captures"}))
    again = values(cloud, tmp_path, "dtok_two", storage="/sd/captures")
    out = ok("provision", "--file", again, *port, input="n\n")
    assert "An unknown number of recordings" in out and "written; restarted" in out
    (simulator.root / "sd/captures").mkdir(parents=True)
    (simulator.root / "sd/captures/000001.rec").write_text("")
    third = values(cloud, tmp_path, "dtok_three", storage="/sd/captures")
    assert "1 recordings made under another" in ok("provision", "--file", third, *port, input="n\n")


def test_a_full_flash_is_told():
    from tools.device.connection import explain

    assert "full" in str(explain("Traceback\nOSError: [Errno 28] ENOSPC"))
    assert "out of memory" in str(explain("MemoryError: memory allocation failed"))


def test_mip_installs_every_module_and_the_copy_works(cloud, simulator, tmp_path):
    """`mpremote mip install` of firmware/package.json, from the checkout."""
    listed = json.loads((ROOT / "firmware/package.json").read_text())
    paths = {target for target, _ in listed["urls"]}
    assert paths == {str(m) for m in package.modules() if m.parts[0] == "uploader"}
    for target, source in listed["urls"]:
        assert (ROOT / "firmware" / source).is_file() and source.endswith(target)
    subprocess.run(
        ["mpremote", "connect", simulator.path, "mip", "install", "--target", "/lib"]
        + [str(ROOT / "firmware/package.json")],
        check=True,
        timeout=600,
    )
    settings = cloud.device_config("/captures", ntp_server="", roots=["/root.der"])
    (tmp_path / "config.json").write_text(json.dumps(settings))
    code = (
        "import asyncio, uploader;"
        "from uploader.links.host import HostLink;"
        "assert uploader.__file__.startswith('/lib/'), uploader.__file__;"
        "s = uploader.load_config('/config.json');"
        "st = uploader.Store(s); r = st.begin('mip');"
        "r.add('audio').write(b'x' * 3000); r.end();"
        "print(asyncio.run(uploader.Uploader(s, st, [HostLink()]).drain(300)))"
    )
    for command in (
        ["fs", "cp", str(tmp_path / "config.json"), ":/config.json"],
        ["fs", "cp", str(cloud.root_der), ":/root.der"],
        ["exec", code],
    ):
        result = subprocess.run(
            ["mpremote", "connect", simulator.path, *command],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stdout + result.stderr
    assert "True" in result.stdout
    assert [r.status for r in cloud.recordings()] == ["uploaded"]


def test_the_freeze_manifest_names_every_module():
    """Read as MicroPython's own manifest tool does: functions in a plain Python file."""
    frozen = []
    space = {
        "package": lambda name, base_path=".", opt=None: frozen.append(name),
        "module": lambda name, base_path=".", opt=None: frozen.append(name),
        "metadata": lambda **_: None,
        "include": lambda *_: None,
    }
    exec((ROOT / "firmware/manifest.py").read_text(), space)
    names = sorted([f"{name}.py" for name in package.BESIDE] + list(package.SOURCES))
    assert sorted(frozen) == names
    for name in frozen:
        assert (ROOT / "firmware" / name).exists()


def test_the_watchdog_gives_a_tool_time(cloud, simulator, tmp_path):
    port = ("--port", simulator.path)
    ok("deploy", "--board", "unix", *port)
    ok("provision", "--file", values(cloud, tmp_path, watchdog_s=60), *port)
    wait_for(lambda: simulator.watched_s == 60, "the product's watchdog")
    with Device(simulator.path) as device:
        assert simulator.watched_s == 3600
        device.restart()
    wait_for(lambda: simulator.watched_s == 60, "the product's watchdog again")


def test_what_will_not_fit_is_said_before_anything_is_copied(tmp_path):
    with Simulator(tmp_path / "device", "512k") as small, Device(small.path) as device:
        files = package.build("unix")
        assert deploying.foresee(device, package.board("unix"), files, {}) is None
        device.run("ballast = bytearray(200000)")  # of a heap of 512 KB
        assert "no PSRAM" in deploying.foresee(device, package.board("esp32_generic"), files, {})
        with pytest.raises(DeviceError, match="which the image on it does not use"):
            deploying.foresee(device, package.board("lilygo_t_a7670"), files, {})
        large = package.File("/lib/large.mpy", Large())
        with pytest.raises(DeviceError, match="upload or pull what it holds"):
            deploying.foresee(device, package.board("unix"), [large], {})


class Large(bytes):
    """What no flash holds."""

    def __len__(self):
        return 1 << 60
