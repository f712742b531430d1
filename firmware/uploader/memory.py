"""Keeping within a small heap: what a phase needs is loaded for it and forgotten after it.

On an ESP32 without PSRAM the Python heap and ESP-IDF share what there is. The heap begins with
56 KB and then takes as much again, or all that is left, which starves WiFi and TLS; it gives
such a region back only when that is wholly empty (MicroPython's py/gc.c, gc_try_add_heap). So it
is made to take a smaller one, early, and what is loaded is kept within both.
"""

import gc
import sys

from micropython import const

# A heap that may grow to so much has PSRAM: on an ESP32 without it is 0.17 MB.
_ROOMY = const(400000)
# What the heap's second region is to have: what is live while a file is sent (104 KB of both).
# WiFi leaves 95 KB beside the first, measured on 1.26.1 in an emulated ESP32: some 40 KB for
# ESP-IDF then, of which a TLS connection takes 33 KB.
_SECOND = const(53248)
_SCARCE = const(8192)
_STACK_MIN = const(8192)  # of a thread, which ESP-IDF takes from the same memory
_FILL = const(4096)
_OFTEN = const(1024)
_short = None  # not roomy, once that has been asked for


class Growth:
    """A small second region for the heap of a board without PSRAM, where it has but one: taken
    when entered, and not given back once it holds what is loaded before `with` ends.

    How much the heap takes is min(what it has, the largest piece that ESP-IDF has): so a
    thread's stack is made that leaves no more.
    """

    def __enter__(self):
        self._fill = self._lock = None
        piece = largest_piece()
        if roomy() or piece < _SECOND + _STACK_MIN:
            return
        gc.threshold(_OFTEN)  # collecting often keeps the free heap in few pieces
        import _thread

        self._lock = lock = _thread.allocate_lock()
        lock.acquire()
        before = _thread.stack_size((piece - _SECOND) & ~15)
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


def largest_piece():
    """Bytes in ESP-IDF's largest free piece; 0 on other ports."""
    try:
        import esp32

        return max(r[2] for r in esp32.idf_heap_info(esp32.HEAP_DATA))
    except (ImportError, AttributeError):
        return 0


def roomy():
    """True if recording and sending fit the heap side by side."""
    gc.collect()
    return gc.mem_free() > _ROOMY


def lacking(error):
    """True if an exception means that memory ran out, whatever it says: ENOMEM, EAI_MEMORY (lwIP's
    netdb.h: 203), mbedTLS's allocation failures (their texts all end so), or a certificate that
    is called bad while ESP-IDF has next to nothing left, which is when mbedTLS says so of good
    ones."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno in (12, -203):
        return True
    if "ALLOC_FAILED" in str(error):
        return True
    return isinstance(error, ValueError) and 0 < largest_piece() < _SCARCE


def forget(*names):
    """Let the memory of modules (their full names) be collected; the next import loads them
    again. Whoever holds on to something of theirs keeps it."""
    for name in names:
        package, _, last = name.rpartition(".")
        module = sys.modules.pop(name, None)
        parent = sys.modules.get(package)
        if module and hasattr(parent, last):
            delattr(parent, last)
    gc.collect()


def borrow(name):
    """A module (its full name) that is needed for a moment: where memory is short the caller
    alone keeps it, and the next call loads it again."""
    global _short
    __import__(name)
    module = sys.modules[name]
    if _short is None:
        _short = not roomy()
    if _short:
        forget(name)
    return module


def figures():
    """`alloc` and `free` of the Python heap in bytes and, on an ESP32, `idf_free` and
    `idf_piece`, what ESP-IDF has left in all and in its largest piece."""
    gc.collect()
    out = {"alloc": gc.mem_alloc(), "free": gc.mem_free()}
    try:
        import esp32

        regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    except (ImportError, AttributeError):
        return out
    # Each region is (total, free, largest free piece, least free ever).
    out["idf_free"] = sum(r[1] for r in regions)
    out["idf_piece"] = max(r[2] for r in regions)
    return out
