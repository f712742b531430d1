"""Bring the cellular link up and down against the emulator. Runs in MicroPython:
dial.py PTY CONTROL FAMILY SETTINGS(JSON) [ATTEMPTS [CALLS]]. Time is the modem's.

Dials until so many calls (one) were made and ended, or so many attempts. Prints a line of JSON:
for each attempt its outcome (`ok`, or the LinkError's code and text),
and at the end `events`, `crashed`, and what the link knows.
"""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE)
sys.path.insert(1, HERE + "/..")
sys.path.insert(2, HERE + "/../../../firmware")
sys.path.insert(3, HERE + "/../../chip/mpy")

import asyncio
import json

from ppp_standin import PPP
from standins import Control, Uart, install, shared_clock

from uploader.errors import LinkError
from uploader.links import modems
from uploader.links.cellular import CellularLink
from uploader.settings import Settings

DEFAULTS = {
    "apn": "internet",
    "apn_user": "",
    "apn_password": "",
    "apn_auth": "none",
    "sim_pin": "",
    "state": "/tmp",
    "pins": True,
    "may": None,
}


path, control, family = sys.argv[1:4]
wires = Control(int(control))
clock, chip = shared_clock(wires)


async def main():
    install()
    values = dict(DEFAULTS)
    values.update(json.loads(sys.argv[4]))
    events = []
    uart = Uart(path, chip)
    link = CellularLink(
        uart,
        getattr(modems, family)(),
        wires.pins(values["pins"]),
        Settings(values),
        clock,
        lambda event, info: events.append(info),
    )
    out = []
    calls = int(sys.argv[6]) if len(sys.argv) > 6 else 1
    for _ in range(int(sys.argv[5]) if len(sys.argv) > 5 else 1):
        start = clock.uptime_ms()
        try:
            await link.up()
            result = {"ok": True}
        except LinkError as e:
            result = {"ok": False, "code": e.code, "text": str(e)}
        result["seconds"] = (clock.uptime_ms() - start) // 1000
        out.append(result)
        calls -= result["ok"]
        if not calls:
            break
        if result["ok"]:
            await link.down()
    known = {
        "up": link.is_up(),
        "roaming": link.roaming(),
        "dbm": link.signal_dbm(),
        "operator": link.operator,
        "technology": link.technology,
        "address": link.address,
        "time": await link.network_time(),
    }
    await link.down()
    print(
        json.dumps(
            {
                "attempts": out,
                "known": known,
                "events": events,
                "crashed": uart.crashed,
                "ppp_objects": PPP.made,
                "up_after": link.is_up(),
            }
        )
    )


asyncio.run(main())
