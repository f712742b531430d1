"""Updating a device over USB with a bundle, by the firmware's own means."""

import json
from pathlib import Path

from .connection import Device, DeviceError
from .deploy import write
from .package import File

_THERE = "/update.bundle"
_INSTALL = """
try:
    from updates import usb
    answer = {"reason": usb.take(path)}
except ImportError as e:
    answer = {"reason": "the firmware on it can't be updated (%s): make deploy" % e}
"""
_REMOVE = """
import os
try:
    os.remove(path)
except OSError:
    pass
answer = None
"""


def update(device: Device, file: Path, advance=lambda n: None) -> str:
    """Have a device take the bundle `file`; the version that is tried at the next boot.

    `advance(n)` is told of bytes copied. Raises DeviceError with the device's reason.
    """
    try:
        data = file.read_bytes()
        manifest = json.loads(data.split(b"\n", 1)[0])
        version = str(manifest["version"])
    except OSError as e:
        raise DeviceError(f"{file} can't be read: {e.strerror}") from e
    except (ValueError, KeyError, TypeError) as e:
        raise DeviceError(f"{file} is no bundle: make bundle makes one.") from e
    try:
        write(device, File(_THERE, data))
        advance(len(data))
        reason = device.ask(_INSTALL, path=_THERE)["reason"]
    finally:
        device.ask(_REMOVE, path=_THERE)
    if reason:
        raise DeviceError(f"Not updated: {reason}.")
    return version
