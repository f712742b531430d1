"""The parts put together and run in a thread."""

import asyncio
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import uvicorn

from . import page
from .api import Service
from .edge import Edge
from .limits import Limits
from .models import Recording
from .pki import Authority
from .s3 import S3
from .state import State, object_key


class Cloud:
    """The local cloud, running from `with Cloud() as cloud:` until its end.

    `data` is a directory to keep everything in (None: in memory). `port` is the API's (0: a free
    one, known once it runs), `limits` its rate limits, `plain` serves the API over HTTP without
    TLS (for tests of transports that can't verify certificates).
    """

    def __init__(
        self, data: Path | None = None, port: int = 0, limits: Limits | None = None, plain=False
    ):
        self._scratch = Path(tempfile.mkdtemp(prefix="cloud-"))
        self._data = data
        self.port = port
        self._plain = plain
        self.limits = limits or Limits()
        self.authority = Authority(self._scratch)
        self.root_der = self.authority.root_der
        self.root_pem = self.authority.root_pem
        self.state = self.s3 = self.edge = self.service = None
        self.page_url = None  # a page to see what arrives, in a browser on this machine
        self._page_server = None
        self._server = self._thread = self._error = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Start all parts; returns when they answer."""
        try:
            if self._data:
                self._data.mkdir(parents=True, exist_ok=True)
            self.state = State(self._data / "state.sqlite" if self._data else None)
            self.s3 = S3(self._scratch, self._data / "s3" if self._data else None)
            self.edge = Edge(self.s3.port)
            ready = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
            self._thread.start()
            ready.wait(60)
            if self._error:
                raise self._error
        except BaseException:
            self.stop()
            raise

    def _run(self, ready):
        try:
            asyncio.run(self._serve(ready))
        except Exception as e:  # handed to start()
            self._error = e
            ready.set()

    async def _serve(self, ready):
        context = self.authority.server_context()
        await self.edge.start(context)
        sign = self.s3.signer(f"https://localhost:{self.edge.port}")
        self.service = Service(self.state, self.limits, sign, self.s3.size)
        # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it each
        # answer waits for the client's delayed ACK.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self.port))
        except OSError as e:
            raise RuntimeError(f"port {self.port} can't be had: {e.strerror}") from e
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.service.app, log_level="warning", lifespan="off", timeout_keep_alive=75
        )
        config.load()
        config.ssl = None if self._plain else context
        self._server = uvicorn.Server(config)
        listener.listen(100)
        server = asyncio.create_task(self._server.serve([listener]))
        while not self._server.started and not server.done():
            await asyncio.sleep(0.01)
        shown = asyncio.create_task(self._serve_page())
        while self.page_url is None and not shown.done():
            await asyncio.sleep(0.01)
        ready.set()
        await server
        await shown
        await self.edge.stop()

    async def _serve_page(self):
        listener = socket.create_server(("127.0.0.1", 0))
        app = page.build(self.state, self.s3.get)
        config = uvicorn.Config(app, log_level="warning", lifespan="off")
        self._page_server = uvicorn.Server(config)
        serving = asyncio.create_task(self._page_server.serve([listener]))
        while not self._page_server.started and not serving.done():
            await asyncio.sleep(0.01)
        self.page_url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        await serving

    def stop(self):
        """Stop all parts and remove what is not to be kept."""
        if self._server:
            self._server.should_exit = True
            self._server.force_exit = True
        if self._page_server:
            self._page_server.should_exit = True
            self._page_server.force_exit = True
        if self._thread:
            self._thread.join(30)
        if self.s3:
            self.s3.stop()
        if self.state:
            self.state.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def api_url(self) -> str:
        """The device API's base address."""
        return f"{'http' if self._plain else 'https'}://localhost:{self.port}/v1"

    def new_device(self, device_id: str = "dev_demo", end_user_id: str = "eu_demo") -> str:
        """A fresh device token."""
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
            "roots": [str(self.root_der)],
            **more,
        }
