"""Who calls: a device with its token, or a backend with an API key."""

import secrets

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from .errors import Refusal
from .models import Token
from .state import State

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An API key (`sk_...`) or a device token (`dtok_...`).",
)
Given = Depends(_bearer)


class ApiKey(BaseModel):
    """An API key, with every scope."""

    key: str


class Auth:
    """Reads credentials; its methods are FastAPI dependencies."""

    def __init__(self, state: State):
        self._state = state

    def api_key(self) -> str:
        """The project's API key, made at the first call."""
        keys = self._state.keys("api_key")
        if not keys:
            keys = ["sk_test_" + secrets.token_hex(16)]
            self._state.put("api_key", keys[0], ApiKey(key=keys[0]))
        return keys[0]

    def either(self, given: HTTPAuthorizationCredentials | None = Given) -> Token | None:
        """The device token, or None for an API key. Raises 401 for anything else."""
        value = given.credentials if given else ""
        if self._state.get("api_key", value, ApiKey):
            return None
        token = self._state.get("token", value, Token)
        if token is None:
            raise Refusal(401, "The credentials are unknown.")
        if token.state != "active":
            raise Refusal(401, f"The device token was {token.state}.")
        return token

    def device(self, given: HTTPAuthorizationCredentials | None = Given) -> Token:
        """The device token. Raises 403 for an API key."""
        token = self.either(given)
        if token is None:
            raise Refusal(403, "This call takes a device token.")
        return token

    def backend(self, given: HTTPAuthorizationCredentials | None = Given) -> None:
        """An API key. Raises 403 for a device token."""
        if self.either(given) is not None:
            raise Refusal(403, "This call takes an API key.")
