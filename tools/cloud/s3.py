"""An S3, whichever it is: objects read and written, URLs signed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = "uploads"


@dataclass
class Endpoint:
    """Where an S3 is, and the credentials for it. An `http` one is put behind TLS, as devices
    need it, and behind AWS's strictness; an `https` one devices speak to directly. `ca` is a
    PEM file of who vouches for it, where that is not a public authority. Raises ValueError for
    what is no address."""

    url: str
    key: str
    secret: str
    bucket: str = BUCKET
    region: str = "us-east-1"
    ca: Path | None = None

    def __post_init__(self):
        self.address  # noqa: B018 raises ValueError

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return urlsplit(self.url).scheme == "https"

    @property
    def address(self) -> tuple[str, int]:
        """Its host and port."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{self.url} is not the address of an S3: http(s)://HOST[:PORT]")
        return parts.hostname, parts.port or (443 if self.secure else 80)


class Storage:
    """One bucket of an S3; it is made if it is missing. `public_url` is where devices reach
    it. Raises RuntimeError if it does not answer, or refuses the credentials."""

    def __init__(self, endpoint: Endpoint):
        self._endpoint = endpoint
        self._bucket = endpoint.bucket
        self._client = self._boto(endpoint.url)
        self.public_url = endpoint.url
        try:
            self._client.create_bucket(Bucket=self._bucket)
        except ClientError as e:
            if "BucketAlready" not in str(e):
                raise RuntimeError(f"{endpoint.url}: {e}") from e
        except BotoCoreError as e:
            raise RuntimeError(f"{endpoint.url}: {e}") from e

    def _boto(self, url):
        return boto3.client(
            "s3",
            endpoint_url=url,
            region_name=self._endpoint.region,
            aws_access_key_id=self._endpoint.key,
            aws_secret_access_key=self._endpoint.secret,
            verify=str(self._endpoint.ca) if self._endpoint.ca else None,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"max_attempts": 2},
                # Not every S3 knows the checksums that boto3 sends unasked.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def signer(self, url: str):
        """`sign(key, content_type, expires_s)`: a pre-signed PUT URL at `url`."""
        client = self._boto(url)

        def sign(key: str, content_type: str, expires_s: int) -> str:
            return client.generate_presigned_url(
                "put_object",
                Params={"Bucket": self._bucket, "Key": key, "ContentType": content_type},
                ExpiresIn=expires_s,
            )

        return sign

    def sign_put(self, key: str, content_type: str, expires_s: int) -> str:
        """A pre-signed PUT URL where devices reach it."""
        return self.signer(self.public_url)(key, content_type, expires_s)

    def sign_get(self, key: str, expires_s: int) -> str:
        """A pre-signed GET URL where devices reach it."""
        return self._boto(self.public_url).generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=expires_s
        )

    def size(self, key: str) -> int | None:
        """The size of an object, or None if there is none."""
        try:
            return self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        except ClientError as e:
            if e.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def get(self, key: str) -> bytes:
        """An object's bytes."""
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def sha256(self, key: str) -> str:
        """An object's SHA-256, as 64 lower-case hex digits."""
        digest = hashlib.sha256()
        body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        for chunk in body.iter_chunks(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()

    def put(self, key: str, data: bytes):
        """Write an object."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=data)
