"""What the module's users name; `host_tests/test_stubs.py` holds it against the sources."""

from .clock import Clock as Clock
from .device import Device as Device
from .settings import Settings
from .store import Store as Store
from .uploader import Uploader as Uploader

__version__: str
__all__: tuple[str, ...]

def load_config(path: str, pin: bool | None = None) -> Settings: ...
