"""Recordings on flash become complete recordings in the cloud; see the repository's README."""

import gc

from .growth import grow
from .memory import forget

grow()
del grow
forget(__name__ + ".growth")
# What a module leaves behind when loaded lies between code that stays for ever. Collecting
# after each keeps the free heap in few pieces: a TLS context needs 3 KB in one.
for _name in ("store", "links.manager", "uploader"):
    __import__(__name__ + "." + _name)
    gc.collect()

from .clock import Clock  # noqa: E402
from .device import Device  # noqa: E402
from .store import Store  # noqa: E402
from .uploader import Uploader  # noqa: E402

__version__ = "0.1.0"
__all__ = ("Clock", "Device", "Store", "Uploader", "load_config")


def load_config(path, pin=None):
    """The Settings of a JSON file; `pin` tells whether the board has a pin that wakes it, if that
    is known. Raises errors.ConfigError, whose one line names the file and the key."""
    from . import config

    try:
        return config.load(path, pin)
    finally:
        forget(config.__name__, __name__ + ".zones")
