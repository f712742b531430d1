"""The state of the heaps: loaded when asked for."""

import gc


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
