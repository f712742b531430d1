"""A user's own main.py with the module alone: WiFi first, a file of samples, an upload."""

import asyncio
import struct

import probe

from uploader import Store, Uploader, load_config
from uploader.links.wifi import WifiLink

NUMBER, SIZE = 5, 61440
counted = 0


async def own_work():
    """What this device is really for."""
    global counted
    while True:
        counted += 1
        await asyncio.sleep_ms(50)


def told(event, info):
    if event != "progress":
        print("event", event, " ".join("%s=%s" % (k, info[k]) for k in info))


async def main():
    settings = load_config("/config.json")
    store = Store(settings)
    up = Uploader(settings, store, [WifiLink(settings, store.clock)], told)
    tasks = [asyncio.create_task(own_work()), asyncio.create_task(probe.watch())]
    print("~boot")
    rec = up.record(name="A user's own")
    audio = rec.add("audio", "audio/wav")
    head = b"RIFF----WAVEfmt " + bytes(20) + b"data----"
    audio.write(head)
    block = bytearray(i * 37 & 255 for i in range(512))
    for i in range(SIZE // 512):
        struct.pack_into("<II", block, 0, NUMBER, i)
        audio.write(block)
        await asyncio.sleep_ms(0)
    audio.close()
    rec.end()
    probe.note("recorded")
    while not await up.drain(300):
        pass
    for task in tasks:
        task.cancel()
    print("~own work went on: %d" % counted)


asyncio.run(main())
