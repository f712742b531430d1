"""A page to see what arrives, over plain HTTP on loopback: a browser has no reason to trust the
local cloud's private CA."""

import re
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse

from .models import Heartbeat
from .state import State, object_key

_PAGE = Path(__file__).parent / "page.html"


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


def build(state: State, get) -> FastAPI:
    """The page's application; `get(key)` returns an object's bytes from S3."""
    app = FastAPI(openapi_url=None)

    @app.get("/")
    def page():
        return FileResponse(_PAGE, media_type="text/html")

    @app.get("/state")
    def everything() -> dict:
        devices = {d: state.get("heartbeat", d, Heartbeat) for d in state.keys("heartbeat")}
        recordings = [r.model_dump(mode="json") for r in reversed(state.recordings())]
        return {
            "devices": {
                d: h.model_dump(mode="json", exclude_none=True) for d, h in devices.items()
            },
            "recordings": recordings,
        }

    @app.get("/media/{recording_id}/{media_id}")
    def media(recording_id: str, media_id: str, request: Request):
        for recording in state.recordings():
            for item in recording.media:
                if (recording.id, item.id) == (recording_id, media_id):
                    data = get(object_key(recording, item))
                    return _ranged(data, item.content_type, request.headers.get("range"))
        raise HTTPException(404)

    return app
