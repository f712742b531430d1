"""Every exception the module raises on purpose, named for what happened."""


class UploaderError(Exception):
    """Base of all of them; `str()` says what happened, what was kept and what to do."""


class ConfigError(UploaderError):
    """The configuration has an unknown, missing or wrong key; the text names it."""


class MediaTypeError(UploaderError):
    """A media type that the service does not take; the text lists what is allowed."""


class StorageError(UploaderError):
    """The storage can't do what was asked (card gone, recording closed, bad time)."""


class StorageFullError(StorageError):
    """No space is left. What was written before is kept and will be uploaded.

    `kept` is how many bytes of the file are on flash.
    """

    def __init__(self, text, kept=0):
        super().__init__(text)
        self.kept = kept


class DamagedError(StorageError):
    """What is on flash is not what was put there; the recording is quarantined."""


class LinkError(UploaderError):
    """A link (WiFi, cellular) could not be brought up.

    `code` is a short word for what went wrong; README of `firmware/` lists them. `wait_s` is
    how many seconds later it is worth trying again (None if that is not known), `refusal` the
    policy's Refusal if it was what ended the attempt, else None.
    """

    wait_s = None

    def __init__(self, text, code="failed", refusal=None):
        super().__init__(text)
        self.code = code
        self.refusal = refusal


class TransportError(UploaderError):
    """No usable HTTP answer came.

    `kind` is one of `dns connect closed stall link tls not_tls cert cert_time protocol
    refused memory`: `not_tls` is an answer in plain text (a captive portal, say),
    `cert` is a certificate that does not prove the server, `cert_time` one whose dates
    do not fit this device's clock, `protocol` an answer that breaks HTTP's rules,
    `refused` something this side declines to do (an address that is not https), `memory` that
    it ran out (see `memory.lacking`).
    `answered` says whether any byte of an answer had arrived, `step` at which step of an
    upload it was met (one of `retry`'s; None elsewhere).
    """

    step = None

    def __init__(self, kind, text, answered=False):
        super().__init__(text)
        self.kind = kind
        self.answered = answered


class ApiError(UploaderError):
    """An HTTP answer that is not a success, from the device API or from S3.

    `status` is the HTTP status, `code` and `message` the server's own words (bounded),
    `reset_at` the epoch second of `X-RateLimit-Reset` (None if absent or unusable),
    `server_time` the epoch second of its `Date` header (None if absent), `step` at which
    step of an upload it was met (one of `retry`'s; None elsewhere).
    """

    step = None

    def __init__(self, status, code, message, reset_at=None, server_time=None):
        super().__init__("%d %s: %s" % (status, code, message))
        self.status = status
        self.code = code
        self.message = message
        self.reset_at = reset_at
        self.server_time = server_time
