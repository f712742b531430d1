"""The service: its parts put together, and what tests hook into."""

from .auth import Auth
from .behaviour import Behaviour
from .commands import Commands
from .devices import Devices
from .errors import Refusal
from .firmware import Firmware
from .limits import Limits
from .management import Command, CreateCommand
from .models import CreateRecording, Grant, Recording, Token, UploadUrl
from .recordings import Recordings
from .shared import Shared, utc_now
from .state import State
from .webhooks import Webhooks


class Service(Shared):
    """What the routers call.

    `intercept(method, path)` may return a Response to answer with instead of doing anything,
    `after(method, path, response)` is called before an answer leaves, `calls` is the list of
    (method, path, status) so far.
    """

    def __init__(self, state: State, limits: Limits, storage, url_life_s: int = 3600):
        super().__init__(state, limits, storage, url_life_s)
        self.calls = []
        self.intercept = self.after = None
        self.auth = Auth(state)
        self.recordings = Recordings(self)
        self.commands = Commands(self)
        self.firmware = Firmware(self)
        self.devices = Devices(self, self.commands, self.firmware)
        self.webhooks = Webhooks(state)
        self.on_event = self.webhooks.tell

    def reset(self):
        """Drop the hooks, forget the calls, behave by default."""
        self.calls.clear()
        self.intercept = self.after = None
        self.behaviour = Behaviour()
        self.sign, self.url_life_s, self.now = self.storage.sign_put, 3600, utc_now

    def create(self, body: CreateRecording, caller: Token | None) -> Recording:
        """Create a recording; for an API key, of a device that it names. Raises 400, 404."""
        end_user = None
        if caller is None:
            if body.device_id is None:
                raise Refusal(400, "An API key names the device.", field="device_id")
            end_user = self.devices.get(body.device_id).end_user_id
        return self.recordings.create(body, caller, end_user)

    def upload_url(self, recording_id: str, body: UploadUrl, caller: Token | None) -> Grant:
        """Sign a URL for a file of a recording."""
        return self.recordings.upload_url(recording_id, body, caller)

    def command(self, device_id: str, kind: str, life_s: int = 300, **params) -> Command:
        """Queue a remote command for a device; `params` as in its reference."""
        wanted = {"type": kind, "ttl_seconds": life_s}
        if params:
            wanted["params"] = params
        return self.commands.create(device_id, CreateCommand(**wanted))
