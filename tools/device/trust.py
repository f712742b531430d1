"""Which root certificates a device needs: looked up on the chains that its servers show."""

import hashlib
import socket
import ssl
from urllib.parse import urlsplit

from .connection import DeviceError

# The bucket of the upload-url reference's example.
S3_URL = "https://bota-uploads.s3.amazonaws.com"


def root_of(url: str, ca_file: str | None = None) -> bytes:
    """The root certificate, as DER, under which this machine trusts a server.

    `ca_file` is a PEM file to trust beside the system's roots (a private cloud's).
    """
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or 443
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    try:
        with (
            socket.create_connection((host, port), timeout=15) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            chain = _verified_chain(connection)
    except ssl.SSLCertVerificationError as e:
        raise DeviceError(
            f"{host} shows a certificate that this machine does not trust: {e.verify_message}. A "
            "device must not either. For a cloud of your own name its root: ca_file."
        ) from e
    except OSError as e:
        raise DeviceError(f"{host}:{port} can't be reached to look at its certificates: {e}") from e
    return chain[-1]


def _verified_chain(connection: ssl.SSLSocket) -> list[bytes]:
    """DER certificates, the server's first, the root last."""
    if hasattr(connection, "get_verified_chain"):  # Python 3.13
        return connection.get_verified_chain()
    inner = connection._sslobj.get_verified_chain()  # 3.10 to 3.12 have it, unnamed
    return [ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in inner]


def name_of(der: bytes) -> str:
    """A file name for a root that does not change while the root does not."""
    return hashlib.sha256(der).hexdigest()[:16] + ".der"
