"""The local cloud's page, in a real browser."""

import shutil

import pytest
from conftest import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    "--disable-background-networking",
]
MEDIA = ROOT / "tools/demo/media"
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium")


@pytest.fixture
def browser_page():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 900, "height": 900})
        errors = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        yield page
        browser.close()
        assert errors == []


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
    card.wait_for(timeout=10000)
    page.locator(".state.uploaded").wait_for(timeout=10000)
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
        "a.ontimeupdate = () => a.currentTime > 0.2 && r(true))) }"
    )
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
        )
        assert answer.status_code == 200
        page.locator(".device dd", has_text=str(percent)).wait_for(timeout=10000)
    text = page.locator(".device", has_text="Field 7").inner_text()
    assert "-77" in text and "81" not in text
