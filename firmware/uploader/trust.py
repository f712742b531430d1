"""Trust that outlasts a certificate authority: other roots, tried when the usual ones fail.

The setting `root_bundle` names two files: `.der` has root certificates one after another, `.txt` a
line for each: offset, length, fingerprint, name. An update may bring such files, too: they lie
beside the firmware that they came with, and come after the setting's. One is tried for a host only
if its certificate is "not trusted" and nothing else is wrong with it (mbedTLS, x509.h:
X509_CRT_ERROR_INFO), by itself, a few a round. What worked is remembered for that host alone.
"""

import gc
import time

import tls
from micropython import const

from .errors import TransportError
from .journal import Durable

_ROUND = const(4)  # handshakes, each a second or two of arithmetic
_PACE_MS = const(300000)
_HOSTS = const(4)  # remembered at most
# What an update brought: /lib2/roots of /lib2/uploader/trust.mpy.
BROUGHT = __file__.rpartition("uploader/")[0] + "roots"
_NEXT = "next"  # beside the hosts, which have a colon in them
_NOT_TRUSTED = "not correctly signed by the trusted CA"


def roots(path):
    """Generate what is in a bundle: (fingerprint, name, offset, length) of each root."""
    try:
        with open(path + ".txt") as f:
            for line in f:
                offset, length, fingerprint, name = line.strip().split(" ", 3)
                yield fingerprint, name, int(offset), int(length)
    except (OSError, ValueError):
        pass  # no bundle, or one cut short: there is nothing more to try


def _all(settings):
    for path in (settings.root_bundle, BROUGHT):
        for found in roots(path):
            yield path, found


def _has(path, fingerprint):
    for found in roots(path):
        if found[0] == fingerprint:
            return True
    return False


def context(settings, fingerprint):
    """An SSLContext that trusts the root of that fingerprint alone, None if there is none."""
    for path, (found, _, offset, length) in _all(settings):
        if found == fingerprint:
            der = _read(path, offset, length)
            return der and _context(der)
    return None


def _context(der):
    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = tls.CERT_REQUIRED
    made.load_verify_locations(der)
    return made


def _read(path, offset, length):
    try:
        with open(path + ".der", "rb") as f:
            f.seek(offset)
            return f.read(length)
    except OSError:
        return None


def only_untrusted(error):
    """True for a certificate whose one fault is that no root vouches for it."""
    faults = str(error).split(": ", 1)[-1].split(", ")
    for fault in faults:
        if _NOT_TRUSTED not in fault:
            return False
    return error.kind == "cert"


async def search(http, error, parts, key, *args):
    """What `http.attempt(key, *args)` gives under the first root that is right; `error` is what
    it raised. `parts` are the settings and the LinkManager (or None). Raises TransportError."""
    settings, links = parts
    host = "%s:%d" % key[1:]
    found = http.searches.setdefault(host, Search(settings, host))
    result, name = await found.find(error, http.own, lambda: http.attempt(key, *args))
    http.searches.pop(host)
    if links:
        links.tell("certificate", state="moved", host=host, root=name)
    return result


class Search:
    """Looks for the root of `host` (`name:port`), a round at a time; `ticks_ms` counts
    milliseconds."""

    def __init__(self, settings, host, ticks_ms=time.ticks_ms):
        self._settings = settings
        self._host = host
        self._ticks = ticks_ms
        self._begun_ms = None
        self._known = Durable(settings.state + "/trust")
        # Line of the bundle to be tried next; before them all, `roots`.
        self._next = self._known.value.get(_NEXT, -1)

    async def find(self, error, own, attempt):
        """What `await attempt()` returns under the first root that is right, and its name.

        `own[host]` is the context for the host's next connection, None that of the setting
        `roots`. Raises TransportError: `error`, that of the first attempt, if none was right
        or it is too early for another round.
        """
        now = self._ticks()
        if not only_untrusted(error) or (
            self._begun_ms is not None and time.ticks_diff(now, self._begun_ms) < _PACE_MS
        ):
            raise error
        self._begun_ms = now
        before = own.get(self._host)
        found = False
        try:
            for fingerprint, name, der in self._round(self._known.value.get(self._host)):
                try:
                    own[self._host] = der and _context(der)
                    result = await attempt()
                except ValueError:
                    self._next += 1  # no certificate, or none that mbedTLS can read
                    continue
                except TransportError as e:
                    if only_untrusted(e):
                        self._next += 1
                        continue
                    raise
                found = True
                self._remember(fingerprint)
                return result, name
        finally:
            if not found:
                own[self._host] = before
                self._save()
        raise error

    def _round(self, current):
        """Generate (fingerprint, name, DER) of those to be tried now; None, None for `roots`."""
        left = _ROUND
        if self._next < 0:
            if current is None:
                self._next = 0  # they have just failed
            else:
                left -= 1
                yield None, "", None
        setting = self._settings.root_bundle
        for i, (path, (fingerprint, name, offset, length)) in enumerate(_all(self._settings)):
            if i != self._next:
                continue
            again = fingerprint == current or path == BROUGHT and _has(setting, fingerprint)
            der = None if again else _read(path, offset, length)
            if not der:
                self._next += 1
                continue
            gc.collect()
            yield fingerprint, name, der
            left -= 1
            if not left:
                return
        self._next = -1

    def _remember(self, fingerprint):
        known = self._known.value
        known.pop(_NEXT, None)
        if fingerprint:
            known[self._host] = fingerprint
            while len(known) > _HOSTS:
                for host in known:
                    if host != self._host:
                        known.pop(host)
                        break
        else:
            known.pop(self._host, None)
        self._next = -1
        self._save()

    def _save(self):
        if self._next >= 0:
            self._known.value[_NEXT] = self._next
        else:
            self._known.value.pop(_NEXT, None)
        try:
            self._known.save()
        except OSError:
            pass  # a full flash: it is found again after the next boot
