"""Keeping within a small heap: what a phase needs is loaded for it and forgotten after it.

On an ESP32 without PSRAM the Python heap and ESP-IDF share what there is. The heap grows by
regions of its own size, which starve WiFi and TLS and are given back only when wholly empty
(MicroPython's py/gc.c, MICROPY_GC_SPLIT_HEAP_AUTO); so it is kept from growing.
"""

import gc
import sys

from micropython import const

# A heap that may grow to so much has PSRAM: on an ESP32 without it is 0.17 MB.
_ROOMY = const(400000)


def roomy():
    """True if recording and sending fit the heap side by side."""
    gc.collect()
    return gc.mem_free() > _ROOMY


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
