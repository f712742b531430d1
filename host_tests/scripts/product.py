"""The product on the desktop's board, as it runs on a device: product.py CONFIG.

It prints its log. A line on standard input has a heartbeat sent at once; it ends with the input.
"""

import sys

ROOT = sys.argv[0].rsplit("/", 1)[0] + "/../../"
sys.path.insert(0, ROOT + "firmware")
sys.path.insert(1, ROOT + "boards/unix")

import asyncio
import select

import board
from app import App

from uploader import load_config


async def main():
    app = App(board, load_config(sys.argv[1]))
    task = asyncio.create_task(app.run())
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)
    while True:
        if poller.poll(0):
            if not sys.stdin.readline():
                break
            app.up.report()
        await asyncio.sleep_ms(20)
    task.cancel()
    app.close()


asyncio.run(main())
