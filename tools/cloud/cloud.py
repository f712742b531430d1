"""The parts put together and run in a thread."""

import asyncio
import hashlib
import shutil
import ssl
import tempfile
import threading
from pathlib import Path

from . import app, page
from .edge import Edge
from .limits import Limits
from .ministack import Ministack
from .models import Recording
from .pki import Authority
from .s3 import Endpoint, Storage
from .server import Server
from .service import Service
from .state import State, object_key
from .trust import Trust

_FORGOTTEN = (
    "recording asked device token heartbeat own_settings project_settings push command"
    " idempotency release assignment webhook"
).split()


class Cloud:
    """The local cloud, running from `with Cloud() as cloud:` until its end.

    `data` is a directory to keep everything in (None: in memory). `port` is the API's (0: a free
    one, known once it runs), `limits` its rate limits, `plain` serves the API over HTTP without
    TLS (for tests of transports that can't verify certificates). `s3` is an S3 to use instead of
    one of its own. `host` is what devices call this machine: certificates and upload URLs name it.
    """

    def __init__(
        self,
        data: Path | None = None,
        port: int = 0,
        limits: Limits | None = None,
        plain: bool = False,
        s3: Endpoint | None = None,
        host: str = "localhost",
    ):
        self._scratch = Path(tempfile.mkdtemp(prefix="cloud-"))
        self._data = data
        self.port = port
        self._plain = plain
        self._endpoint = s3
        self.host = host
        self.limits = limits or Limits()
        if data:
            data.mkdir(parents=True, exist_ok=True)
        self.trust = Trust(data or self._scratch, keep=data is not None, host=host)
        self.state = self.s3 = self.edge = self.service = None
        self.page_url = None  # a page to see and steer what happens, in a browser on this machine
        self._ministack = self._thread = self._error = None
        self._servers = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Start all parts; returns when they answer."""
        try:
            self.state = State(self._data / "state.sqlite" if self._data else None)
            endpoint = self._endpoint or self._own_s3()
            self.s3 = Storage(endpoint)
            if not endpoint.secure:
                self.edge = Edge(endpoint.address)
            ready = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
            self._thread.start()
            ready.wait(60)
            if self._error:
                raise self._error
        except BaseException:
            self.stop()
            raise

    def _own_s3(self):
        self._ministack = Ministack(self._scratch, self._data / "s3" if self._data else None)
        return Endpoint(self._ministack.url, self._ministack.key, self._ministack.secret)

    def _run(self, ready):
        try:
            asyncio.run(self._serve(ready))
        except Exception as e:  # handed to start()
            self._error = e
            ready.set()

    async def _serve(self, ready):
        if self.edge:
            await self.edge.start(self.trust.context("s3"))
            self.s3.public_url = f"https://{self.host}:{self.edge.port}"
        self.service = Service(self.state, self.limits, self.s3)
        tls = None if self._plain else self.trust.context("api")
        api = Server(app.build(self.service), self.port, tls)
        self._servers.append(api)
        self.port = api.port
        await api.start()
        shown = Server(page.build(self.service))
        self._servers.append(shown)
        await shown.start()
        self.page_url = f"http://127.0.0.1:{shown.port}/"
        ready.set()
        await api.wait()
        await shown.wait()
        if self.edge:
            await self.edge.stop()

    def stop(self):
        """Stop all parts and remove what is not to be kept."""
        for server in self._servers:
            server.stop()
        if self._thread:
            self._thread.join(30)
        if self.service:
            self.service.webhooks.stop()
        if self._ministack:
            self._ministack.stop()
        if self.state:
            self.state.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def forget(self):
        """Be as if new, but for the API key, the objects in S3 and the authorities: nothing
        recorded, no limits, no hooks, the default behaviour."""
        self.state.forget(*_FORGOTTEN)
        self.service.reset()
        self.limits.requests = self.limits.upload_urls = 10**9
        self.limits.forget()
        if self.edge:
            self.edge.intercept = None
            self.edge.connections = self.edge.puts = 0

    @property
    def api_url(self) -> str:
        """The API's base address."""
        return f"{'http' if self._plain else 'https'}://{self.host}:{self.port}/v1"

    @property
    def api_key(self) -> str:
        """The project's API key."""
        return self.service.auth.api_key()

    @property
    def authority(self) -> Authority:
        """Who vouches for the API, and unless that was changed for S3."""
        return self.trust.api

    @property
    def root_der(self) -> Path:
        """The API's root certificate, as devices need it."""
        return self.trust.api.root_der

    @property
    def root_pem(self) -> Path:
        """The API's root certificate, as other tools need it."""
        return self.trust.api.root_pem

    @property
    def ca_files(self) -> list[Path]:
        """Who vouches for the API and for S3 today, as PEM files."""
        s3 = self.trust.s3.root_pem if self.edge else self._endpoint.ca
        return [ca for ca in dict.fromkeys([self.trust.api.root_pem, s3]) if ca]

    @property
    def roots(self) -> list[Path]:
        """The root certificates that a device needs today, in DER form."""
        roots = []
        for ca in self.ca_files:
            der = ssl.PEM_cert_to_DER_cert(ca.read_text())
            # A device that was given a root keeps that one, whoever vouches later.
            roots.append(self._scratch / f"root-{hashlib.sha256(der).hexdigest()[:8]}.der")
            roots[-1].write_bytes(der)
        return roots

    @property
    def s3_log(self) -> Path | None:
        """What the cloud's own S3 has to say."""
        return self._ministack and self._ministack.log

    def new_device(self, device_id: str = "dev_demo", end_user_id: str = "eu_demo") -> str:
        """A fresh device token; the device is registered and bound if it is not."""
        self.service.devices.ensure(device_id, end_user_id)
        return self.state.issue_token(device_id, end_user_id)

    def recordings(self) -> list[Recording]:
        """Every recording that the service knows."""
        return self.state.recordings()

    def media_bytes(self, recording: Recording, media) -> bytes:
        """What S3 holds of a media file."""
        return self.s3.get(object_key(recording, media))

    def device_config(self, storage: Path | str, token: str | None = None, **more) -> dict:
        """A device configuration for this cloud."""
        return {
            "api_url": self.api_url,
            "device_token": token or self.new_device(),
            "storage": str(storage),
            "roots": [str(root) for root in self.roots],
            **more,
        }
