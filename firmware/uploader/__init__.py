"""Recordings on flash become complete recordings in the cloud; see the repository's README."""

import gc

# What a module leaves behind when loaded lies between code that stays for ever. Collecting
# after each keeps the free heap in few pieces: a TLS context needs 3 KB in one.
for _name in ("http", "store", "api", "session", "uploader"):
    __import__(__name__ + "." + _name)
    gc.collect()

from .clock import Clock  # noqa: E402
from .store import Store  # noqa: E402
from .uploader import Device, Uploader  # noqa: E402

__version__ = "0.1.0"
__all__ = ("Clock", "Device", "Store", "Uploader", "load_config")


def load_config(path):
    """The Settings of a JSON file. Raises errors.ConfigError, whose one line names the file
    and the key."""
    from . import config

    try:
        return config.load(path)
    finally:
        config.forget()
        gc.collect()
