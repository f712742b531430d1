"""Recordings: created, filled, completed with or without proof, read, downloaded."""

from datetime import timedelta

from pydantic import BaseModel

from .errors import Refusal
from .management import Download
from .models import Complete, CreateRecording, Grant, Media, Recording, Token, UploadUrl
from .shared import Shared
from .state import new_id, object_key


class _Asked(BaseModel):
    """How often the verification of a recording's hash was asked for."""

    times: int = 0


class Recordings:
    """A caller is a device's Token, or None for an API key, which may do it for any device."""

    def __init__(self, shared: Shared):
        self._shared = shared
        self._state = shared.state

    def get(self, recording_id: str, caller: Token | None) -> Recording:
        """A recording that the caller may see. Raises 404."""
        recording = self._state.get("recording", recording_id, Recording)
        if recording is None or (caller and recording.end_user_id != caller.end_user_id):
            raise Refusal(404, "No such recording.")
        return recording

    def create(self, body: CreateRecording, caller: Token | None, end_user=None) -> Recording:
        """Create a recording. `end_user` is the one whom an API key's device is bound to."""
        fields = body.model_dump()
        if caller:
            for name in ("device_id", "end_user_id"):
                if name in body.model_fields_set:
                    raise Refusal(400, f"{name} comes from the device token.", field=name)
            fields.update(device_id=caller.device_id, end_user_id=caller.end_user_id)
        else:
            fields["end_user_id"] = fields["end_user_id"] or end_user
        recording = Recording(id=new_id("rec"), created_at=self._shared.now(), **fields)
        self._state.put("recording", recording.id, recording)
        self._shared.on_event("recording.created", _told(recording))
        return recording

    def upload_url(self, recording_id: str, body: UploadUrl, caller: Token | None) -> Grant:
        """Sign a URL for a file of a recording."""
        with self._shared.lock:
            recording = self.get(recording_id, caller)
            if recording.status == "integrity_failure" and self._shared.behaviour.reopen:
                recording = recording.model_copy(
                    update={"status": "pending", "media": [], "content_sha256": None}
                )
            if recording.status != "pending":
                raise Refusal(409, f"The recording is {recording.status}.")
            media = Media(id=new_id("med"), **body.model_dump())
            recording.media.append(media)
            self._state.put("recording", recording.id, recording)
        life = self._shared.url_life_s
        return Grant(
            media_id=media.id,
            upload_url=self._shared.sign(
                object_key(recording, media), media.content_type, max(1, life)
            ),
            expires_at=self._shared.now() + timedelta(seconds=life),
            headers={"Content-Type": media.content_type},
        )

    def complete(self, recording_id: str, body: Complete | None, caller: Token | None):
        """Mark a recording complete, if each file is in S3 with the size it was to have, and
        with the hash it was to have where one is declared.

        An upload URL that was asked for again leaves a media record behind that nobody
        filled; it stays `pending` as long as another one of the same kind and size arrived.
        """
        declared = body.content_sha256 if body else None
        behaviour = self._shared.behaviour
        if declared and behaviour.completion.startswith("refuse"):
            status = int(behaviour.completion[-3:])
            raise Refusal(status, "content_sha256: unknown field", field="content_sha256")
        if behaviour.completion == "ignore":
            declared = None
        with self._shared.lock:
            recording = self.get(recording_id, caller)
            if recording.status == "integrity_failure":
                return self._mismatched(recording)
            if recording.status != "pending":
                return self._repeated(recording)
            self._count_files(recording)
            if declared:
                self._verify(recording, declared)
            if recording.status == "pending":
                recording.status = "uploaded"
            self._state.put("recording", recording.id, recording)
        if recording.status == "integrity_failure":
            return self._mismatched(recording)
        self._shared.on_event("recording.uploaded", _told(recording, self._shared.now()))
        return recording

    def _count_files(self, recording):
        if not recording.media:
            raise Refusal(400, "The recording has no files.")
        for media in recording.media:
            size = self._shared.storage.size(object_key(recording, media))
            if size is None:
                continue
            if media.file_size_bytes not in (None, size):
                raise Refusal(
                    400,
                    f"{media.id} has {size} bytes, not {media.file_size_bytes}.",
                    media_id=media.id,
                )
            media.status = "uploaded"
            media.file_size_bytes = size
        whole = [_kind(m) for m in recording.media if m.status == "uploaded"]
        for media in recording.media:
            if media.status == "pending" and _kind(media) not in whole:
                raise Refusal(400, f"{media.id} was not uploaded.", media_id=media.id)

    def _verify(self, recording, declared):
        """Hash the object, as the service says that it does. Raises 425 as often as set."""
        asked = self._state.get("asked", recording.id, _Asked) or _Asked()
        asked.times += 1
        self._state.put("asked", recording.id, asked)
        if asked.times <= self._shared.behaviour.too_early:
            raise Refusal(425, "The object is not verified yet; ask again.")
        if len(recording.media) != 1:
            # What the one hash of several files means is undocumented.
            count = len(recording.media)
            raise Refusal(400, f"content_sha256 is one file's; the recording has {count}.")
        found = self._shared.storage.sha256(object_key(recording, recording.media[0]))
        recording.content_sha256 = declared
        if found != declared:
            recording.status = "integrity_failure"
            return
        recording.content_sha256 = self._shared.behaviour.answer_sha256 or declared
        recording.content_sha256_verified_at = self._shared.now()

    def _mismatched(self, recording):
        told = self._shared.behaviour.mismatch
        if told == "status":
            return recording
        if told == "words":
            raise Refusal(409, "The recording is integrity_failure, not pending.")
        raise Refusal(
            int(told),
            "The object's hash is not the declared one.",
            code="integrity_failure",
        )

    def _repeated(self, recording):
        answer = self._shared.behaviour.repeat
        if answer == "200":
            return recording
        raise Refusal(int(answer), f"The recording is {recording.status}, not pending.")

    def download(self, recording_id: str, media_id: str) -> Download:
        """A pre-signed URL to fetch a file with (reference: "must be in uploaded status")."""
        recording = self.get(recording_id, None)
        for media in recording.media:
            if media.id == media_id:
                if media.status != "uploaded":
                    raise Refusal(409, f"{media.id} is {media.status}.")
                key, life = object_key(recording, media), self._shared.url_life_s
                return Download(
                    download_url=self._shared.storage.sign_get(key, max(1, life)),
                    media_id=media.id,
                    content_type=media.content_type,
                    file_size_bytes=media.file_size_bytes,
                    expires_at=self._shared.now() + timedelta(seconds=life),
                )
        raise Refusal(404, "No such media.")


def _kind(media: Media):
    return media.content_type, media.file_size_bytes, media.captured_at


def _told(recording: Recording, uploaded_at=None) -> dict:
    """An event's data (public reference, "Webhook events")."""
    told = recording.model_dump(
        mode="json",
        include={"id", "end_user_id", "device_id", "status", "started_at", "ended_at"},
    )
    if uploaded_at is None:
        return {**told, "metadata": recording.metadata, "created_at": _iso(recording.created_at)}
    audio = [m for m in recording.media if m.type == "audio" and m.status == "uploaded"]
    files = audio or recording.media
    return {
        **told,
        "duration_seconds": None,
        "file_size_bytes": sum(m.file_size_bytes or 0 for m in files),
        "format": files[0].content_type.split("/")[1] if files else None,
        "uploaded_at": _iso(uploaded_at),
    }


def _iso(time):
    return time.isoformat().replace("+00:00", "Z")
