"""Runs an example of firmware/README.md as it stands: example.py FILE ROOT. ROOT is the device's
"/"; the network is there, over a stand-in for the radio."""

import sys
import time

HERE = sys.argv[0].rsplit("/", 1)[0]
sys.path[0] = HERE + "/../../tools/chip/mpy"

import vfs
from chip import Asleep, Chip
from esp32board import Board
from wlan import AccessPoint

FILE, ROOT = sys.argv[1:3]
with open(FILE) as f:
    code = f.read()
board = Board(Chip(time.ticks_ms)).install()
board.wlan.air = [AccessPoint("home", "12345678", -60)]
firmware = vfs.VfsPosix(HERE + "/../../firmware")
vfs.umount("/")
vfs.mount(vfs.VfsPosix(ROOT), "/")
vfs.mount(firmware, "/lib")
sys.path[:] = [".frozen", "/lib"]
try:
    exec(compile(code, FILE, "exec"), {"__name__": "__main__"})
    print("ended")
except Asleep as e:
    print("asleep for", e.ms)
