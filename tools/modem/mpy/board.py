"""A board with an emulated modem and WiFi stand-in doing the main job. Runs in MicroPython:
board.py CONFIG PTY CONTROL SCENARIO(JSON). Time is the modem's, and while a link is up no faster
than this machine's.

Records `files` (a list of sizes), one recording each, and uploads. The scenario's `drop_at`
ends the call after so many bytes of the first file, `quiet` without a word of PPP;
`wifi_after` brings WiFi into reach once so many files are sent. Prints events as lines of
JSON, the last one the outcome.
"""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE)
sys.path.insert(1, HERE + "/..")
sys.path.insert(2, HERE + "/../../../firmware")
sys.path.insert(3, HERE + "/../../chip/mpy")

import asyncio
import json

from standins import Control, Uart, install, shared_clock
from wlan import AccessPoint, Wlan

from uploader import Store, Uploader, load_config
from uploader.links import modems
from uploader.links.cellular import CellularLink
from uploader.links.wifi import WifiLink

scenario = json.loads(sys.argv[4])
wires = Control(int(sys.argv[3]))
clock, chip = shared_clock(wires, lambda: linked(), random=lambda: 0.4)
wlan = Wlan(chip, told=lambda up: wires.tell("wifi %d" % up))
wlan.dns = "127.0.0.1"  # sockets lead over this machine's network: nobody is asked there
uart = Uart(sys.argv[2], chip)


def linked():
    """Whether there is a network."""
    return wlan.isconnected() or uart.ppp is not None and uart.ppp.isconnected()


def pattern(seed, size):
    block = bytes((seed * 31 + i * 7) & 255 for i in range(256))
    while size > 0:
        yield block[: min(size, 256)]
        size -= 256


async def main():
    install()
    settings = load_config(sys.argv[1])
    store = Store(settings, clock)
    sent = [0]
    dropped = []

    def event(name, info):
        if name == "progress":
            limit = scenario.get("drop_at")
            if limit is not None and not dropped and info["sent"] >= limit:
                dropped.append(1)
                wires.tell("drop" if scenario.get("quiet") else "release")
            return
        print(json.dumps([clock.uptime_ms() // 1000, name, info]))
        if name == "sent":
            chip.busy(6000)  # by the clock, a modem takes longer than this line
            sent[0] += 1
            if sent[0] == scenario.get("wifi_after"):
                wlan.air.append(AccessPoint("home", "12345678", -50))

    cellular = CellularLink(uart, modems.sim7600(), wires.pins(), settings, clock, event)
    wifi = WifiLink(settings, clock, wlan)
    for i in range(len(scenario["files"])):
        recording = store.begin("number %d" % i)
        writer = recording.add("audio", "audio/ogg")
        for piece in pattern(i, scenario["files"][i]):
            writer.write(piece)
        recording.end()
    up = Uploader(settings, store, [wifi, cellular], event)

    done = await up.drain(600)
    print(
        json.dumps(
            {
                "done": done,
                "used": up.policy.meter.used(),
                "crashed": uart.crashed,
                "tls_bytes": up.sending.http.buffer.moved,
            }
        )
    )


asyncio.run(main())
