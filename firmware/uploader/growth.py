"""A small second region for the Python heap of a board without PSRAM: needed at the first import of
the module alone. What it is for: see `memory`."""

import gc
import sys

from micropython import const

from . import memory
from .memory import hold, largest_piece, let_go, roomy

# What the second region is to have: what is live, less the 56 KB of the first. WiFi leaves 95 KB
# beside the first, measured on 1.26.1 in an emulated ESP32; of what then is left for ESP-IDF a TLS
# connection takes 33 KB. The boot that sends has less to load than a program of one's own, the one
# that records has no radio on.
_SECOND = const(47104)
_SENDS = const(45568)
_BEATS = const(7168)  # what heartbeats and the rules that come with them take
_RECORDS = (57344, 16384)
_STACK_MIN = const(8192)  # of a thread, which ESP-IDF takes from the same memory
_FILL = const(1024)
_ANCHOR = const(16)  # words
_OFTEN = const(1024)


def grow():
    """Have small further regions for the heap of a board without PSRAM, where it has but one; they
    are not given back: each holds something from then on."""
    if roomy() or not largest_piece():
        return
    gc.threshold(_OFTEN)  # collecting often keeps the free heap in few pieces
    wanted = (_SECOND,)
    if "sender" in sys.modules:
        wanted = (_SENDS + (_BEATS if _beats() else 0),)
    elif "app" in sys.modules:
        wanted = _RECORDS
    for size in wanted:
        _take(size)


def _beats():
    """True if heartbeats are wished for: they are off unless they are set."""
    try:
        with open("/config.json") as f:
            return "heartbeat_minutes" in f.read()
    except OSError:
        return False


def extend(size):
    """Have one region more, of `size` bytes, for what not every board has, if there is none yet.
    Not of less than 16 KB: ESP-IDF has other pieces, of 14 KB at most."""
    if len(memory.anchors) == 1:
        _take(size)


def _take(wanted):
    if largest_piece() < wanted + _STACK_MIN:
        return
    # How much the heap takes is min(what it has, the largest piece that ESP-IDF has): so a
    # thread's stack is made that leaves no more.
    held = hold(largest_piece() - wanted)
    if not held:
        return
    size = _size()
    # What the regions before have left is used up, so that the next comes.
    fill = []
    while _size() < size + wanted // 2:
        fill.append([0] * (_FILL // 4))
    # The last one is in it, and shrinks where it is (py/objlist.c, list_pop). Not to a single
    # block: a region of which the first alone is in use counts as empty (py/gc.c).
    last = fill.pop()
    while len(last) > _ANCHOR:
        last.pop()
    memory.anchors.append(last)
    fill = None
    gc.collect()
    let_go(held)


def _size():
    # Free is what the heap could take, too.
    return gc.mem_alloc() + gc.mem_free() - largest_piece()
