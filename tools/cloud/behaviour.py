"""How the service behaves where its public documents leave room, to be chosen at any time.

A client has to live with each; which one the real service has was not found out.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Behaviour(BaseModel):
    """Attributes may be set while the cloud runs; a value that is none raises ValidationError."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    #: What `content_sha256` in upload-complete meets: a service that verifies it, one that
    #: accepts and never mentions it, or one that refuses the unknown field.
    completion: Literal["verify", "ignore", "refuse_400", "refuse_422"] = "verify"
    #: How often 425 comes before the hash of an object is known.
    too_early: int = 0
    #: A hash that does not match: 200 with the status, an error with it as its code, or a 409 as
    #: any conflict, with it in its words.
    mismatch: Literal["status", "409", "422", "words"] = "status"
    #: A hash to answer instead of the verified one.
    answer_sha256: str | None = None
    #: Whether a recording in `integrity_failure` takes new upload URLs, and so is pending again.
    reopen: bool = False
    #: The answer to a second completion of an uploaded recording.
    repeat: Literal["409", "400", "200"] = "409"
    #: Where commands lie in a heartbeat's answer.
    commands: Literal["commands", "remote_commands", "command", "data"] = "commands"
    #: Whether a command comes with each heartbeat until it was executed, or once.
    redeliver: bool = False
    #: Where settings lie in a heartbeat's answer, and whether what did not change comes along.
    settings: Literal["settings", "device"] = "settings"
    settings_always: bool = False
    #: The shape of a firmware manifest (`firmware.SHAPES`).
    manifest: Literal["firmware", "ota", "firmware_update", "manifest"] = "firmware"
    #: What a heartbeat's `diagnostics` and `status_flags` meet.
    diagnostics: Literal["accept", "400", "422"] = "accept"
    status_flags: Literal["accept", "400", "422"] = "accept"
