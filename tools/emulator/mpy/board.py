"""The emulated ESP32: a microphone of generated samples, WiFi, a modem at UART 1.

As small as can be: what it takes of the heap is missing to the product.
"""

import asyncio
import os
import sys

import network
import probe
from recorders import parts

probe.note("board")

NAME = "Emulated ESP32"
STORAGE = "/captures"
LED_PIN = None
BUTTON_PIN = None
MICROPHONE = {"id": 0, "sck": 14, "ws": 15, "sd": 32}
CAMERA = None
mount = None

# What a recording is to be, its number and bytes of samples: on flash, for the boot that records
# may be the next one.
_WANTED = "/wanted"


def make_microphone():
    """A microphone, whose code is let go with it: a chip has it in its driver."""
    import generated

    from uploader import memory

    memory.forget("generated")
    number = size = 0  # that of an update's trial
    try:
        with open(_WANTED) as f:
            number, size = map(int, f.read().split())
    except OSError:
        pass
    return generated.Microphone(number, size)


def app():
    """main.py's `app`, once it is there."""
    import __main__

    return getattr(__main__, "app", None)


_percent = [80]
wanted_update = []


def battery():
    """What the test says."""
    return _percent[0]


try:
    os.stat("/battery")
except OSError:
    battery = None  # as a board without one: the policy need not be loaded


def command(words):
    """`record NUMBER BYTES`, `battery PERCENT`, `drop` (the WiFi), `rotate` (the token), `now`,
    `offer PIECE` and `offer` (a manifest), or anything else to see the heaps."""
    if words[0] == "record":
        with open(_WANTED, "w") as f:
            f.write(" ".join(words[1:]))
        app().start()
    elif words[0] == "battery":
        _percent[0] = int(words[1])
    elif words[0] == "drop":
        network.WLAN(network.STA_IF).disconnect()
    elif words[0] == "rotate":
        asyncio.create_task(app().up.rotate_token())
    elif words[0] == "now":
        app().up.upload_now()
    elif words[0] == "offer":  # a piece of a manifest, or its end
        if len(words) > 1:
            wanted_update.append(words[1])
        else:
            import json

            from updates.offer import Kept, parse

            Kept(app().settings.state).take(parse(json.loads("".join(wanted_update))))
            wanted_update.clear()
            app().go_on = True
    else:
        probe.note("asked")


def links(settings, clock, on_event):
    """The ways to the network, the preferred one first."""
    print("~kind", "sends" if "sender" in sys.modules else "records")
    asyncio.create_task(probe.watch(command))
    cellular = None
    if settings.apn:  # without a modem it is as the board without one: nothing of it is loaded
        from recorders.modem import Modem

        from uploader.links import modems

        # No wire to its power key: the emulated modem boots by itself.
        modem = Modem(modems.sim7600(), tx=17, rx=16)
        cellular = modem.link(settings, clock, on_event)
    return parts.present(parts.wifi(settings, clock), cellular)
