"""A cellular modem on a pty, for tests and for a desk without one."""

from .emulator import FAMILIES, Modem

__all__ = ["FAMILIES", "Modem"]
