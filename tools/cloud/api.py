"""The device API (FastAPI), as its contract has it."""

from datetime import datetime, timedelta, timezone

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from .limits import Limits
from .models import (
    Command,
    CreateRecording,
    ErrorAnswer,
    ErrorBody,
    Grant,
    Heartbeat,
    Media,
    Recording,
    Refreshed,
    Token,
    UploadUrl,
)
from .state import State, new_id, object_key

_CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    429: "rate_limit_exceeded",
}


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, message: str, code: str | None = None, **details):
        self.status = status
        self.body = ErrorAnswer(
            error=ErrorBody(
                code=code or _CODES.get(status, "error"), message=message, details=details or None
            )
        )


class Service:
    """The API's application as `app`.

    `sign(key, content_type, expires_s)` makes upload URLs, `size(key)` tells an object's size.
    `url_life_s` is how long URLs are valid. `intercept(method, path)` may return a Response
    to answer with instead. `calls` is the list of (method, path, status) so far.
    """

    def __init__(self, state: State, limits: Limits, sign, size, url_life_s: int = 3600):
        self.state = state
        self.limits = limits
        self.sign = sign
        self.size = size
        self.url_life_s = url_life_s
        self.intercept = None
        self.after = None  # called with (method, path, response) before the answer leaves
        self.calls = []
        self.commands = {}  # device id: remote commands for its next heartbeat
        self.settings = {}  # device id: settings for its next heartbeat
        self.app = self._build()

    def _token(self, request: Request) -> Token:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        token = self.state.get("token", value, Token) if kind.lower() == "bearer" else None
        if token is None:
            raise Refusal(401, "The device token is unknown.")
        if token.state != "active":
            raise Refusal(401, f"The device token was {token.state}.")
        return token

    def _recording(self, recording_id: str, token: Token) -> Recording:
        recording = self.state.get("recording", recording_id, Recording)
        if recording is None or recording.end_user_id != token.end_user_id:
            raise Refusal(404, "No such recording.")
        return recording

    def create(self, body: CreateRecording, token: Token) -> Recording:
        """Create a recording."""
        recording = Recording(
            id=new_id("rec"),
            device_id=token.device_id,
            end_user_id=token.end_user_id,
            created_at=_now(),
            **body.model_dump(),
        )
        self.state.put("recording", recording.id, recording)
        return recording

    def upload_url(self, recording_id: str, body: UploadUrl, token: Token) -> Grant:
        """Sign a URL for a file of a recording."""
        recording = self._recording(recording_id, token)
        if recording.status != "pending":
            raise Refusal(409, f"The recording is {recording.status}.")
        media = Media(id=new_id("med"), **body.model_dump())
        recording.media.append(media)
        self.state.put("recording", recording.id, recording)
        return Grant(
            media_id=media.id,
            upload_url=self.sign(
                object_key(recording, media), media.content_type, max(1, self.url_life_s)
            ),
            expires_at=_now() + timedelta(seconds=self.url_life_s),
            headers={"Content-Type": media.content_type},
        )

    def complete(self, recording_id: str, token: Token) -> Recording:
        """Mark a recording complete, if each file is in S3 with the size it was to have.

        An upload URL that was asked for again leaves a media record behind that nobody
        filled; it stays `pending` as long as another one of the same kind and size arrived.
        """
        recording = self._recording(recording_id, token)
        if recording.status != "pending":
            raise Refusal(409, f"The recording is {recording.status}, not pending.")
        for media in recording.media:
            size = self.size(object_key(recording, media))
            if size is not None and media.file_size_bytes not in (None, size):
                raise Refusal(
                    400,
                    f"{media.id} has {size} bytes, not {media.file_size_bytes}.",
                    media_id=media.id,
                )
            if size is not None:
                media.status = "uploaded"
                media.file_size_bytes = size
        whole = [_kind(m) for m in recording.media if m.status == "uploaded"]
        for media in recording.media:
            if media.status == "pending" and _kind(media) not in whole:
                raise Refusal(400, f"{media.id} was not uploaded.", media_id=media.id)
        recording.status = "uploaded"
        self.state.put("recording", recording.id, recording)
        return recording

    def command(self, device_id: str, kind: str, life_s: int = 300) -> Command:
        """Queue a remote command (`start_recording`, `stop_recording`) for a device."""
        command = Command(
            id=new_id("cmd"),
            type=kind,
            grant_token=new_id("grant"),
            expires_at=_now() + timedelta(seconds=life_s),
        )
        self.commands.setdefault(device_id, []).append(command)
        return command

    def refresh(self, device_id: str, token: Token) -> Refreshed:
        """Rotate a device's token."""
        if device_id != token.device_id:
            raise Refusal(403, "The token belongs to another device.")
        fresh = self.state.issue_token(token.device_id, token.end_user_id)
        self.state.set_token_state(token.token, "rotated")
        return Refreshed(device_token=fresh)

    def _build(self) -> FastAPI:
        app = FastAPI(title="Device API, local", openapi_url="/v1/openapi.json")
        known = Depends(self._token)

        @app.post("/v1/recordings", status_code=201)
        def create(body: CreateRecording, token: Token = known) -> Recording:
            return self.create(body, token)

        @app.post("/v1/recordings/{recording_id}/upload-url")
        def upload_url(recording_id: str, body: UploadUrl, token: Token = known) -> Grant:
            return self.upload_url(recording_id, body, token)

        @app.post("/v1/recordings/{recording_id}/upload-complete")
        def complete(recording_id: str, token: Token = known) -> Recording:
            return self.complete(recording_id, token)

        @app.post("/v1/devices/me/heartbeat")
        def heartbeat(body: Heartbeat, token: Token = known) -> dict:
            self.state.put("heartbeat", token.device_id, body)
            answer = {"status": "ok"}
            commands = self.commands.pop(token.device_id, [])
            if commands:
                answer["commands"] = [c.model_dump(mode="json") for c in commands]
            if token.device_id in self.settings:
                answer["settings"] = self.settings.pop(token.device_id)
            return answer

        @app.post("/v1/devices/{device_id}/token/refresh")
        def refresh(device_id: str, token: Token = known) -> Refreshed:
            return self.refresh(device_id, token)

        @app.exception_handler(Refusal)
        def refused(_, e: Refusal):
            return _answer(e)

        @app.exception_handler(HTTPException)
        def http(_, e: HTTPException):
            return _answer(Refusal(e.status_code, str(e.detail)))

        @app.exception_handler(RequestValidationError)
        def invalid(_, e: RequestValidationError):
            first = e.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            return _answer(Refusal(400, f"{where}: {first['msg']}", field=where))

        @app.middleware("http")
        async def limited(request: Request, call_next):
            method, path = request.method, request.url.path
            ok, headers = self.limits.take(path.endswith("/upload-url"))
            response = None
            if self.intercept:
                response = self.intercept(method, path)
            if response is None and not ok:
                response = _answer(Refusal(429, "Too many requests for this project."))
            if response is None:
                response = await call_next(request)
            response.headers.update(headers)
            self.calls.append((method, path, response.status_code))
            if self.after:
                self.after(method, path, response)
            return response

        return app


def _kind(media: Media):
    return media.content_type, media.file_size_bytes, media.captured_at


def _answer(refusal: Refusal) -> Response:
    return JSONResponse(refusal.body.model_dump(exclude_none=True), refusal.status)


def _now() -> datetime:
    # Whole seconds, as the reference's examples have them.
    return datetime.now(timezone.utc).replace(microsecond=0)
