"""The boot that uploads over WiFi what there is. Tells what is left on flash."""

import asyncio
import json
import os


def left(settings):
    """Recordings on flash."""
    return [n for n in os.listdir(settings.storage) if n.endswith(".rec")]


async def send(sender):
    task = asyncio.create_task(sender.run())
    for _ in range(300):
        await asyncio.sleep_ms(100)
        if not left(sender.settings):
            break
    await asyncio.sleep(2)  # a heartbeat may be under way
    task.cancel()


def run(board, settings, boot):
    from sender import Sender

    asyncio.run(send(Sender(board, settings, boot=boot)))
    print(json.dumps({"left": left(settings)}))
