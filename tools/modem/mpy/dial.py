"""Bring the cellular link up and down against the emulator. Runs in MicroPython:
dial.py PTY CONTROL FAMILY SPEED SETTINGS(JSON) [ATTEMPTS].

Prints a line of JSON: for each attempt its outcome (`ok`, or the LinkError's code and text),
and at the end `events`, `crashed`, and what the link knows.
"""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(0, HERE)
sys.path.insert(1, HERE + "/../../../firmware")

import asyncio
import json

from standins import PPP, Control, Uart, fast_clock, install

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
    "ppp": {},
    "pins": True,
    "may": None,
}


async def main():
    install()
    path, control, family, speed = sys.argv[1:5]
    values = dict(DEFAULTS)
    values.update(json.loads(sys.argv[5]))
    for name in values["ppp"]:
        setattr(PPP, name, values["ppp"][name])
    clock = fast_clock(float(speed))
    wires = Control(int(control))
    events = []
    uart = Uart(path)
    link = CellularLink(
        uart,
        getattr(modems, family)(),
        wires.pins(values["pins"]),
        Settings(values),
        clock,
        lambda event, info: events.append(info),
    )
    out = []
    for _ in range(int(sys.argv[6]) if len(sys.argv) > 6 else 1):
        start = clock.uptime_ms()
        try:
            await link.up()
            result = {"ok": True}
        except LinkError as e:
            result = {"ok": False, "code": e.code, "text": str(e)}
        result["seconds"] = (clock.uptime_ms() - start) // 1000
        out.append(result)
        if result["ok"]:
            break
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
