"""A request's URL and head, checked (RFC 9110, RFC 9112): loaded for each request."""

from micropython import const

from .errors import TransportError

_MAX_URL = const(4096)
_MAX_VALUE = const(8192)  # characters of a header field


def split_url(url, allow_insecure=False):
    """(tls, host, port, target) of an absolute URL, checked before use.

    Raises TransportError `refused` for any scheme but https (http only where
    `allow_insecure`), for credentials, control characters or spaces in it, or undue length.
    """
    if not isinstance(url, str) or len(url) > _MAX_URL:
        raise _refused("not a usable URL")
    for c in url:
        if not 32 < ord(c) < 127:
            raise _refused("a URL with control characters, spaces or non-ASCII")
    scheme, _, rest = url.partition("://")
    tls = scheme.lower() == "https"
    if not tls and not (allow_insecure and scheme.lower() == "http"):
        raise _refused("a URL that is not https")
    cut = len(rest)
    for c in "/?#":
        i = rest.find(c)
        if 0 <= i < cut:
            cut = i
    authority, target = rest[:cut], rest[cut:].split("#")[0]
    if "@" in authority:
        raise _refused("a URL with credentials in it")
    host, colon, port = authority, "", ""
    if authority[-1:] != "]":  # [::1] has colons of its own
        i = authority.rfind(":")
        if i >= 0:
            host, colon, port = authority[:i], ":", authority[i + 1 :]
    host = host.strip("[]")
    if not host or (colon and not (port.isdigit() and 0 < int(port) < 65536)):
        raise _refused("a URL without a usable host and port")
    if target[:1] != "/":
        target = "/" + target
    return tls, host, int(port or (443 if tls else 80)), target


def head(method, key, target, headers, size):
    """The bytes of a request's head, for a body of `size` bytes. `key` is as Connection's. Raises
    TransportError `refused`."""
    secure, host, port = key
    if ":" in host:
        host = "[%s]" % host
    if port != (443 if secure else 80):
        host += ":%d" % port
    lines = ["%s %s HTTP/1.1" % (method, target), "Host: " + host]
    for name, value in headers:
        check_field(name, value)
        lines.append("%s: %s" % (name, value))
    if size or method in ("POST", "PUT"):
        lines.append("Content-Length: %d" % size)
    lines.append("\r\n")
    return "\r\n".join(lines).encode()


def check_field(name, value):
    """Raise TransportError `refused` unless this is a safe header field (RFC 9110 section 5.5)."""
    ok = isinstance(name, str) and isinstance(value, str) and name and len(value) <= _MAX_VALUE
    if ok:
        for c in name + value:
            ok = ok and 32 <= ord(c) < 127
        for c in name:
            ok = ok and (c.isalpha() or c.isdigit() or c in "-_")
    if not ok:
        raise _refused("a header field that is not safe to send")


def _refused(text):
    return TransportError("refused", text)
