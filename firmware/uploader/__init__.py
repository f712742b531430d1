"""Recordings on flash become complete recordings in the cloud; see the repository's README."""

from .clock import Clock
from .config import Config
from .store import Store
from .uploader import Uploader

__version__ = "0.1.0"
__all__ = ("Clock", "Config", "Store", "Uploader")
