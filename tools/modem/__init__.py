"""A cellular modem on a pty, for tests and for a desk without one."""

from .emulator import Modem
from .families import FAMILIES

__all__ = ["FAMILIES", "Modem"]
