"""Having the service replace the device token, through lost answers and power cuts."""

from micropython import const

from . import retry
from .errors import ApiError, UploaderError

_DAY_S = const(86400)


async def rotate(store, api, emit):
    """Replace the token of `store.credentials` and of `api`, a DeviceApi, and tell of it.
    Raises as `Uploader.rotate_token`."""
    credentials, space = store.credentials, store.space
    if credentials.device_id is None:
        raise UploaderError("the device's id is known once a recording was created")
    space.with_reserve(credentials.asking)
    try:
        token = await api.refresh_token(credentials.device_id)
    except ApiError as e:
        if 400 <= e.status < 500 and e.status not in (401, 403):
            space.with_reserve(credentials.settled)
        raise
    space.with_reserve(credentials.settled, token, store.clock.now())
    api.token = token
    emit("token", state="rotated")


async def settle(store, api, settings, verdict, emit):
    """The service took the token in a pass that ended with `verdict` (one of retry's): it is
    the right one, and is replaced if it has been in use for `token_refresh_days`."""
    credentials = store.credentials
    if credentials.lost and verdict != retry.TOKEN:
        store.space.with_reserve(credentials.settled)
    if api.device_id:
        store.space.with_reserve(credentials.learn_device, api.device_id)
    days = settings.token_refresh_days
    now = store.clock.now()
    if not days or now is None or not credentials.older_than(days * _DAY_S, now):
        return
    try:
        await rotate(store, api, emit)
    except UploaderError as e:
        emit("token", state="not_rotated", reason=str(e))
