"""The device API (its reference: `POST /recordings`, `.../upload-url`, `.../upload-complete`,
`/devices/me/heartbeat`, `/devices/{id}/token/refresh`)."""

import json

from micropython import const

from .errors import ApiError, TransportError
from .memory import borrow
from .settings import redact

_URL_LIFE_S = const(3600)  # upload-url reference: "Upload URLs expire after 1 hour"
_MAX_ID = const(96)
_MAX_ANSWER = const(16384)  # bytes


class Grant:
    """The right to PUT one file: `url`, `headers` (pairs), `media_id`, and `life_s`, the
    seconds from the answer to its expiry by the server's own clock."""

    def __init__(self, url, headers, media_id, life_s):
        self.url = url
        self.headers = headers
        self.media_id = media_id
        self.life_s = life_s


class DeviceApi:
    """Calls to the API below `settings.api_url` with a device token. All raise TransportError
    and ApiError.

    `http` makes the requests (an Http, or another with its `request`). `clock` is refined by
    the Date of each answer. `token` is the device token, which may be replaced. `device_id`
    is the device's id once an answer told it, `accepted` whether the service took the token.
    """

    def __init__(self, http, settings, clock, token):
        self.token = token
        self.device_id = None
        self.accepted = False
        self._http = http
        self._settings = settings
        self._clock = clock

    async def create_recording(self, fields):
        """Create a recording; the service's id for it (text). `fields` is the request's dict:
        `name`, `started_at`, `ended_at`, `metadata`, all optional."""
        answer = await self._call("/recordings", fields)
        if is_identifier(answer.get("device_id")):
            self.device_id = answer["device_id"]
        return _identifier(answer.get("id"))

    async def upload_url(self, recording_id, file):
        """A Grant for one file. `file` is the request's dict: `type`, `content_type`,
        `file_size_bytes`, and `captured_at` if known."""
        answer, date = await self._call_dated("/recordings/%s/upload-url" % recording_id, file)
        url = answer.get("upload_url")
        headers = answer.get("headers") or {}
        if not isinstance(url, str) or not isinstance(headers, dict):
            raise TransportError("protocol", "an upload-url answer without its fields", True)
        pairs = []
        for name in headers:
            if isinstance(name, str) and name.lower() in ("host", "content-length"):
                continue  # signed with the rest, and set by this side anyway
            if not isinstance(name, str) or name.lower() in _FRAMING:
                raise TransportError("refused", "upload-url asks for a header it may not set", True)
            pairs.append((name, headers[name]))
        return Grant(url, pairs, answer.get("media_id"), _life(answer.get("expires_at"), date))

    async def complete(self, recording_id, proof=None):
        """Mark a recording complete; `proof` is the request's dict, `content_sha256`. Returns
        the answer, whatever JSON it is, None if it is none or there was no proof."""
        # Any 2xx counts: what else the answer says is needed for the proof alone.
        return await self._call("/recordings/%s/upload-complete" % recording_id, proof, False)

    async def heartbeat(self, fields):
        """Report the device's condition (a dict); the answer's dict."""
        return await self._call("/devices/me/heartbeat", fields)

    async def refresh_token(self, device_id):
        """Rotate the token; the new one. The old one dies as the service answers."""
        answer = await self._call("/devices/%s/token/refresh" % device_id, None)
        token = answer.get("device_token")
        if not isinstance(token, str) or not token or len(token) > 512:
            raise TransportError("protocol", "a refresh answer without a token", True)
        return token

    async def _call(self, path, fields, wanted=True):
        return (await self._call_dated(path, fields, wanted))[0]

    async def _call_dated(self, path, fields, wanted=True):
        headers = [("Authorization", "Bearer " + self.token)]
        body = b""
        if fields is not None:
            headers.append(("Content-Type", "application/json"))
            body = json.dumps(fields).encode()
        url = self._settings.api_url + path
        response = await self._http.request("POST", url, headers, body, _MAX_ANSWER)
        date = borrow("uploader.dates").parse_http_date(response.headers.get("date", ""))
        if date:
            self._clock.refine(date)
        if not 200 <= response.status < 300:
            raise _api_error(response, date, self.token)
        self.accepted = True
        answer = _json(response.body) if wanted or fields else None
        if wanted and not isinstance(answer, dict):
            raise TransportError("protocol", "an answer that is not a JSON object", True)
        return answer, date


# Fields that frame or address a request are this side's alone to set.
_FRAMING = ("transfer-encoding", "connection", "authorization", "expect")


def _api_error(response, date, token):
    answer = _json(response.body)
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        error = {}
    code, message = error.get("code"), error.get("message")
    reset = response.headers.get("x-ratelimit-reset", "")
    return ApiError(
        response.status,
        redact(code, token)[:64] if isinstance(code, str) else "status %d" % response.status,
        redact(message, token)[:200] if isinstance(message, str) else "",
        int(reset) if reset.isdigit() and len(reset) < 12 else None,
        date,
    )


def _json(body):
    try:
        return json.loads(body)
    except (ValueError, MemoryError, RuntimeError):  # RuntimeError: nested too deeply
        return None


def is_identifier(value):
    """True if `value` may become part of a path and of a line on flash."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID:
        return False
    for c in value:
        if not (c.isalpha() or c.isdigit() or c in "_-") or ord(c) > 126:
            return False
    return True


def _identifier(value):
    if not is_identifier(value):
        raise TransportError("protocol", "an answer without a usable recording id", True)
    return value


def _life(expires_at, date):
    until = date and borrow("uploader.dates").known(expires_at)
    return min(until - date, 86400) if until else _URL_LIFE_S
