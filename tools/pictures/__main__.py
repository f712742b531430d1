"""The pictures of the README, by a browser, from a simulated device and the demo: `make pictures`.
The tables are printed, to be put where they belong; a test says when they are not."""

import io
import os
import pty
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from tools.device import package
from tools.simulator import Simulator

from . import tables

HERE = Path(__file__).parent
_COLOURS = 64
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def terminal() -> str:
    """What a person sees of `make demo`, as SVG."""
    read, out = [], None
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["COLUMNS"] = "100"
        os.execv(sys.executable, [sys.executable, "-m", "tools.demo"])
    while out != b"":
        try:
            out = os.read(fd, 65536)
        except OSError:  # the other end is gone
            break
        read.append(out)
    os.close(fd)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise RuntimeError("the demo failed")
    lines = b"".join(read).decode().replace("\r\n", "\n").split("\n")
    # Progress overwrites itself; what it ended with stays.
    shown = "\n".join(line.rstrip("\r").split("\r")[-1] for line in lines).replace("\x1b[K", "")
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(Text.from_ansi("\x1b[1m$ make demo\x1b[0m\n" + shown.strip()))
    # Its font would come from elsewhere.
    return re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=""), flags=re.S)


def page(browser) -> bytes:
    """Set-up's page on a simulated device, as a telephone shows it."""
    with tempfile.TemporaryDirectory() as folder:
        for file in package.build("unix"):
            path = Path(folder) / file.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
        with Simulator(Path(folder)) as device:
            said = re.compile(rb"set-up: network .* page (http://\S+)\r?\n")
            end = time.monotonic() + 60
            while not said.search(device.output):
                if time.monotonic() > end:
                    raise RuntimeError(f"no set-up mode: {device.output!r}")
                time.sleep(0.1)
            view = browser.new_page(viewport={"width": 360, "height": 1000})
            view.goto(said.search(device.output)[1].decode())
            view.get_by_label("Workshop").check()
            view.get_by_label("Key of this network").fill("a secret key")
            view.get_by_label("Type or paste it").fill("a token of the service")
            view.get_by_role("button", name="Show the level").click()
            view.get_by_text("speech is around").wait_for()
            return view.screenshot(full_page=True)


def drawn(browser, svg: str) -> bytes:
    """An SVG as PNG."""
    view = browser.new_page(viewport={"width": 1000, "height": 800})
    view.set_content(f"<body style='margin:0;width:860px'>{svg}</body>")
    return view.locator("svg").first.screenshot()


def small(png: bytes, target: Path):
    """Keep a picture with few colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS)
    image.save(target, optimize=True)
    print(f"{target.relative_to(tables.ROOT)}  {image.width}x{image.height}  "
          f"{target.stat().st_size:,} bytes")  # fmt: skip


def main() -> int:
    """Make them all; the exit status."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("error: needs Debian's chromium")
        return 1
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=_FLAGS)
        small(page(browser), HERE / "page.png")
        small(drawn(browser, terminal()), HERE / "terminal.png")
        browser.close()
    print(f"\n{tables.leds()}\n{tables.states()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
