from collections.abc import Callable

def mounter(
    make_device: Callable[[], object], path: str, make_file_system=None
) -> Callable[[], None]: ...
