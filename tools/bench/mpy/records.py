"""The boot in which a recording of a second is made. Tells what is left on flash."""

import asyncio
import json
import os


class Microphone:
    """16 kHz, 16 bit, mono: machine.I2S in its non-blocking mode, without a sound."""

    def __init__(self):
        self._given = []
        self._task = asyncio.create_task(self._fill())

    def irq(self, handler):
        self._handler = handler

    def readinto(self, buf):
        self._given.append(buf)
        return len(buf)

    async def _fill(self):
        while True:
            await asyncio.sleep_ms(128)
            if self._given:
                buf = self._given.pop(0)
                buf[-8:] = bytes(8)
                self._handler(self)

    def deinit(self):
        self._task.cancel()


async def record(app):
    task = asyncio.create_task(app.run())
    await asyncio.sleep_ms(200)
    app.start()
    await asyncio.sleep_ms(1200)
    app.stop()
    while app.control.recording:
        await asyncio.sleep_ms(100)
    task.cancel()


def run(board, settings, boot):
    from app import App

    board.make_microphone = Microphone
    asyncio.run(record(App(board, settings, boot=boot)))
    left = [n for n in os.listdir(settings.storage) if n.endswith(".rec")]
    print(json.dumps({"left": left}))
