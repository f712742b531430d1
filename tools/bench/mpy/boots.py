"""How many files the code is read from until the product runs, and their bytes."""

import asyncio
import json
import sys

import vfs


class Counting:
    """A file system that counts what is opened of another."""

    def __init__(self, inner):
        self._inner = inner
        self.files = self.bytes = 0

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path):
        return self._inner.stat(path)

    def open(self, path, mode):
        self.files += 1
        self.bytes += self._inner.stat(path)[6]
        return self._inner.open(path, mode)


async def booted(app):
    task = asyncio.create_task(app.run())
    await asyncio.sleep_ms(200)
    task.cancel()


def run(board, settings, boot):
    from app import App

    asyncio.run(booted(App(board, settings, boot=boot)))
    print(json.dumps({"files": counting.files, "bytes": counting.bytes}))


counting = Counting(vfs.VfsPosix(sys.path[0]))
vfs.mount(counting, "/code")
sys.path[:] = ["/code", ".frozen"]
