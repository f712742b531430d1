"""The service's leave to PUT a file: asked for once, and used again while it is good.

A PUT that broke, or that a pass did not come to, is done by the same URL: the service has one file
then, and the limit of upload-urls is not touched. How many URLs a recording may have had decides
whether one hash can prove it.
"""

from micropython import const

from .errors import ApiError
from .layout import kind_of

_MOST = const(64)  # recordings whose upload-urls are counted


class PendingPut:
    """`file` of `entry`, to be PUT with `grant` before `deadline_ms` of the clock's uptime."""

    def __init__(self, entry, file, grant, deadline_ms):
        self.entry = entry
        self.file = file
        self.grant = grant
        self.deadline_ms = deadline_ms

    def is_for(self, entry, file):
        """True if it is of that file of that recording, created as it is now."""
        own = self.entry
        same = own.seq == entry.seq and own.recording_id == entry.recording_id
        return same and self.file["index"] == file["index"]


class Grants:
    """The grants that `calls.api` (a DeviceApi) gave since the boot."""

    def __init__(self, calls, clock):
        self._calls = calls
        self._clock = clock
        self._kept = []
        self._asks = {}  # number of a recording: how many upload-urls it may have had

    def keep(self, puts):
        """Keep what is to be done by the next pass."""
        now_ms = self._clock.uptime_ms()
        self._kept = [put for put in self._kept + puts if now_ms < put.deadline_ms]

    def created(self, entry):
        """Take note that an Entry was created just now."""
        if len(self._asks) >= _MOST:
            self._asks.clear()
        self._asks[entry.seq] = 0

    def knows(self, entry):
        """True if it was created, or granted something, since the boot."""
        return entry.seq in self._asks

    def is_single(self, entry):
        """True if it has had one URL, no more, for certain."""
        return self._asks.get(entry.seq) == 1

    def forget(self, entry):
        """It is complete."""
        self._asks.pop(entry.seq, None)

    async def get(self, entry, file):
        """A PendingPut for one of the files of an Entry. Raises ApiError, TransportError."""
        for put in self._kept:
            if put.is_for(entry, file):
                self._kept.remove(put)
                if self._clock.uptime_ms() < put.deadline_ms:
                    return PendingPut(entry, file, put.grant, put.deadline_ms)
                break
        # Of what an earlier boot asked nothing is known; what was refused came to nothing.
        before = self._asks.pop(entry.seq, None)
        asked = 2 if before is None else before + 1
        try:
            fields = self._fields(entry, file)
            grant = await self._calls.api.upload_url(entry.recording_id, fields)
        except ApiError as e:
            asked = before if 400 <= e.status < 500 else asked
            raise
        finally:
            if asked is not None:
                self._asks[entry.seq] = asked
        return PendingPut(entry, file, grant, self._clock.uptime_ms() + grant.life_s * 1000)

    def _fields(self, entry, file):
        content_type, clock = file["content_type"], self._clock
        fields = {
            "type": kind_of(content_type),
            "content_type": content_type,
            "file_size_bytes": file["size"],
        }
        captured_at = clock.resolve(file.get("captured_at"))
        if not captured_at and fields["type"] != "audio":  # for which alone it is optional
            captured_at = clock.resolve(entry.begin.get("started_at"))
            captured_at = captured_at or clock.resolve(clock.stamp())
        if captured_at:
            fields["captured_at"] = captured_at
        return fields
