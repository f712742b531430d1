"""The calls that a device token may make (and, where the reference says so, an API key)."""

from fastapi import APIRouter, Depends

from .errors import document
from .models import (
    Complete,
    CreateRecording,
    Grant,
    Heartbeat,
    Recording,
    Refreshed,
    Token,
    UploadUrl,
)
from .service import Service


def router(service: Service) -> APIRouter:
    """The routes."""
    api = APIRouter(prefix="/v1", tags=["device token"])
    either, device = Depends(service.auth.either), Depends(service.auth.device)

    @api.post("/recordings", status_code=201, responses=document(404))
    def create_recording(body: CreateRecording, caller: Token | None = either) -> Recording:
        return service.create(body, caller)

    @api.post("/recordings/{recording_id}/upload-url", responses=document(404, 409))
    def create_upload_url(
        recording_id: str, body: UploadUrl, caller: Token | None = either
    ) -> Grant:
        return service.upload_url(recording_id, body, caller)

    @api.post("/recordings/{recording_id}/upload-complete", responses=document(404, 409, 422, 425))
    def complete_upload(
        recording_id: str, body: Complete | None = None, caller: Token | None = either
    ) -> Recording:
        return service.recordings.complete(recording_id, body, caller)

    @api.post("/devices/me/heartbeat", responses=document(422))
    def beat(body: Heartbeat, token: Token = device) -> dict:
        return service.devices.beat(token.device_id, body)

    @api.post("/devices/{device_id}/token/refresh", responses=document())
    def refresh_token(device_id: str, token: Token = device) -> Refreshed:
        return service.devices.refresh(device_id, token)

    return api
