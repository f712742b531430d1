"""asyncio on a chip's virtual time: a task that sleeps wakes when the chip has come so far, and
time passes only while no task can run, or as the chip is told (`busy`, `block`, `erase`)."""

import asyncio
import time
from asyncio import core

# What a turn of the loop costs: a loop that only yields must not stop the time.
_TURN_US = 50
_chips = []  # whose time it is


def install(chip):
    """Make asyncio use `chip`'s time, in this whole interpreter. Real sockets still work."""
    if chip in _chips[-1:]:
        return asyncio.new_event_loop()  # after a reset of the same chip
    _chips.append(chip)
    # The queue's C code reads the real clock for tasks that are ready: ours is ahead of it.
    start = time.ticks_add(time.ticks_ms(), 60000)

    def ticks():
        return time.ticks_add(start, chip.now() // 1000)

    def due():
        # asyncio has no public name for its queue.
        task = core.__dict__["_task_queue"].peek()
        return task and time.ticks_diff(task.ph_key, ticks()) <= 0

    real_wait = core.IOQueue.wait_io_event

    def wait_io_event(queue, dt):
        real_wait(queue, 0)
        chip.idle(_TURN_US) if dt else chip.busy(_TURN_US / 1000)
        if dt == 0 or due():
            return
        end = chip.us + dt * 1000 if dt > 0 else None
        while not due() and (end is None or chip.us < end):
            if not chip.idle(None if end is None else end - chip.us):
                real_wait(queue, 1)  # only something outside can wake a task
            real_wait(queue, 0)

    core.ticks = ticks
    core.IOQueue.wait_io_event = wait_io_event
    asyncio.new_event_loop()


async def sleep_ms(ms):
    """A clock's `sleep_ms`: asyncio's."""
    await asyncio.sleep_ms(int(ms))
