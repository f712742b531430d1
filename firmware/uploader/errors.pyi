class UploaderError(Exception): ...
class ConfigError(UploaderError): ...
class MediaTypeError(UploaderError): ...
class StorageError(UploaderError): ...

class StorageFullError(StorageError):
    kept: int
    def __init__(self, text: str, kept: int = 0) -> None: ...

class DamagedError(StorageError): ...

class LinkError(UploaderError):
    wait_s: float | None
    code: str
    refusal: object
    def __init__(self, text: str, code: str = "failed", refusal=None) -> None: ...

class TransportError(UploaderError):
    step: int | None
    kind: str
    answered: bool
    def __init__(self, kind: str, text: str, answered: bool = False) -> None: ...

class ApiError(UploaderError):
    step: int | None
    status: int
    code: str
    message: str
    reset_at: int | None
    server_time: int | None
    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        reset_at: int | None = None,
        server_time: int | None = None,
    ) -> None: ...
