"""A board with an emulated modem and WiFi stand-in doing the main job. Runs in MicroPython:
board.py CONFIG PTY CONTROL SPEED SCENARIO(JSON).

Records `files` (a list of sizes), one recording each, and uploads. The scenario's `drop_at`
loses the carrier after so many bytes of the first file, `quiet` without the PPP telling;
`wifi_after` brings WiFi into reach once so many files are sent. Prints events as lines of
JSON, the last one the outcome.
"""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE)
sys.path.insert(1, HERE + "/../../../firmware")
sys.path.insert(2, HERE + "/../../chip/mpy")

import asyncio
import json

from chip import Chip
from standins import PPP, Control, Uart, fast_clock, install
from wlan import AccessPoint, Wlan

from uploader import Store, Uploader, load_config
from uploader.links import modems
from uploader.links.cellular import CellularLink
from uploader.links.wifi import WifiLink

SPEED = float(sys.argv[4])
scenario = json.loads(sys.argv[5])


def pattern(seed, size):
    block = bytes((seed * 31 + i * 7) & 255 for i in range(256))
    while size > 0:
        yield block[: min(size, 256)]
        size -= 256


async def main():
    install()
    settings = load_config(sys.argv[1])
    clock = fast_clock(SPEED, random=lambda: 0.4)
    store = Store(settings, clock)
    wires = Control(int(sys.argv[3]))
    wlan = Wlan(Chip(clock.uptime_ms), told=lambda up: wires.tell("wifi %d" % up))
    PPP.keep_quiet = scenario.get("quiet", False)
    sent = [0]
    dropped = []

    def event(name, info):
        if name == "progress":
            limit = scenario.get("drop_at")
            if limit is not None and not dropped and info["sent"] >= limit:
                dropped.append(1)
                wires.tell("drop")
            return
        print(json.dumps([clock.uptime_ms() // 1000, name, info]))
        if name == "sent":
            sent[0] += 1
            if sent[0] == scenario.get("wifi_after"):
                wlan.air.append(AccessPoint("home", "12345678", -50))

    uart = Uart(sys.argv[2])
    cellular = CellularLink(uart, modems.sim7600(), wires.pins(), settings, clock, event)
    wifi = WifiLink(settings, clock, wlan)
    for i in range(len(scenario["files"])):
        recording = store.begin("number %d" % i)
        writer = recording.add("audio", "audio/ogg")
        for piece in pattern(i, scenario["files"][i]):
            writer.write(piece)
        recording.end()
    up = Uploader(settings, store, [wifi, cellular], event)

    done = await up.drain(90)
    print(
        json.dumps(
            {
                "done": done,
                "used": up.policy.meter.used(),
                "crashed": uart.crashed,
                "tls_bytes": up.http.buffer.moved,
            }
        )
    )


asyncio.run(main())
