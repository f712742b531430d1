"""The emulated ESP32: a microphone of generated samples, WiFi, a modem at UART 1.

As small as can be: what it takes of the heap is missing to the product.
"""

import asyncio
import os
import sys

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
WANTED = "/wanted"


def make_microphone():
    """A microphone, whose code is let go with it: a chip has it in its driver."""
    import generated

    from uploader import memory

    memory.forget("generated")
    number = size = 0  # that of an update's trial
    try:
        with open(WANTED) as f:
            number, size = map(int, f.read().split())
    except OSError:
        pass
    return generated.Microphone(number, size)


percent = [80]
manifest = []  # the pieces that were told of an update's


def battery():
    """What the test says."""
    return percent[0]


try:
    os.stat("/battery")
except OSError:
    battery = None  # as a board without one: the policy need not be loaded


def command(words):
    """What the test wants done: see `orders`."""
    from uploader import memory

    return memory.borrow("orders").do(words)


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
