"""Stills while a recording goes on, where the MicroPython build has a camera.

Official builds have none; with micropython-camera-API's `camera` module,
`Stills(camera.Camera(**board.CAMERA), ...)` works: all that is needed is `capture()`, which
returns a JPEG as bytes.
"""

import asyncio


def make(board, emit):
    """The camera of a board's `make_camera()` or CAMERA (the `camera` module's arguments).

    None where there is none: told, as `emit("camera", state="missing", reason=)`.
    """
    try:
        by_board = getattr(board, "make_camera", None)
        if by_board:
            return by_board()
        if getattr(board, "CAMERA", None):
            # No build of MicroPython's own has it.
            return __import__("camera").Camera(**board.CAMERA)
        reason = "this board has no camera"
    except ImportError:
        reason = "this MicroPython has no camera module"
    except Exception as e:  # whatever its library raises
        reason = str(e)
    emit("camera", state="missing", reason=reason)
    return None


class Stills:
    """A picture every `interval_s` seconds; `captured_at` is its moment."""

    def __init__(self, camera, clock, interval_s=60):
        self._camera = camera
        self._clock = clock
        self._interval_s = interval_s
        self._stop = False
        self.taken = 0

    def stop(self):
        """Make `record` end."""
        self._stop = True

    async def record(self, recording):
        """Take pictures until `stop`. Raises StorageFullError, StorageError."""
        self._stop = False
        self.taken = 0
        due = self._clock.uptime_ms()
        while not self._stop:
            if self._clock.uptime_ms() >= due:
                due += self._interval_s * 1000
                self.take(recording)
            await self._clock.sleep(0.2)

    def take(self, recording):
        """Take one picture into a recording."""
        jpeg = self._camera.capture()
        if not jpeg:
            return
        writer = recording.add("image", "image/jpeg")
        writer.write(jpeg)
        writer.close()
        self.taken += 1


def beside(recording, board, clock, every_s, emit):
    """A task that takes a picture into `recording` every `every_s` seconds; None if the board
    has no camera, which is told. A camera that fails is told, too, and takes no more."""
    camera = make(board, emit)
    return camera and asyncio.create_task(_take(Stills(camera, clock, every_s), recording, emit))


async def _take(stills, recording, emit):
    try:
        await stills.record(recording)
    except Exception as e:  # of the storage, or whatever the camera's library raises
        emit("camera", state="failed", reason=str(e))
