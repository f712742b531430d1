"""What sending takes: loaded when something is to be sent, let go while a recording is made
where memory is short (see `memory`)."""

# The modules that nothing else needs.
_PARTS = "sending session grants proof s3 api http trust connection rotation"


class Sending:
    """A `session` and what it makes calls with: the device `api` over an `http` client, and
    `s3`. These are loaded when first asked for: a link that is brought up before them needs the
    memory, too. `http` (an Http) and `api` (a DeviceApi) are made from the settings if None;
    the rest as for Session."""

    def __init__(self, settings, store, links, emit, http=None, api=None):
        self._settings = settings
        self._store = store
        self._links = links
        self._http = http
        self._api = api
        self._s3 = self._session = None
        self._emit = emit

    @property
    def session(self):
        """The Session."""
        if self._session is None:
            from .session import Session

            given = self._settings, self._store, self, self._links, self._emit
            self._session = Session(*given)
        return self._session

    @property
    def http(self):
        """The Http."""
        if self._http is None:
            from .http import Http

            self._http = Http(self._settings, self._links)
        return self._http

    @property
    def api(self):
        """The DeviceApi."""
        if self._api is None:
            from .api import DeviceApi

            store = self._store
            self._api = DeviceApi(self.http, self._settings, store.clock, store.credentials.token)
        return self._api

    @property
    def s3(self):
        """The S3."""
        if self._s3 is None:
            from .s3 import S3

            self._s3 = S3(self.http)
        return self._s3

    def close(self):
        """Close the connections."""
        if self._http:
            self._http.close()


def modules(package):
    """The full names of what is loaded for sending alone."""
    return [package + "." + name for name in _PARTS.split(" ")]
