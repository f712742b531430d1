"""A page to see what arrives and to steer devices, over plain HTTP on loopback: a browser has no
reason to trust the local cloud's private CA. It needs nothing from elsewhere and no key; the
API itself, with its documentation, is also there, under `/api`."""

import re
from pathlib import Path
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

from .. import app as api
from .. import errors
from ..firmware import MAX_BYTES
from ..management import (
    Assign,
    Assignment,
    Command,
    CreateCommand,
    DeviceSettings,
    Release,
    Version,
)
from ..models import Beat
from ..service import Service
from ..settings import Settings
from ..state import object_key
from .waveform import peaks

_HERE = Path(__file__).parent
_COMMANDS_SHOWN = 8
_BEATS_SHOWN = 500
_BINS = 400


def build(service: Service) -> FastAPI:
    """The page's application."""
    page = FastAPI(openapi_url=None)
    # A page elsewhere whose name is made to resolve to this machine gets nothing.
    page.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    errors.handle(page)
    _views(page, service)
    _media(page, service)
    _steering(page, service)
    _firmware(page, service)
    page.mount("/api", api.build(service))
    page.mount("/page", StaticFiles(directory=_HERE / "files"))
    return page


def _views(page, service):
    @page.get("/")
    def index():
        return FileResponse(_HERE / "index.html", media_type="text/html")

    @page.get("/state")
    def everything() -> dict:
        recordings = reversed(service.state.recordings())
        return {
            "devices": {d.id: _device(service, d) for d in service.devices.all()},
            "recordings": [r.model_dump(mode="json") for r in recordings],
            "releases": [r.model_dump(mode="json") for r in service.firmware.releases()],
        }

    @page.get("/health/{device_id}")
    def health(device_id: str) -> list[Beat]:
        return service.state.beats(device_id, _BEATS_SHOWN)


def _device(service, device) -> dict:
    beats = service.state.beats(device.id, 1)
    commands = service.commands.of(device.id)[:_COMMANDS_SHOWN]
    assignments = service.firmware.of(device.id)[:1]
    said = beats[0].said.model_dump(mode="json", exclude_none=True) if beats else {}
    diagnostics = said.pop("diagnostics", None)
    return {
        "said": said,
        "diagnostics": diagnostics,
        "online": service.devices.state(device.id).online,
        "last": beats[0].at.isoformat() if beats else None,
        "bound": device.end_user_id,
        "settings": device.settings,
        "commands": [c.model_dump(mode="json", exclude={"grant_token"}) for c in commands],
        "firmware": [a.model_dump(mode="json") for a in assignments],
    }


def _media(page, service):
    def find(recording_id, media_id):
        recording = service.recordings.get(recording_id, None)
        for item in recording.media:
            if item.id == media_id:
                return item, object_key(recording, item)
        raise HTTPException(404)

    @page.get("/media/{recording_id}/{media_id}")
    def media(recording_id: str, media_id: str, request: Request):
        item, key = find(recording_id, media_id)
        data = service.storage.get(key)
        return _ranged(data, item.content_type, request.headers.get("range"))

    @page.get("/waveform/{recording_id}/{media_id}")
    def waveform(recording_id: str, media_id: str) -> dict:
        found = peaks(service.storage.get(find(recording_id, media_id)[1]), _BINS)
        if found is None:
            raise HTTPException(404, "No audio that can be decoded here.")
        return {"seconds": found[0], "peaks": found[1]}


def _ranged(data: bytes, content_type: str, wanted: str | None) -> Response:
    """The bytes, or the one range that a player asks for to find its way (RFC 9110 section 14)."""
    headers = {"Accept-Ranges": "bytes"}
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
    if not match or int(match[1]) >= len(data):
        return Response(data, media_type=content_type, headers=headers)
    first = int(match[1])
    last = min(int(match[2] or len(data) - 1), len(data) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, headers, content_type)


def _steering(page, service):
    @page.post("/devices/{device_id}/commands", status_code=201)
    def command(device_id: str, body: CreateCommand) -> Command:
        return service.commands.create(service.devices.get(device_id).id, body)

    @page.delete("/devices/{device_id}/commands/{command_id}")
    def cancel(device_id: str, command_id: str) -> Command:
        return service.commands.cancel(device_id, command_id)

    @page.patch("/devices/{device_id}/settings")
    def settings(device_id: str, body: Settings) -> DeviceSettings:
        return service.devices.change_settings(device_id, body)


def _firmware(page, service):
    @page.post("/releases", status_code=201)
    def release(
        version: Version,
        data: Annotated[
            bytes,
            Body(media_type="application/octet-stream", min_length=1, max_length=MAX_BYTES),
        ],
    ) -> Release:
        return service.firmware.release(version, data)

    @page.post("/devices/{device_id}/firmware", status_code=201)
    def assign(device_id: str, body: Assign) -> Assignment:
        return service.firmware.assign(service.devices.get(device_id).id, body.release_id)

    @page.delete("/devices/{device_id}/firmware/{assignment_id}")
    def cancel(device_id: str, assignment_id: str) -> Assignment:
        return service.firmware.cancel(device_id, assignment_id)
