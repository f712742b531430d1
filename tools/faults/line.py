"""A cloud behind a line that can be slow, and that breaks where it is told to."""

import json
from contextlib import ExitStack
from pathlib import Path

from tools.cloud import Cloud
from tools.cloud.limits import Limits

from .proxy import Proxy, Shape


class Line:
    """`cloud` behind `proxy`, from `with Line(folder) as line:` on. Not shared between threads.

    The cloud is one of its own, without limits, unless one that runs is given; its upload URLs
    lead through the proxy while the line is there. `config` and `storage` are a device's, in
    `folder`; `shape` is the line's speed.
    """

    def __init__(self, folder: Path, cloud: Cloud | None = None, shape: Shape | None = None):
        self.folder = folder
        self.config = folder / "config.json"
        self.storage = folder / "flash"
        self.settings = {}
        self.cloud = cloud
        self.proxy = None
        self._shape = shape
        self._stack = ExitStack()

    def __enter__(self):
        with ExitStack() as stack:
            if self.cloud is None:
                self.cloud = stack.enter_context(Cloud(limits=Limits(10**9, 10**9)))
            targets = (self.cloud.port, self.cloud.edge.port)
            self.proxy = stack.enter_context(Proxy(*targets, shape=self._shape))
            service = self.cloud.service
            stack.callback(setattr, service, "sign", service.sign)
            service.sign = self.cloud.s3.signer(f"https://localhost:{self.proxy.ports[1]}")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def configure(self, **settings) -> Path:
        """Write the configuration of a device, of a new token, that is behind this line."""
        api_url = f"https://localhost:{self.proxy.ports[0]}/v1"
        usual = {"api_url": api_url, "ntp_server": ""}
        self.settings = self.cloud.device_config(self.storage, **{**usual, **settings})
        self.config.write_text(json.dumps(self.settings))
        return self.config
