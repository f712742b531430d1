"""Set-up mode with a telephone: the page in a real browser, on a device without hardware."""

import json
import re
import socket
import subprocess

import dns.message
import httpx
import pytest
from conftest import PATIENCE_S, ROOT
from test_device import ok, wait_for
from test_page import CHROMIUM, FLAGS

from tools.device import trust
from tools.simulator import Simulator

# As wide as a telephone, and as high.
PHONE = {"width": 360, "height": 740}
# The unix board's, with a modem, and where the names are answered.
BOARD = """
from unix_board import *
from unix_board import Loopback as Plain
MODEM = True
class make_radio(Plain):
    def open(self, name, key):
        print("names at", self.dns_port)
        return super().open(name, key)
"""


@pytest.fixture
def device(cloud, tmp_path):
    """A device with everything on it but a configuration, trusting the cloud's authority."""
    root = tmp_path / "device"
    with Simulator(root) as simulator:
        out = ok("deploy", "--board", "unix", "--port", simulator.path)
    assert re.search(r"network recorder-\w{4}, key \w{12}\n$", out)
    (root / "lib/board.mpy").rename(root / "lib/unix_board.mpy")
    (root / "lib/board.py").write_text(BOARD)
    listed, certificates = trust.bundle([cloud.root_der.read_bytes()])
    (root / "shipped.txt").write_bytes(listed)
    (root / "shipped.der").write_bytes(certificates)
    with Simulator(root) as simulator:
        yield simulator


def page_of(simulator, after=0):
    """The address of the page once the device is in set-up mode."""
    said = re.compile(rb"names at \d+\s+set-up: network .* page (http://\S+)\r?\n")
    wait_for(lambda: said.search(simulator.output, after), simulator.output)
    return said.search(simulator.output, after)[1].decode()


@pytest.fixture
def phone():
    from playwright.sync_api import sync_playwright

    if not CHROMIUM:
        pytest.skip("needs Debian's chromium")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=PHONE, device_scale_factor=2)
        page.set_default_timeout(120_000)
        errors = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        yield page
        browser.close()
        assert errors == []


def test_telephones_find_the_page_by_themselves(device):
    page = page_of(device)
    for host, path in (
        # AOSP packages/modules/NetworkStack, res/values/config.xml
        ("connectivitycheck.gstatic.com", "/generate_204"),
        # Apple, "Use Apple products on enterprise networks"
        ("captive.apple.com", "/hotspot-detect.html"),
        # Microsoft, "Network Connection Status Indicator overview"
        ("www.msftconnecttest.com", "/connecttest.txt"),
        ("www.msftncsi.com", "/ncsi.txt"),
        # Firefox, captivedetect.canonicalURL
        ("detectportal.firefox.com", "/canonical.html"),
    ):
        answer = httpx.get(page + path[1:], headers={"Host": host}, timeout=PATIENCE_S)
        assert answer.status_code == 302 and answer.headers["location"] == page, host
        port = int(re.search(rb"names at (\d+)", device.output)[1])
        query = dns.message.make_query(host, "A")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(60)
            s.sendto(query.to_wire(), ("127.0.0.1", port))
            told = dns.message.from_wire(s.recv(512))
        assert query.is_response(told)
        ((address,),) = told.answer
        assert address.address == "127.0.0.1" and told.answer[0].ttl == 0


def fill(page, cloud, token):
    page.get_by_label("Type or paste it").fill(token)
    page.locator("summary").click()
    page.get_by_label("Address of the device API").fill(cloud.api_url)


@pytest.mark.long
def test_a_device_is_set_up_with_a_telephone_and_reaches_the_service(
    cloud, device, phone, tmp_path
):
    page = phone
    page.goto(page_of(device))
    page.get_by_text("Workshop").wait_for()
    # It fits a telephone, and its controls a finger.
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    for control in page.locator("button:visible, summary, label.net, input:visible").all():
        if control.get_attribute("type") not in ("checkbox", "radio"):
            assert control.bounding_box()["height"] >= 44, control
    # The microphone can be heard.
    page.get_by_role("button", name="Show the level").click()
    page.get_by_role("meter", name="level").wait_for()
    page.get_by_role("button", name="Record 3 s").click()
    sound = page.locator("audio")
    sound.wait_for()
    seconds = sound.evaluate(
        "a => new Promise(r => a.duration ? r(a.duration)"
        " : a.onloadedmetadata = () => r(a.duration))"
    )
    assert 2.5 < seconds < 3.5
    # What is wrong is said at once, and nothing is lost.
    page.get_by_label("Workshop").check()
    page.get_by_label("Key of this network").fill("short")
    fill(page, cloud, "dtok_unknown")
    page.get_by_role("button", name="Save and try it").click()
    page.get_by_text("8 to 63 characters").wait_for()
    page.get_by_label("Key of this network").fill("long enough")
    page.get_by_label("APN").fill("internet")
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    at = len(device.output)
    page.get_by_role("button", name="Save and try it").click()
    page.get_by_role("heading", name="Saved").wait_for()
    page.screenshot(path=tmp_path / "saved.png")

    # The token is no token: it comes back, with the reason, and what was typed.
    page.goto(page_of(device, at))
    page.get_by_text("needs a new one").wait_for()
    page.get_by_text("Known already: Workshop").wait_for()
    page.screenshot(path=tmp_path / "failed.png", full_page=True)
    assert page.get_by_label("Type or paste it").get_attribute("placeholder") == "kept as it is"
    for secret in ("dtok_unknown", "long enough"):
        assert secret not in page.content()
        assert secret not in httpx.get(page.url + "state", timeout=PATIENCE_S).text
    assert page.get_by_label("Leave it as it is").is_checked()
    page.get_by_label("Type or paste it").fill(cloud.new_device())
    at = len(device.output)
    page.get_by_role("button", name="Save and try it").click()
    page.get_by_role("heading", name="Saved").wait_for()
    wait_for(lambda: b" boot board=unix" in device.output[at:], device.output)
    config = json.loads((device.root / "config.json").read_text())
    assert config["wifi"] == [{"ssid": "Workshop", "key": "long enough", "hidden": False}]
    assert json.loads((device.root / "setup.json").read_text()).keys() == {"name", "key"}
    assert not (device.root / "config.old").exists()
    assert not (device.root / "setup.wav").exists()
    # And the board's owner can look at it with a cable.
    assert "recorder-" in ok("status", "--port", device.path)


def test_ctrl_c_ends_it_for_the_tools(device):
    page = page_of(device)
    result = subprocess.run(
        ["mpremote", "connect", device.path, "resume", "exec", "print(6 * 7)"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
    )
    assert "42" in result.stdout, result.stderr
    with pytest.raises(httpx.TransportError):
        httpx.get(page, timeout=0.5)
