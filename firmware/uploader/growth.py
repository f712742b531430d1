"""A small second region for the Python heap of a board without PSRAM: needed at the first import of
the module alone. What it is for: see `memory`."""

import gc

from micropython import const

from .memory import largest_piece, roomy

# What the second region is to have: what is live while something is sent, less the 56 KB of the
# first. WiFi leaves 95 KB beside the first, measured on 1.26.1 in an emulated ESP32; of what then
# is left for ESP-IDF a TLS connection takes 33 KB.
_SECOND = const(53248)
_SECOND_SENDS = const(49152)
_STACK_MIN = const(8192)  # of a thread, which ESP-IDF takes from the same memory
_FILL = const(4096)
_OFTEN = const(1024)


class Growth:
    """A small second region for the heap of a board without PSRAM, where it has but one: taken
    when entered, and not given back once it holds what is loaded before `with` ends.

    How much the heap takes is min(what it has, the largest piece that ESP-IDF has): so a
    thread's stack is made that leaves no more. `sends` tells that nothing will be recorded.
    """

    def __init__(self, sends=False):
        self._second = _SECOND_SENDS if sends else _SECOND

    def __enter__(self):
        self._fill = self._lock = None
        piece = largest_piece()
        if roomy() or piece < self._second + _STACK_MIN:
            return
        gc.threshold(_OFTEN)  # collecting often keeps the free heap in few pieces
        import _thread

        self._lock = lock = _thread.allocate_lock()
        lock.acquire()
        before = _thread.stack_size((piece - self._second) & ~15)
        _thread.start_new_thread(lock.acquire, ())
        _thread.stack_size(before)
        size = gc.mem_alloc() + gc.mem_free() - largest_piece()
        # What the first region has left is used up, so that the second comes.
        self._fill = []
        while gc.mem_alloc() + gc.mem_free() - largest_piece() < size + _FILL:
            self._fill.append(bytearray(_FILL))
        return self

    def __exit__(self, *_):
        self._fill = None
        if self._lock:
            import time

            self._lock.release()
            time.sleep_ms(20)  # FreeRTOS frees the stack of a thread when it is idle
        gc.collect()
