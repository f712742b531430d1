"""What the page asks of the device, and what it may know: never a key, a PIN or a token."""

import json
import os

from . import draft
from .known import recall

_HERE = __file__.rpartition("/")[0]
_SOUND = "/setup.wav"
_RATE = 16000
_RECORD_S = 3
_JSON = "application/json"


class Pages:
    """Answers requests (see Web). `left_s()` is how many seconds set-up goes on for; `saved` is an
    asyncio.Event that is set once a configuration was saved."""

    def __init__(self, board, radio, clock, left_s, saved):
        self.networks = radio.scan()
        self._board = board
        self._radio = radio
        self._clock = clock
        self._left_s = left_s
        self._saved = saved
        self._busy = False  # with the microphone

    async def answer(self, method, path, body):
        """(status, content type, content) of a request."""
        if method == "GET" and path == "/":
            return 200, "text/html; charset=utf-8", _HERE + "/page.html"
        if method == "GET" and path == "/sound.wav":
            try:
                os.stat(_SOUND)
                return 200, "audio/wav", _SOUND
            except OSError:
                return 404, "text/plain", b"nothing was recorded"
        call = {
            "GET /state": self._state,
            "POST /scan": self._scan,
            "POST /level": self._level,
            "POST /record": self._record,
            "POST /save": self._save,
        }.get(method + " " + path)
        if not call:
            return 404, "text/plain", b"there is no such page"
        try:
            asked = json.loads(body) if body else {}
            if not isinstance(asked, dict):
                raise ValueError("not an object")
            return 200, _JSON, json.dumps(await call(asked)).encode()
        except (MemoryError, OSError, ValueError) as e:
            return 400, _JSON, json.dumps({"error": str(e) or type(e).__name__}).encode()

    async def _state(self, _):
        config = draft.load()
        return {
            "board": self._board.NAME,
            "networks": self.networks,
            "modem": bool(getattr(self._board, "MODEM", None)),
            "saved": [network["ssid"] for network in config.get("wifi", [])],
            "apn": config.get("apn", ""),
            "api_url": config.get("api_url", draft.API_URL),
            "token": bool(config.get("device_token")),
            "pending": draft.pending(config.get("storage", self._board.STORAGE)),
            "reason": recall().get("reason", ""),
            "left_s": self._left_s(),
        }

    async def _scan(self, _):
        self.networks = self._radio.scan()
        return {"networks": self.networks}

    async def _level(self, _):
        return await self._listen(0)

    async def _record(self, _):
        from recorders.wav import head

        with open(_SOUND, "wb") as f:
            f.write(head(0, _RATE))
            heard = await self._listen(_RECORD_S, lambda buf, _: f.write(buf))
            size = f.tell()
            f.seek(0)
            f.write(head(size - 44, _RATE))
        return heard

    async def _listen(self, seconds, take=None):
        from recorders import trial

        if self._busy:
            raise ValueError("the microphone is in use")
        self._busy = True
        try:
            heard = await trial.listen(self._board, self._clock, seconds, take, _RATE)
        finally:
            self._busy = False
        if heard is None:
            raise ValueError("this board has no microphone")
        return {"dbfs": heard[0], "constant": heard[1]}

    async def _save(self, asked):
        draft.save(asked, self._board.STORAGE)
        self._saved.set()
        return {"name": recall().get("name", "")}

    def clean(self):
        """Remove the test recording."""
        try:
            os.remove(_SOUND)
        except OSError:
            pass
