"""Runs one test function inside MicroPython: _run.py FILE FUNCTION."""

import sys

sys.path[0] = sys.argv[0].rsplit("/", 1)[0]
ROOT = sys.path[0] + "/../../"
sys.path.insert(1, ROOT + "tools/chip/mpy")
sys.path.insert(1, ROOT + "tools/faults/mpy")
sys.path.insert(1, ROOT + "tools/crash/mpy")
sys.path.insert(1, ROOT + "firmware")


def main(path, name):
    module = __import__(path.rsplit("/", 1)[1][: -len(".py")])
    result = getattr(module, name)()
    if hasattr(result, "send"):
        import asyncio

        asyncio.run(result)


main(sys.argv[1], sys.argv[2])
