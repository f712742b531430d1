"""Firmware releases, and their assignment to devices.

Public guide, "Firmware Updates": a release is handed in at the portal and assigned to a device;
the device gets a manifest with its next heartbeat's answer (version, size, CRC-32, a pre-signed
URL of the `.bin`; its shape is *unknown*), and reporting the version marks it applied.
"""

import zlib

from .errors import Refusal
from .management import Assignment, Release
from .shared import Shared
from .state import new_id

URL_LIFE_S = 3600
MAX_BYTES = 16 * 1024**2  # of a release
# The likely shapes: under which key, and the names of version, size, CRC-32 (how written), URL.
SHAPES = {
    "firmware": ("version", "size", "crc32", "{:08x}", "url"),
    "ota": ("version", "size_bytes", "crc32", "0x{:08x}", "download_url"),
    "firmware_update": ("firmware_version", "file_size_bytes", "checksum", "{:08x}", "url"),
    "manifest": ("version", "size", "crc32", None, "firmware_url"),
}


class Firmware:
    """Releases and assignments."""

    def __init__(self, shared: Shared):
        self._shared = shared
        self._state = shared.state

    def release(self, version: str, data: bytes) -> Release:
        """Store a `.bin` as a release. Raises 409 for a version that there is."""
        with self._shared.lock:
            if any(r.version == version for r in self.releases()):
                raise Refusal(409, f"There is a release {version}.", "resource_already_exists")
            release = Release(
                id=new_id("fw"),
                version=version,
                size_bytes=len(data),
                crc32=f"{zlib.crc32(data):08x}",
                created_at=self._shared.now(),
            )
            self._shared.storage.put(_key(release.id), data)
            self._state.put("release", release.id, release)
        return release

    def releases(self) -> list[Release]:
        """Every release, newest first."""
        return self._state.all("release", Release)[::-1]

    def assign(self, device_id: str, release_id: str) -> Assignment:
        """Assign a release to a device; what was assigned before and not applied is cancelled.
        Raises 404."""
        release = self._state.get("release", release_id, Release)
        if release is None:
            raise Refusal(404, "No such release.")
        with self._shared.lock:
            for other in self.of(device_id):
                if other.status in ("pending", "delivered"):
                    self._set(other, "cancelled")
            assignment = Assignment(
                id=new_id("fwa"),
                device_id=device_id,
                release_id=release.id,
                version=release.version,
                created_at=self._shared.now(),
            )
            return self._set(assignment, "pending")

    def of(self, device_id: str) -> list[Assignment]:
        """A device's assignments, newest first."""
        known = self._state.all("assignment", Assignment)
        return [a for a in reversed(known) if a.device_id == device_id]

    def cancel(self, device_id: str, assignment_id: str) -> Assignment:
        """Cancel an assignment. Raises 404, and 409 once it was applied, failed or cancelled."""
        with self._shared.lock:
            for assignment in self.of(device_id):
                if assignment.id == assignment_id:
                    if assignment.status not in ("pending", "delivered"):
                        raise Refusal(409, f"The assignment is {assignment.status}.")
                    return self._set(assignment, "cancelled")
        raise Refusal(404, "No such assignment.")

    def observe(self, device_id: str, version: str | None):
        """A device said which version it runs."""
        for assignment in self.of(device_id):
            if assignment.status in ("pending", "delivered") and assignment.version == version:
                self._set(assignment, "applied")

    def deliver(self, device_id: str) -> dict:
        """The manifest for a heartbeat's answer, in its envelope; {} if there is none."""
        behaviour = self._shared.behaviour
        wanted = ("pending", "delivered") if behaviour.redeliver else ("pending",)
        for assignment in self.of(device_id):
            if assignment.status in wanted:
                self._set(assignment, "delivered")
                return self._manifest(assignment, behaviour.manifest)
        return {}

    def _manifest(self, assignment, shape):
        release = self._state.get("release", assignment.release_id, Release)
        version, size, crc, written, url = SHAPES[shape]
        number = int(release.crc32, 16)
        return {
            shape: {
                version: release.version,
                size: release.size_bytes,
                crc: written.format(number) if written else number,
                url: self._shared.storage.sign_get(_key(release.id), URL_LIFE_S),
            }
        }

    def _set(self, assignment, status):
        assignment.status = status
        self._state.put("assignment", assignment.id, assignment)
        return assignment


def _key(release_id):
    return f"firmware/{release_id}.bin"
