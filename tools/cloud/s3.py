"""A real S3 implementation, ministack, as a subprocess, and the keys to sign URLs for it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
from botocore.client import Config
from botocore.exceptions import ClientError

BUCKET = "uploads"
_KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
_START_S = 60


class S3:
    """ministack with `AUTH=true`, which checks signatures. `data` None keeps it in memory."""

    def __init__(self, scratch: Path, data: Path | None = None):
        self.port = free_port()
        env = {
            **os.environ,
            "AUTH": "true",
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "localhost",
            "SERVICES": "s3",
            "LOG_LEVEL": "WARNING",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
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
        self._client = self._boto(f"http://127.0.0.1:{self.port}")
        try:
            self._client.create_bucket(Bucket=BUCKET)
        except ClientError as e:
            if "BucketAlready" not in str(e):
                raise

    def _wait(self):
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_ministack/health", timeout=5)
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"S3 did not start:\n{self.log.read_text()[-2000:]}")

    @staticmethod
    def _boto(endpoint):
        return boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
            **_KEYS,
        )

    def signer(self, endpoint: str):
        """`sign(key, content_type, expires_s)`: a pre-signed PUT URL at `endpoint`."""
        client = self._boto(endpoint)

        def sign(key: str, content_type: str, expires_s: int) -> str:
            return client.generate_presigned_url(
                "put_object",
                Params={"Bucket": BUCKET, "Key": key, "ContentType": content_type},
                ExpiresIn=expires_s,
            )

        return sign

    def size(self, key: str) -> int | None:
        """The size of an object, or None if there is none."""
        try:
            return self._client.head_object(Bucket=BUCKET, Key=key)["ContentLength"]
        except ClientError as e:
            if e.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def get(self, key: str) -> bytes:
        """An object's bytes."""
        return self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

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
    """A port on loopback that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
