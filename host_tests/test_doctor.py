"""`make doctor` and `app.doctor()`: what is wrong is found, and said with what to do."""

import json
import ssl

import pytest
import serial
from test_device import ok, run, values, wait_for

from tools.cloud.pki import Authority
from tools.device import doctor, package
from tools.simulator import Simulator


@pytest.fixture
def device(cloud, tmp_path):
    """A simulator with everything on it, at the cloud."""
    with Simulator(tmp_path / "device") as simulator:
        ok("deploy", "--board", "unix", "--port", simulator.path)
        ok("provision", "--file", values(cloud, tmp_path), "--port", simulator.path)
        yield simulator


def look(simulator, cloud):
    result = run(
        *("doctor", "--json", "--port", simulator.path),
        *("--s3-url", f"https://localhost:{cloud.edge.port}"),
    )
    report = json.loads(result.stdout)
    assert result.returncode == (0 if report["ok"] else 1), result.stderr
    return {c["name"]: (c["ok"], c["text"]) for c in report["checks"]}


def test_a_device_in_order_passes_in_everything_and_nothing_is_changed(cloud, device):
    before = cloud.recordings()
    checks = look(device, cloud)
    good = "cable", "port rights", "image", "flash", "files", "configuration", "storage", "network"
    for name in (*good, "microphone", "names", "clock", "API", "S3", "token"):
        assert checks[name][0] is True, (name, checks[name])
    for name in ("chip", "PSRAM", "partitions", "battery"):
        assert checks[name][0] is not False, (name, checks[name])
    assert "localhost" in checks["names"][1] and "dBFS" in checks["microphone"][1]
    assert cloud.recordings() == before
    out = ok("doctor", "--port", device.path, "--s3-url", f"https://localhost:{cloud.edge.port}")
    assert "BAD" not in out and "the service takes it" in out


def test_each_fault_is_named_with_what_to_do(cloud, tmp_path):
    root = tmp_path / "device"
    with Simulator(root) as simulator:
        ok("deploy", "--board", "unix", "--port", simulator.path)
        ok("provision", "--file", values(cloud, tmp_path), "--port", simulator.path)
    config = root / "config.json"
    settings = json.loads(config.read_text())
    s3_url = f"https://localhost:{cloud.edge.port}"

    def found(name, **changes):
        config.write_text(json.dumps({**settings, **changes}))
        with Simulator(root) as device:
            wait_for(lambda: b" boot board=" in device.output or b">>> " in device.output, "boot")
            checks = {c.name: c for c in doctor.examine(device.path, s3_url=s3_url)}
            assert name in checks and checks[name].ok is False, (checks, device.output[-1000:])
            return checks[name].text

    assert "needs a new one" in found("token", device_token="dtok_unknown")
    text = found("API", api_url="https://localhost:1/v1")
    assert "localhost:1" in text
    assert "make provision" in found("configuration", colour=1)
    (root / "blocked").write_text("")
    assert "no storage: /blocked" in found("start", storage="/blocked")
    other = Authority(tmp_path / "other")
    (root / "other.der").write_bytes(ssl.PEM_cert_to_DER_cert(other.root_pem.read_text()))
    assert "vouches" in found("API", roots=["/other.der"], root_bundle="")
    (root / "lib/uploader/http.mpy").write_bytes(b"M\x06")
    (root / "lib/recorders/old.py").write_text("")
    text = found("files")
    assert "1 of another version (/lib/uploader/http.mpy)" in text and "1 stale" in text
    assert "make deploy" in text


def test_without_a_device_it_says_what_to_connect():
    result = run("doctor", "--json", "--port", "/dev/nothing")
    (check,) = json.loads(result.stdout)["checks"]
    assert result.returncode == 1 and check["name"] == "cable" and "data cable" in check["text"]


def test_an_empty_device_is_told_from_one_that_was_not_provisioned(tmp_path):
    with Simulator(tmp_path / "device") as simulator:
        port = "--port", simulator.path
        checks = {c.name: c for c in doctor.examine(simulator.path)}
        assert not checks["files"].ok and "make deploy" in checks["files"].text
        assert "nothing is deployed" in checks["configuration"].text
        ok("deploy", "--board", "unix", *port)
        checks = {c.name: c for c in doctor.examine(simulator.path)}
        assert checks["files"].ok and checks["image"].ok
        assert "can't be read" in checks["configuration"].text
        assert "make provision" in checks["configuration"].text


def test_the_same_at_the_repl(cloud, device):
    wait_for(lambda: b" boot " in device.output, device.output)
    with serial.Serial(device.path, timeout=1) as port:
        port.write(b"\x03")
        wait_for(lambda: device.output.endswith(b">>> "), device.output)
        port.write(b"app.doctor()\r")
        wait_for(lambda: device.output.endswith(b">>> ") and b" S3 " in device.output, "prompt")
        # Forgotten after, and the next time loaded again.
        port.write(b"import sys; print('loaded', 'doctor' in sys.modules)\r")
        wait_for(lambda: b"loaded False" in device.output, device.output)
    text = device.output.decode()
    assert "ok    API " in text and "ok    token " in text
    # The bucket of the real service is not this cloud's.
    assert "BAD   S3 " in text


@pytest.mark.parametrize(
    ("machine", "free", "board", "wrong"),
    [
        ("Generic ESP32 module with SPIRAM with ESP32", 4_000_000, "lilygo_t_a7670", set()),
        ("Generic ESP32 module with ESP32", 160_000, "lilygo_t_a7670", {"PSRAM"}),
        ("Generic ESP32S3 module with ESP32S3", 160_000, "esp32_generic", {"chip"}),
        ("Generic ESP32 module with ESP32", 160_000, "esp32_generic", set()),
    ],
)
def test_the_image_is_held_against_the_board(machine, free, board, wrong):
    class Connected:
        info = {"machine": machine, "platform": "esp32"}

    facts = {"free": free, "slots": [[0x10000, 0x1F0000, "factory"]], "flash": [1 << 20, 2 << 20]}
    checks = doctor.hardware(Connected, facts, package.board(board))
    assert {c.name for c in checks if c.ok is False} == wrong


def test_boards_are_known_by_their_names():
    assert doctor.named("LILYGO T-A7670") == "lilygo_t_a7670"
    assert doctor.named("something else") is None
