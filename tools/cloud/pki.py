"""Private certificate authorities for the local cloud."""

import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme

NAMES = ("localhost", "cloud.test", "127.0.0.1", "::1")


class Authority:
    """A CA whose root lies in `directory` as `root.der`, as devices need it, and `root.pem`.

    RSA, as Amazon's roots and S3's certificates are; a device verifies it faster than ECDSA.
    With `keep` its key lies there too (`root.key`), and the next Authority there is the same.
    """

    def __init__(self, directory: Path, keep: bool = False):
        self.root_der = directory / "root.der"
        self.root_pem = directory / "root.pem"
        key = directory / "root.key"
        directory.mkdir(parents=True, exist_ok=True)
        if keep and key.exists():
            self.ca = trustme.CA.from_pem(self.root_pem.read_bytes(), key.read_bytes())
            return
        self.ca = trustme.CA(key_type=trustme.KeyType.RSA)
        pem = self.ca.cert_pem.bytes()
        self.root_pem.write_bytes(pem)
        self.root_der.write_bytes(ssl.PEM_cert_to_DER_cert(pem.decode()))
        if keep:
            key.touch(0o600)
            key.write_bytes(self.ca.private_key_pem.bytes())

    def server_context(self, *names: str, not_before=None, not_after=None) -> ssl.SSLContext:
        """A server's TLS context with a certificate for `names` and these dates."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certify(context, *names, not_before=not_before, not_after=not_after)
        return context

    def certify(self, context: ssl.SSLContext, *names: str, not_before=None, not_after=None):
        """Give a server's context a certificate; connections that are made from now on show
        it, whatever it showed before."""
        now = datetime.now(timezone.utc)
        certificate = self.ca.issue_cert(
            *(names or NAMES),
            not_before=not_before or now - timedelta(days=1),
            not_after=not_after or now + timedelta(days=365),
            key_type=trustme.KeyType.RSA,
        )
        certificate.configure_cert(context)

    def client_context(self) -> ssl.SSLContext:
        """A client's TLS context that trusts this authority only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca.configure_trust(context)
        return context
