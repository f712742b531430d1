"""Keeping within a small heap: what a phase needs is loaded for it and forgotten after it.

On an ESP32 without PSRAM the Python heap and ESP-IDF share what there is. The heap begins with
56 KB and then takes as much again, or all that is left, which starves WiFi and TLS; it gives
such a region back only when that is wholly empty (MicroPython's py/gc.c, gc_try_add_heap). So it
is made to take a smaller one, early (see `growth`), and what is loaded is kept within both.
"""

import gc
import sys
import time

from micropython import const

# A heap that may grow to so much has PSRAM: on an ESP32 without it is 0.17 MB.
_ROOMY = const(400000)
_SCARCE = const(8192)
anchors = []  # something in each region of the heap, which is then not given back
_short = None  # not roomy, once that has been asked for


def pieces():
    """Bytes in the largest free piece of each of ESP-IDF's regions, the largest last; a single 0
    on other ports."""
    try:
        import esp32

        return sorted(r[2] for r in esp32.idf_heap_info(esp32.HEAP_DATA))
    except (ImportError, AttributeError):
        return [0]


def largest_piece():
    """Bytes in ESP-IDF's largest free piece; 0 on other ports."""
    return pieces()[-1]


def hold(*sizes):
    """Take pieces of ESP-IDF's memory, as many of these as can be had, until `let_go` is called
    with what is returned: each is the stack of a thread that waits for a lock."""
    import _thread

    locks = []
    before = _thread.stack_size()
    try:
        for size in sizes:
            lock = _thread.allocate_lock()
            lock.acquire()
            _thread.stack_size(size & ~15)
            _thread.start_new_thread(lock.acquire, ())
            locks.append(lock)
    except OSError:
        pass  # no memory for a thread
    _thread.stack_size(before)
    return locks


def let_go(locks):
    """End what `hold` began."""
    for lock in locks:
        lock.release()
    if locks:
        time.sleep_ms(20)  # until FreeRTOS is idle, which frees them


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
    """What is in use and what is free, see `heaps`."""
    return borrow(__name__.rpartition(".")[0] + ".heaps").figures()
