"""The device token in use and the binding that it stands for, kept through power cuts.

A token belongs to one end user. The binding is a name of this device's own for "recordings
made while this user's token was in place": rotating the token keeps it, provisioning another
token begins a new one unless the owner says that the user is the same.
"""

import os
from binascii import hexlify
from hashlib import sha256

from .journal import Durable


class Credentials:
    """`token` and `binding` (text) in force; `lost` tells that a rotation's answer went
    missing, so that the service may know a token that this device does not.

    `path` is the common beginning of the files' names, `provisioned` the token of the
    configuration, `same_user` the owner's word that it is of the same end user as the one
    before it. Raises OSError.
    """

    def __init__(self, path, provisioned, same_user=False):
        self._durable = Durable(path)
        known = self._durable.value
        # A hash tells "another token was provisioned" without keeping a second secret.
        mark = hexlify(sha256(provisioned.encode()).digest()[:8]).decode()
        if known.get("mark") != mark:
            binding = known.get("binding") if same_user else None
            known.clear()
            known["mark"] = mark
            known["binding"] = binding or hexlify(os.urandom(4)).decode()
            self._durable.save()
        self.binding = known["binding"]
        self.token = known.get("token") or provisioned

    @property
    def lost(self):
        """True while it is unknown whether the service has replaced the token."""
        return bool(self._durable.value.get("asked"))

    @property
    def device_id(self):
        """The service's id of this device, or None until an answer told it."""
        return self._durable.value.get("device")

    def learn_device(self, device_id):
        """Keep the device's id as the service gave it."""
        if device_id != self.device_id:
            self._durable.value["device"] = device_id
            self._durable.save()

    def asking(self):
        """Durably note that a new token is about to be asked for."""
        self._durable.value["asked"] = 1
        self._durable.save()

    def settled(self, token=None, now=None):
        """The service answered: with a new `token` (at Unix second `now`), or in a way that
        leaves the old one valid. Durable when this returns."""
        self._durable.value.pop("asked", None)
        if token:
            self._durable.value["token"] = token
            self._durable.value["at"] = now or 0
        self._durable.save()
        self.token = token or self.token

    def older_than(self, seconds, now):
        """True if the token has been in use for longer than that; counted from the first
        time that this was asked."""
        if "at" not in self._durable.value:
            self._durable.value["at"] = now
            self._durable.save()
        return now - self._durable.value["at"] >= seconds
