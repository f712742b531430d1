"""What the test sees of the chip, and how it asks: lines on the console that begin with ~.

Nothing in the product knows of it. Figures are bytes: `alloc` is the Python heap in use, garbage
included; `idf` what ESP-IDF has left for WiFi, TLS and lwIP, `piece` its largest block, `least`
the sum of what its regions ever had left. The probe never collects: that would help.
"""

import asyncio
import gc
import select
import sys

import esp32
import tls

_STEP = 256  # an extreme is told again once it is worse by so much


def heaps():
    """(alloc, free, idf, piece, least) at this moment."""
    idf = piece = least = 0
    for _, free, largest, lowest in esp32.idf_heap_info(esp32.HEAP_DATA):
        idf += free
        piece = max(piece, largest)
        least += lowest
    return gc.mem_alloc(), gc.mem_free(), idf, piece, least


def note(phase):
    """Print both heaps at a phase."""
    print("~heap %s %d %d %d %d %d" % ((phase,) + heaps()))


class _Context:
    """A tls.SSLContext that notes the heaps whenever a connection is opened."""

    def __init__(self, protocol):
        self._context = _SSLContext(protocol)

    verify_mode = property(
        lambda self: self._context.verify_mode,
        lambda self, mode: setattr(self._context, "verify_mode", mode),
    )

    def load_verify_locations(self, root):
        self._context.load_verify_locations(root)

    def wrap_socket(self, *args, **more):
        note("tls")
        return self._context.wrap_socket(*args, **more)


class _Tls:
    pass


_SSLContext = tls.SSLContext


def watch_tls():
    """Put the context above in the place of `tls.SSLContext`, before anybody has imported it."""
    for name in dir(tls):
        setattr(_Tls, name, getattr(tls, name))
    _Tls.SSLContext = _Context
    sys.modules["tls"] = _Tls


async def watch(command=None):
    """Tell the extremes of the heaps as they come, and take lines from the console: what
    `command(words)` returns is printed."""
    console = select.poll()
    console.register(sys.stdin, select.POLLIN)
    most, idf, piece = 0, 1 << 30, 1 << 30
    while True:
        now = heaps()
        if now[0] >= most + _STEP or now[2] <= idf - _STEP or now[3] <= piece - _STEP:
            most, idf, piece = max(most, now[0]), min(idf, now[2]), min(piece, now[3])
            print("~worst %d %d %d" % (most, idf, piece))
        if command and console.poll(0):
            words = sys.stdin.readline().split()
            if words:
                print("~did", words[0], command(words))
        await asyncio.sleep_ms(100)
