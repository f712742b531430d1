"""A push button that starts and stops."""

from micropython import const

_DEBOUNCE_MS = const(30)
_POLL_MS = const(20)


class Button:
    """`pressed()` returns True while it is down."""

    def __init__(self, pressed, clock):
        self._pressed = pressed
        self._clock = clock

    async def press(self):
        """Wait until it was pressed, and held for longer than a contact bounces, and let go."""
        while True:
            await self._clock.sleep_ms(_POLL_MS)
            if self._pressed():
                await self._clock.sleep_ms(_DEBOUNCE_MS)
                if self._pressed():
                    break
        while self._pressed():
            await self._clock.sleep_ms(_POLL_MS)
