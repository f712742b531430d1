"""Recordings on flash become complete recordings in the cloud; see the repository's README."""

import gc

# What a module leaves behind when loaded lies between code that stays for ever. Collecting
# after each keeps the free heap in few pieces: a TLS context needs 3 KB in one.
for _name in ("config", "store", "http", "api", "session", "uploader"):
    __import__(__name__ + "." + _name)
    gc.collect()

from .clock import Clock  # noqa: E402
from .config import Config  # noqa: E402
from .store import Store  # noqa: E402
from .uploader import Uploader  # noqa: E402

__version__ = "0.1.0"
__all__ = ("Clock", "Config", "Store", "Uploader")
