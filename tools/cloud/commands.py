"""Remote commands and their lives.

Public reference, "Create Recording Command": pending, then delivered with a heartbeat's answer,
then executed, or expired, or cancelled while pending. There is no acknowledgement: that a
command was executed is inferred from the heartbeats that follow (`device_state`). How the
service learns that one failed is *unknown*: `fail` is for who drives this cloud.
"""

from datetime import timedelta

from .errors import Refusal
from .management import Command, CreateCommand
from .models import Heartbeat
from .shared import Shared
from .state import new_id

_OPEN = ("pending", "delivered")


class Commands:
    """The commands of every device."""

    def __init__(self, shared: Shared):
        self._shared = shared
        self._state = shared.state

    def create(self, device_id: str, wanted: CreateCommand) -> Command:
        """A new command; the existing one where its idempotency key was used before."""
        with self._shared.lock:
            key = f"{device_id} {wanted.idempotency_key}"
            if wanted.idempotency_key:
                known = self._state.get("idempotency", key, Command)
                if known:
                    return self.get(device_id, known.id)
            params = {}
            if wanted.type == "start_recording":
                given = wanted.params.model_dump(exclude_none=True) if wanted.params else {}
                params = {"max_duration_sec": 3600, "upload_immediately": True, **given}
            now = self._shared.now()
            command = Command(
                id=new_id("cmd"),
                device_id=device_id,
                type=wanted.type,
                params=params,
                grant_token=new_id("grant"),
                expires_at=now + timedelta(seconds=wanted.ttl_seconds),
                created_at=now,
            )
            self._save(command)
            if wanted.idempotency_key:
                self._state.put("idempotency", key, command)
        return command

    def get(self, device_id: str, command_id: str) -> Command:
        """One command. Raises 404."""
        command = self._state.get("command", command_id, Command)
        if command is None or command.device_id != device_id:
            raise Refusal(404, "No such command.")
        return self._aged(command)

    def of(self, device_id: str) -> list[Command]:
        """A device's commands, newest first."""
        known = self._state.all("command", Command)
        return [self._aged(c) for c in reversed(known) if c.device_id == device_id]

    def cancel(self, device_id: str, command_id: str) -> Command:
        """Cancel a pending command. Raises 409 for one that is not pending any more."""
        with self._shared.lock:
            command = self.get(device_id, command_id)
            if command.status != "pending":
                raise Refusal(409, f"The command is {command.status}.")
            command.status = "cancelled"
            self._save(command)
        return command

    def fail(self, device_id: str, command_id: str, code: str, message: str) -> Command:
        """Mark a command failed."""
        with self._shared.lock:
            command = self.get(device_id, command_id)
            command.status, command.error = "failed", {"code": code, "message": message}
            self._save(command)
        return command

    def observe(self, device_id: str, said: Heartbeat):
        """Infer from a heartbeat which of the delivered commands were executed."""
        for command in self.of(device_id):
            if command.status == "delivered" and _shows(command, said):
                now = self._shared.now()
                command.status, command.executed_at = "executed", now
                if command.type == "start_recording":
                    command.result = {"started_at": now.isoformat().replace("+00:00", "Z")}
                self._save(command)

    def deliver(self, device_id: str) -> list[dict]:
        """The commands for a heartbeat's answer, oldest first, as they go out."""
        wanted = _OPEN if self._shared.behaviour.redeliver else ("pending",)
        due = [c for c in reversed(self.of(device_id)) if c.status in wanted]
        if self._shared.behaviour.commands == "command":
            due = due[:1]  # this envelope holds one
        for command in due:
            command.status = "delivered"
            command.delivered_at = command.delivered_at or self._shared.now()
            self._save(command)
        fields = {"id", "type", "params", "grant_token", "expires_at", "created_at"}
        return [c.model_dump(mode="json", include=fields) for c in due]

    def _aged(self, command):
        if command.status in _OPEN and command.expires_at <= self._shared.now():
            command.status = "expired"
            self._save(command)
        return command

    def _save(self, command):
        self._state.put("command", command.id, command)


def _shows(command: Command, said: Heartbeat) -> bool:
    if said.device_state is None:
        return False
    if command.type == "start_recording":
        return said.device_state == "recording"
    if command.type == "stop_recording":
        return said.device_state != "recording"
    if command.type == "trigger_upload":
        return said.device_state in ("syncing", "uploading") or said.pending_recordings == 0
    return False


def wrap(commands: list[dict], shape: str) -> dict:
    """Commands in an answer's envelope, one of `Behaviour.commands`."""
    if not commands:
        return {}
    if shape == "command":
        return {"command": commands[0]}
    if shape == "data":
        return {"data": {"commands": commands}}
    return {shape: commands}
