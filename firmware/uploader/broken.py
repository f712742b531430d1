"""What broke a connection, in the module's own terms: loaded when one broke."""

from . import memory
from .errors import TransportError


def transport_error(e, answered):
    """The TransportError of an OSError or MemoryError; `answered` as there."""
    if memory.lacking(e):
        return TransportError("memory", "out of memory: %s" % e, answered)
    code = e.errno or 0
    text = str(e.args[1]) if len(e.args) > 1 else str(e)
    # mbedTLS's own errors are large and negative; -256 and up are passed-through errnos.
    if code < -256 and not answered:
        # An answer that is no TLS at all: a captive portal, or a wrong port.
        kind = "not_tls" if code == -0x7200 or "INVALID_RECORD" in text else "tls"
        return TransportError(kind, "TLS failed: " + text)
    return TransportError("closed", "the connection broke: " + text, answered)


def certificate_error(e):
    """The TransportError of a ValueError, mbedTLS's verdict on a certificate."""
    # The texts are those of mbedTLS's x509 verify_info.
    if memory.lacking(e):
        return TransportError("memory", "out of memory: %s" % e)
    text = str(e).strip().replace("\n", ", ")
    low = text.lower()
    only_dates = "validity" in low and "trusted" not in low and "expected cn" not in low
    return TransportError("cert_time" if only_dates else "cert", "certificate refused: " + text)
