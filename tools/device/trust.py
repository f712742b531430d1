"""Which root certificates a device needs: looked up on the chains that its servers show; and the
bundle of others, for the day that a server moves to another certificate authority."""

import hashlib
import socket
import ssl
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .connection import DeviceError

# The bucket of the upload-url reference's example.
S3_URL = "https://bota-uploads.s3.amazonaws.com"
# Organisations whose roots go into the bundle, in the order in which a device tries them. S3's
# come first (Amazon Trust Services, "Certificate Authorities": the four Amazon roots and
# Starfield's), then those that most public servers are under today.
_WIDELY_USED = (
    "Amazon",
    "Starfield Technologies",
    "Internet Security Research Group",
    "Google Trust Services",
    "GlobalSign",
    "DigiCert",
    "Sectigo",
    "The USERTRUST Network",
    "COMODO",
    "GoDaddy",
    "Microsoft",
    "SSL Corporation",
    "IdenTrust",
)


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


def bundle(current: list[bytes], ca_file: str | None = None) -> tuple[bytes, bytes]:
    """The two files of the setting `root_bundle`: the list and the certificates, as
    `uploader/trust.py` reads them.

    `current` (DER) come first, then the siblings of their authorities, then what `ca_file` (PEM)
    has, then Mozilla's widely used ones (from certifi).
    """
    known = _certificates(Path(certifi.where()).read_bytes())
    mine = [x509.load_der_x509_certificate(der) for der in current]
    names = {_organisation(c) for c in mine} - {""}
    found = mine + [c for c in known if _organisation(c) in names]
    if ca_file:
        found += _certificates(Path(ca_file).read_bytes())
    for name in _WIDELY_USED:
        found += [c for c in known if _organisation(c).startswith(name)]
    lines, data = [], b""
    for der, certificate in {c.public_bytes(Encoding.DER): c for c in found}.items():
        fingerprint = hashlib.sha256(der).hexdigest()[:16]
        lines.append(f"{len(data)} {len(der)} {fingerprint} {title_of(certificate)}\n")
        data += der
    return "".join(lines).encode(), data


def title_of(certificate: x509.Certificate) -> str:
    """What people call a root: its common name, in ASCII."""
    oids = (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    names = [a.value for oid in oids for a in certificate.subject.get_attributes_for_oid(oid)]
    names.append(_organisation(certificate) or "unnamed")
    return names[0].encode("ascii", "replace").decode()[:48]


def _organisation(certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    return found[0].value if found else ""


def _certificates(pem: bytes) -> list[x509.Certificate]:
    with warnings.catch_warnings():
        # One of Mozilla's roots has a serial number that RFC 5280 forbids.
        warnings.simplefilter("ignore")
        return x509.load_pem_x509_certificates(pem)
