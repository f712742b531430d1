"""ministack, a real S3 implementation, as a subprocess."""

import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

_START_S = 120
_PORTS = 3


class Ministack:
    """ministack with `AUTH=true`, which checks signatures, on a free port of loopback (`url`).
    `data` None keeps it in memory."""

    key = secret = "test"

    def __init__(self, scratch: Path, data: Path | None = None):
        for left in range(_PORTS, 0, -1):
            try:
                self._start(scratch, data)
                return
            except RuntimeError:
                # Somebody may have taken the port before it was listened at.
                if left == 1:
                    raise

    def _start(self, scratch, data):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        env = {
            **os.environ,
            "AUTH": "true",
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "localhost",
            "SERVICES": "s3",
            "LOG_LEVEL": "WARNING",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "TMPDIR": str(scratch),
            "S3_PERSIST": "1" if data else "0",
            "S3_DATA_DIR": str(data or scratch / "s3"),
        }
        self.log = scratch / "s3.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is the cloud's to handle, in its order
            )
        self._wait()

    def _wait(self):
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5).close()
            except urllib.error.HTTPError:
                pass
            except OSError:
                time.sleep(0.05)
                continue
            # Not somebody else's answer.
            if self._process.poll() is None:
                return
        self.stop()
        raise RuntimeError(f"S3 did not start:\n{self.log.read_text()[-2000:]}")

    def stop(self):
        """End the subprocess."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def free_port() -> int:
    """A port on loopback that was free a moment ago, below those that the kernel gives to every
    connection: none of those takes it before it is listened at."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
