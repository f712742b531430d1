"""A device without hardware: MicroPython's unix port with a REPL on a pty."""

from .simulator import Simulator

__all__ = ["Simulator"]
