"""Reads, checks and explains the configuration; keeps secrets out of sight."""

import json

from .errors import ConfigError

# key: default (its type is the key's), or the type alone where the key is required; for
# numbers also the least and the most. What each is for: README of firmware/.
_KEYS = {
    "allow_insecure": False,
    "api_url": str,
    "backoff_max_s": (300, 1, 86400),
    "chunk_bytes": (4096, 512, 65536),
    "delete_when_full": False,
    "device_token": str,
    "low_space_bytes": (65536, 0, 1 << 30),
    "max_connections": (2, 1, 8),
    "roots": list,
    "stall_timeout_s": (30, 1, 600),
    "storage": str,
    "sync_bytes": (32768, 512, 1 << 24),
}
_NAMES = {str: "a string", int: "a whole number", bool: "true or false", list: "a list"}


class Config:
    """The checked configuration; each key is an attribute, defaults filled in.

    `values` is a dict. Relative paths in `storage` and `roots` are taken from `base`.
    Raises ConfigError, whose one line names the key, for an unknown or missing key, a wrong
    type, a number out of range, an http:// address without `allow_insecure`.
    """

    def __init__(self, values, base=""):
        if not isinstance(values, dict):
            raise ConfigError("the configuration is not a JSON object")
        for key in values:
            if key not in _KEYS:
                raise ConfigError(
                    "unknown key %r; the keys are: %s" % (key, ", ".join(sorted(_KEYS)))
                )
        for key in sorted(_KEYS):
            default = _KEYS[key]
            least = most = None
            if isinstance(default, tuple):
                default, least, most = default
            kind = default if isinstance(default, type) else type(default)
            value = values.get(key, default)
            if value is kind:
                raise ConfigError("missing key %r" % key)
            # By type(), for a bool is an int, but 1 connection is not True connections.
            if type(value) is not kind:
                raise ConfigError("key %r must be %s" % (key, _NAMES[kind]))
            if least is not None and not least <= value <= most:
                raise ConfigError("key %r must be %d to %d" % (key, least, most))
            if value == "":
                raise ConfigError("key %r is empty" % key)
            setattr(self, key, value)
        self._check(base)

    def _check(self, base):
        self.api_url = self.api_url.rstrip("/")
        scheme = self.api_url.split("://")[0]
        if scheme == "http" and not self.allow_insecure:
            raise ConfigError("key 'api_url': http:// is refused unless allow_insecure is true")
        if scheme not in ("http", "https") or "://" not in self.api_url or "@" in self.api_url:
            raise ConfigError("key 'api_url' must look like https://host/path")
        for c in self.device_token:
            if not 32 < ord(c) < 127:
                raise ConfigError("key 'device_token' has a space or an unprintable character")
        if len(self.device_token) > 512:
            raise ConfigError("key 'device_token' is longer than 512 characters")
        if scheme == "https" and not self.roots:
            raise ConfigError("key 'roots' is empty: no server could be trusted")
        self.storage = _path(base, self.storage)
        roots = []
        for root in self.roots:
            if not isinstance(root, str):
                raise ConfigError("key 'roots' must be a list of paths")
            roots.append(_path(base, root))
            check_root(roots[-1])
        self.roots = roots

    def __repr__(self):
        return "<Config %s>" % self.api_url


def load(path):
    """Read a Config from a JSON file. Raises ConfigError, its text beginning with the path."""
    try:
        with open(path) as f:
            values = json.load(f)
    except OSError:
        raise ConfigError("%s: the file can't be read" % path)
    except ValueError:
        raise ConfigError("%s: not valid JSON" % path)
    cut = path.rfind("/")
    try:
        return Config(values, path[: cut + 1])
    except ConfigError as e:
        raise ConfigError("%s: %s" % (path, e))


def check_root(path):
    """Raise ConfigError unless `path` is a root certificate in DER form."""
    try:
        with open(path, "rb") as f:
            head = f.read(2)
    except OSError:
        raise ConfigError("key 'roots': %s can't be read" % path)
    # A DER certificate is an ASN.1 SEQUENCE with a long-form length (X.690 section 8.1).
    if len(head) < 2 or head[0] != 0x30 or head[1] not in (0x81, 0x82):
        raise ConfigError("key 'roots': %s is not a certificate in DER form (PEM?)" % path)


def _path(base, path):
    return path if path.startswith("/") or not base else base + path


def redact(text, *secrets):
    """`text` without the given secrets, without anything like a device token, without the
    query part of any URL (a pre-signed URL's query is its key)."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[secret]")
    out = []
    for word in text.split(" "):
        i = word.find("?")
        if i >= 0 and ("://" in word or "=" in word):
            word = word[: i + 1] + "..."
        i = word.find("X-Amz-")
        if i >= 0:
            word = word[:i] + "..."
        i = word.find("dtok_")
        if i >= 0:
            word = word[: i + 5] + "..."
        out.append(word)
    return " ".join(out)
