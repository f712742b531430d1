"""Which certificate authority vouches for the API, and which for S3: by default one for both;
either can change while the cloud runs, and between two runs of a cloud that keeps its data."""

import json
import ssl
from pathlib import Path

from .pki import NAMES, Authority

ROLES = ("api", "s3")


class Trust:
    """`api` and `s3` are the Authorities. With `keep` they are found again in `directory`.
    `host` is what devices call this machine, beside its usual names."""

    def __init__(self, directory: Path, keep: bool, host: str = "localhost"):
        self._directory = directory
        self._keep = keep
        self._names = tuple(dict.fromkeys((*NAMES, host)))
        self._file = directory / "authorities.json"
        self._contexts = {role: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for role in ROLES}
        self._numbers = {role: 1 for role in ROLES}
        if keep and self._file.exists():
            self._numbers = json.loads(self._file.read_text())
        made = {n: self._authority(n) for n in set(self._numbers.values())}
        self._authorities = {role: made[self._numbers[role]] for role in ROLES}
        for role in ROLES:
            self._authorities[role].certify(self._contexts[role], *self._names)
        self._save()

    @property
    def api(self) -> Authority:
        """Who vouches for the API."""
        return self._authorities["api"]

    @property
    def s3(self) -> Authority:
        """Who vouches for S3."""
        return self._authorities["s3"]

    def context(self, role: str) -> ssl.SSLContext:
        """The TLS context of the server of that role."""
        return self._contexts[role]

    def change(self, *roles: str):
        """Have a new authority, one for all these roles (`api`, `s3`). Connections that are
        made from now on show its certificate; those that are open go on."""
        number = max(self._numbers.values()) + 1
        authority = self._authority(number)
        for role in roles:
            self.use(role, authority)
            self._numbers[role] = number
        self._save()

    def use(self, role: str, authority: Authority):
        """Have this authority, until the cloud ends or `change`."""
        authority.certify(self._contexts[role], *self._names)
        self._authorities[role] = authority

    def _authority(self, number):
        folder = self._directory / f"authority-{number}"
        return Authority(folder, self._keep)

    def _save(self):
        self._file.write_text(json.dumps(self._numbers))
