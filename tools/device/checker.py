"""The device's own configuration checks, on the host: one place says what is valid."""

import importlib.util
import sys
import types

from .package import FIRMWARE

_PACKAGE = "device_uploader"


def _load():
    # The package's __init__ loads what only MicroPython has; its checks need three modules.
    package = types.ModuleType(_PACKAGE)
    package.__path__ = [str(FIRMWARE / "uploader")]
    sys.modules[_PACKAGE] = package
    for name in ("errors", "settings", "config"):
        spec = importlib.util.spec_from_file_location(
            f"{_PACKAGE}.{name}", FIRMWARE / f"uploader/{name}.py"
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return sys.modules[f"{_PACKAGE}.config"], sys.modules[f"{_PACKAGE}.errors"].ConfigError


config, ConfigError = _load()
