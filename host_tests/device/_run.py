"""Runs one test function inside MicroPython: _run.py FILE FUNCTION."""

import sys

sys.path[0] = sys.argv[0].rsplit("/", 1)[0]
ROOT = sys.path[0] + "/../../"
sys.path.insert(1, ROOT + "tools/chip/mpy")
sys.path.insert(1, ROOT + "tools/faults/mpy")
sys.path.insert(1, ROOT + "tools/crash/mpy")
sys.path.insert(1, ROOT + "firmware")


# Whose sockets are lwIP's, as far as a stand-in goes.
OVER_LWIP = ("api", "http", "timesync")


def main(path, name):
    file = path.rsplit("/", 1)[1][: -len(".py")]
    if file in OVER_LWIP:
        from esp32board import Board

        Board().install(sockets=True)
    # Not from the depth of a test's own imports: a 32-bit build has a stack of 40 KB.
    __import__("uploader")
    module = __import__(file)
    result = getattr(module, name)()
    if hasattr(result, "send"):
        import asyncio

        asyncio.run(result)


main(sys.argv[1], sys.argv[2])
