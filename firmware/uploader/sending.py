"""What sending takes: loaded when something is to be sent, let go while a recording is made
where memory is short (see `memory`)."""

from .api import DeviceApi
from .http import Http
from .s3 import S3
from .session import Session

# The modules that nothing else needs.
_PARTS = "sending session proof s3 api http trust connection answer rotation"


class Sending:
    """An `http` client, the device `api` over it, and the `session` over both; `http` (an Http)
    and `api` (a DeviceApi) are made from the settings if None. The rest as for Session."""

    def __init__(self, settings, store, links, emit, http=None, api=None):
        self.http = http or Http(settings, links)
        self.api = api or DeviceApi(self.http, settings, store.clock, store.credentials.token)
        self.session = Session(settings, store, self.api, S3(self.http), links, emit)


def modules(package):
    """The full names of what is loaded for sending alone."""
    return [package + "." + name for name in _PARTS.split(" ")]
