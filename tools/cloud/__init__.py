"""The local cloud: the device API and a real S3, both behind TLS, on loopback."""

from .cloud import Cloud

__all__ = ["Cloud"]
