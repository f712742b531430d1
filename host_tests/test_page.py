"""The local cloud's page, in a real browser."""

import io
import shutil
from datetime import timedelta

import numpy
import pytest
import soundfile
from conftest import PATIENCE_S, ROOT

from tools.cloud.models import Heartbeat
from tools.cloud.page.waveform import peaks

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    "--disable-background-networking",
]
MEDIA = ROOT / "tools/demo/media"
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium")


@pytest.fixture
def browser_page(cloud):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 900, "height": 900})
        page.set_default_timeout(120_000)
        errors, elsewhere = [], []
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on(
            "request",
            lambda r: r.url.startswith((cloud.page_url, "data:")) or elsewhere.append(r.url),
        )
        yield page
        browser.close()
        assert errors == [] and elsewhere == []


def test_recordings_appear_by_themselves_with_player_and_pictures(
    cloud, board, browser_page, tmp_path
):
    page = browser_page
    page.goto(cloud.page_url)
    page.get_by_text("nothing has arrived yet").wait_for()
    still = MEDIA / "still.jpg"
    board.add(
        *("--name", "A walk <b>outside</b>"),
        *("--started-at", "2026-05-01T10:00:00Z", "--ended-at", "2026-05-01T10:01:40Z"),
        MEDIA / "speech.opus",
        f"{still}=image/jpeg@2026-05-01T10:00:25Z",
        f"{still}=image/jpeg@2026-05-01T10:01:15Z",
    )
    assert board.drain().returncode == 0
    card = page.locator(".recording")
    card.wait_for()
    page.locator(".state.uploaded").wait_for()
    assert "A walk <b>outside</b>" in card.inner_text()
    assert page.locator("#count").inner_text() == "1 recording"
    # The pictures stand where they were taken on the recording's time line.
    parts = [m.get_attribute("data-part") for m in page.locator(".moment").all()]
    assert parts == ["0.250", "0.750"]
    for image in page.locator(".moment img").all():
        assert image.evaluate("i => i.complete && i.naturalWidth > 0") or image.evaluate(
            "i => new Promise(r => { i.onload = () => r(true); i.onerror = () => r(false) })"
        )
    # And the player plays what the device recorded.
    duration = page.locator("audio").evaluate(
        "a => new Promise(r => a.duration > 0 ? r(a.duration) :"
        " (a.onloadedmetadata = () => r(a.duration), a.onerror = () => r(0)))"
    )
    assert 60 < duration < 400
    assert page.locator("audio").evaluate(
        "a => { a.muted = true; return a.play().then(() => new Promise(r => "
        "a.ontimeupdate = () => { if (a.currentTime > 0.2) { a.pause(); r(true) } })) }"
    )
    # Its outline is that of the audio, and a click in it goes there.
    wave = page.locator(".wave")
    assert wave.get_attribute("aria-label") == f"waveform of {round(duration)} seconds"
    wave.click(position={"x": wave.bounding_box()["width"] / 2, "y": 5})
    at = page.locator("audio").evaluate("a => a.currentTime / a.duration")
    assert 0.4 < at < 0.6
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    rows = page.locator("tr").all_inner_texts()
    assert len(rows) == 4 and "audio/opus" in rows[1] and "uploaded" in rows[1]


def test_heartbeats_show_and_change(cloud, browser_page):
    import httpx

    token = cloud.new_device("dev_7")
    page = browser_page
    page.goto(cloud.page_url)
    for percent in (81, 40):
        answer = httpx.post(
            f"{cloud.api_url}/devices/me/heartbeat",
            json={"battery_percent": percent, "device_name": "Field 7", "signal_strength_dbm": -77},
            headers={"Authorization": f"Bearer {token}"},
            verify=cloud.authority.client_context(),
            timeout=PATIENCE_S,
        )
        assert answer.status_code == 200
        page.locator(".device dd", has_text=str(percent)).wait_for()
    text = page.locator(".device", has_text="Field 7").inner_text()
    assert "-77" in text and "81" not in text


def beat(cloud, device="dev_7", **said):
    return cloud.service.devices.beat(device, Heartbeat(**said))


def test_a_recording_is_started_stopped_and_called_off_with_the_keyboard_alone(cloud, browser_page):
    cloud.new_device("dev_7")
    page = browser_page
    page.goto(cloud.page_url)
    card = page.locator(".device")
    card.wait_for()

    def press(name):
        """Go on with Tab until that button has the focus, then press it."""
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == name:
                return page.keyboard.press("Enter")
        raise AssertionError(f"Tab does not reach {name}")

    page.get_by_label("At most, min").fill("5")
    page.locator("h1").click()
    press("Start recording")
    card.locator(".commands .state.pending").wait_for()
    (command,) = beat(cloud, device_state="idle")["commands"]
    assert command["type"] == "start_recording"
    assert command["params"] == {"max_duration_sec": 300, "upload_immediately": True}
    card.locator(".commands .state.delivered").wait_for()
    beat(cloud, device_state="recording")
    card.locator(".commands .state.executed").wait_for()

    press("Stop recording")
    card.locator("li", has_text="stop recording").locator(".pending").wait_for()
    press("Cancel")
    card.locator("li", has_text="stop recording").locator(".cancelled").wait_for()
    press("Stop recording")
    card.locator(".commands .pending").wait_for()
    (command,) = beat(cloud, device_state="recording")["commands"]
    assert command["type"] == "stop_recording"
    assert "next heartbeat" in page.get_by_role("status").inner_text()


def test_settings_that_were_changed_go_out_and_no_others(cloud, browser_page):
    cloud.new_device("dev_7")
    page = browser_page
    page.goto(cloud.page_url)
    page.locator("summary", has_text="Settings").click()
    page.get_by_label("Mode").select_option("wifi_only")
    page.get_by_label("Streaming chunk, KB").fill("63")
    save = page.get_by_role("button", name="Save settings")
    save.click()  # the browser refuses 63
    assert cloud.service.devices.config("dev_7").levels["device"] == {}
    page.get_by_label("Streaming chunk, KB").fill("64")
    page.get_by_label("WiFi off after, s").fill("5")
    save.click()
    page.locator("#news.bad").wait_for()  # the service refuses 5
    assert "10-2540" in page.locator("#news").inner_text()
    page.get_by_label("WiFi off after, s").fill("180")
    page.get_by_label("Only in off-peak hours").check()
    page.get_by_label("Off-peak from").fill("23:30")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_label("Networks, best first").select_option("cellular,wifi,ble")
    save.click()
    page.get_by_text("the settings go out").wait_for()
    night = {"enabled": True, "start": "23:30", "end": "06:00", "timezone": "Europe/Berlin"}
    assert beat(cloud)["settings"] == {
        "connection": {"upload_network_preference": ["cellular", "wifi", "ble"]},
        "upload": {"mode": "wifi_only", "streaming_chunk_kb": 64, "off_peak_hours": night},
    }
    save.click()
    page.get_by_text("no setting was changed").wait_for()


def test_a_release_is_added_assigned_called_off_and_seen_to_be_applied(
    cloud, browser_page, tmp_path
):
    cloud.new_device("dev_7")
    page = browser_page
    page.goto(cloud.page_url)
    assign = page.get_by_role("button", name="Assign")
    assign.wait_for()
    assert assign.is_disabled()
    news = page.get_by_role("status")
    bundle, other = tmp_path / "x.bundle", tmp_path / "other"
    bundle.write_bytes(b'{"update":1,"version":"1.2.0"}\n' + bytes(range(256)))
    other.write_bytes(b"\xe9\0\0")

    def add(path):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Add a bundle").click()
        chooser.value.set_files(path)

    add(other)
    news.get_by_text("other is no bundle").wait_for()
    add(bundle)
    news.get_by_text("Release 1.2.0: assign it").wait_for()
    page.get_by_label("Release").select_option("1.2.0")
    assign.click()
    page.locator(".state.pending").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator(".state.cancelled").wait_for()
    assign.click()
    page.locator(".state.pending").wait_for()
    manifest = beat(cloud)["firmware"]
    assert manifest["version"] == "1.2.0" and manifest["size"] == bundle.stat().st_size
    page.locator(".state.delivered").wait_for()
    update = {"slot": "/lib", "pending": "1.2.0", "last": ["1.1.0", "undone", "it hung"]}
    beat(cloud, firmware_version="1.0.0", diagnostics={"update": update})
    page.get_by_text("1.1.0 undone: it hung").wait_for()
    page.screenshot(path=tmp_path / "firmware.png", full_page=True)
    update = {"slot": "/lib2", "last": ["1.2.0", "applied", ""]}
    beat(cloud, firmware_version="1.2.0", diagnostics={"update": update})
    page.locator(".state.applied").wait_for()
    page.get_by_text("/lib2", exact=True).wait_for()


def test_health_over_time_is_drawn_with_its_gaps(cloud, browser_page):
    cloud.new_device("dev_7")
    begin = cloud.service.now()
    for i in range(10):
        cloud.service.now = lambda i=i: begin + timedelta(minutes=i - 10)
        signal = None if i in (4, 5) else -70 - i
        state = "recording" if i > 6 else "idle"
        beat(cloud, battery_percent=90 - i, signal_strength_dbm=signal, device_state=state)
    cloud.service.now = lambda: begin
    page = browser_page
    page.goto(cloud.page_url)
    battery = page.get_by_role("img", name="battery: from 90 to 81 %, lowest 81, highest 90")
    battery.wait_for()
    path = battery.locator("path").get_attribute("d")
    assert path.count("M") == 1 and path.count("L") == 9
    signal = page.get_by_role("img", name="signal: from -70 to -79 dBm")
    assert signal.locator("path").get_attribute("d").count("M") == 2  # one gap
    page.get_by_role("img", name="states, in their order: idle, recording").wait_for()
    page.locator(".state.online").wait_for()


def test_the_page_fits_a_telephone_and_its_buttons_a_finger(cloud, browser_page, tmp_path):
    cloud.new_device("dev_7")
    for percent in (50, 49):
        beat(cloud, battery_percent=percent, device_name="A name without spaces" * 3)
    cloud.service.command("dev_7", "start_recording")
    page = browser_page
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(cloud.page_url)
    page.locator(".commands li").wait_for()
    page.locator("summary", has_text="Settings").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for control in page.locator("button, select, summary, input:not([type=checkbox])").all():
        assert control.bounding_box()["height"] >= 44, control
    size = page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
    assert size >= 16
    page.screenshot(path=tmp_path / "telephone.png", full_page=True)


def test_the_outline_is_that_of_the_samples():
    rate = 8000
    samples = numpy.zeros(rate, dtype="float32")
    samples[rate // 2 : rate // 2 + 100] = -0.5
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    seconds, levels = peaks(file.getvalue(), 10)
    assert seconds == 1.0 and levels == [0, 0, 0, 0, 0, 0.5, 0, 0, 0, 0]
    assert peaks(b"no audio at all", 10) is None


def test_other_names_for_this_machine_get_nothing(cloud):
    """A page elsewhere whose name resolves to loopback must not steer devices."""
    import httpx

    assert httpx.get(cloud.page_url + "state", timeout=PATIENCE_S).status_code == 200
    evil = httpx.get(cloud.page_url + "state", headers={"Host": "evil.example"}, timeout=PATIENCE_S)
    assert evil.status_code == 400
    plain = httpx.post(
        cloud.page_url + "devices/dev_7/commands",
        content='{"type": "stop_recording"}',
        headers={"Content-Type": "text/plain"},
        timeout=PATIENCE_S,
    )
    assert plain.status_code == 400  # what a form elsewhere could send without being asked
