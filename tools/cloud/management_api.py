"""The calls that an API key may make. Paths and shapes: public API reference; what it does not
have is marked *unknown* here or at its model."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query, Response

from . import management as m
from .errors import Refusal, document
from .firmware import MAX_BYTES
from .models import Recording, RecordingStatus
from .service import Service
from .settings import Settings

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


def router(service: Service) -> APIRouter:
    """All of an API key's routes."""
    api = APIRouter(prefix="/v1", dependencies=[Depends(service.auth.backend)])
    for part in (_devices, _settings, _commands, _recordings, _firmware, _webhooks):
        api.include_router(part(service))
    return api


def _devices(service):
    api, devices = APIRouter(tags=["devices"]), service.devices

    @api.post("/devices", status_code=201, responses={200: {"model": m.Device}, **document()})
    def create_device(body: m.CreateDevice, response: Response) -> m.Device:
        device, new = devices.create(body)
        response.status_code = 201 if new else 200
        return device

    @api.get("/devices", responses=document())
    def list_devices(
        limit: Limit = 25, offset: Offset = 0, end_user_id: str | None = None
    ) -> m.Devices:
        found = [d for d in devices.all() if end_user_id in (None, d.end_user_id)]
        return m.Devices(data=found[offset : offset + limit], has_more=len(found) > offset + limit)

    @api.get("/devices/{device_id}", responses=document(404))
    def get_device(device_id: str) -> m.Device:
        return devices.get(device_id)

    @api.patch("/devices/{device_id}", responses=document(404))
    def update_device(device_id: str, body: m.UpdateDevice) -> m.Device:
        if body.settings:
            devices.change_settings(device_id, body.settings)
        return devices.update(
            device_id, firmware_version=body.firmware_version, metadata=body.metadata
        )

    @api.post("/devices/{device_id}/bind", responses=document(404, 409))
    def bind_device(device_id: str, body: m.Bind) -> m.BoundDevice:
        return devices.bind(device_id, body.end_user_id)

    @api.post("/devices/{device_id}/unbind", responses=document(404))
    def unbind_device(device_id: str) -> m.Device:
        return devices.unbind(device_id)

    @api.get("/devices/{device_id}/state", responses=document(404))
    def get_device_state(device_id: str) -> m.State:
        return devices.state(device_id)

    return api


def _settings(service):
    api, devices = APIRouter(tags=["settings"]), service.devices

    @api.get("/devices/{device_id}/settings", responses=document(404))
    def get_settings(device_id: str) -> m.DeviceSettings:
        return devices.settings(device_id)

    @api.patch("/devices/{device_id}/settings", responses=document(404))
    def patch_settings(device_id: str, body: Settings) -> m.DeviceSettings:
        return devices.change_settings(device_id, body)

    @api.put("/devices/{device_id}/settings", responses=document(404))
    def put_settings(device_id: str, body: Settings) -> m.DeviceSettings:
        return devices.replace_settings(device_id, body)

    @api.get("/devices/{device_id}/config", responses=document(404))
    def get_config(device_id: str) -> m.Config:
        """Path and shape *unknown*."""
        return devices.config(device_id)

    return api


def _commands(service):
    api, commands = APIRouter(tags=["commands"]), service.commands

    @api.post("/devices/{device_id}/commands", status_code=201, responses=document(404))
    def create_command(device_id: str, body: m.CreateCommand) -> m.Command:
        return commands.create(service.devices.get(device_id).id, body)

    @api.get("/devices/{device_id}/commands", responses=document(404))
    def list_commands(
        device_id: str,
        status: m.CommandStatus | None = None,
        limit: Limit = 20,
        cursor: str | None = None,
    ) -> m.Commands:
        found = commands.of(service.devices.get(device_id).id)
        if cursor:
            ids = [c.id for c in found]
            if cursor not in ids:
                raise Refusal(404, "No such cursor.")
            found = found[ids.index(cursor) + 1 :]
        found = [c for c in found if status in (None, c.status)]
        more = len(found) > limit
        found = found[:limit]
        return m.Commands(data=found, has_more=more, next_cursor=found[-1].id if more else None)

    @api.get("/devices/{device_id}/commands/{command_id}", responses=document(404))
    def get_command(device_id: str, command_id: str) -> m.Command:
        """The path is *unknown*: that of the cancellation."""
        return commands.get(device_id, command_id)

    @api.delete("/devices/{device_id}/commands/{command_id}", responses=document(404, 409))
    def cancel_command(device_id: str, command_id: str) -> m.Command:
        return commands.cancel(device_id, command_id)

    return api


def _recordings(service):
    api, recordings = APIRouter(tags=["recordings"]), service.recordings

    @api.get("/recordings", responses=document())
    def list_recordings(
        limit: Limit = 25,
        offset: Offset = 0,
        device_id: str | None = None,
        end_user_id: str | None = None,
        status: RecordingStatus | None = None,
    ) -> m.Recordings:
        found = [
            r
            for r in reversed(service.state.recordings())
            if device_id in (None, r.device_id)
            and end_user_id in (None, r.end_user_id)
            and status in (None, r.status)
        ]
        more = len(found) > offset + limit
        return m.Recordings(data=found[offset : offset + limit], has_more=more)

    @api.get("/recordings/{recording_id}", responses=document(404))
    def get_recording(recording_id: str) -> Recording:
        return recordings.get(recording_id, None)

    @api.post("/recordings/{recording_id}/download-url", responses=document(404, 409))
    def create_download_url(recording_id: str, body: m.DownloadUrl) -> m.Download:
        return recordings.download(recording_id, body.media_id)

    return api


def _firmware(service):
    api, firmware = APIRouter(tags=["firmware: paths and shapes unknown"]), service.firmware

    @api.post("/firmware-releases", status_code=201, responses=document(409))
    def create_release(
        version: Annotated[m.Version, Query()],
        data: Annotated[
            bytes,
            Body(media_type="application/octet-stream", min_length=1, max_length=MAX_BYTES),
        ],
    ) -> m.Release:
        """The documented way is the portal; the body is the `.bin`."""
        return firmware.release(version, data)

    @api.get("/firmware-releases", responses=document())
    def list_releases() -> m.Releases:
        return m.Releases(data=firmware.releases())

    @api.post("/devices/{device_id}/firmware", status_code=201, responses=document(404))
    def assign_firmware(device_id: str, body: m.Assign) -> m.Assignment:
        return firmware.assign(service.devices.get(device_id).id, body.release_id)

    @api.get("/devices/{device_id}/firmware", responses=document(404))
    def list_assignments(device_id: str) -> m.Assignments:
        return m.Assignments(data=firmware.of(service.devices.get(device_id).id))

    @api.delete("/devices/{device_id}/firmware/{assignment_id}", responses=document(404, 409))
    def cancel_assignment(device_id: str, assignment_id: str) -> m.Assignment:
        return firmware.cancel(device_id, assignment_id)

    return api


def _webhooks(service):
    api, webhooks = APIRouter(tags=["webhooks"]), service.webhooks

    @api.post("/webhook-endpoints", status_code=201, responses=document())
    def create_webhook(body: m.CreateWebhook) -> m.NewWebhook:
        return webhooks.create(body)

    @api.get("/webhook-endpoints", responses=document())
    def list_webhooks() -> dict[Literal["data"], list[m.Webhook]]:
        """Shape *unknown*: as other lists."""
        return {"data": webhooks.all()}

    @api.delete("/webhook-endpoints/{webhook_id}", responses=document(404))
    def delete_webhook(webhook_id: str) -> m.Deleted:
        webhooks.delete(webhook_id)
        return m.Deleted(id=webhook_id)

    return api
