"""What one status LED shows."""

# Milliseconds on and off, in turn; () is off. The README of firmware/ says what each means.
PATTERNS = {
    "idle": (),
    "recording": (1000, 1000),
    "uploading": (100, 100),
    "updating": (100, 100, 100, 700),
    "waiting": (60, 2940),
    "low_battery": (60, 200, 60, 2680),
    "storage_full": (400, 200, 400, 2000),
    "needs_owner": (60, 140, 60, 140, 60, 1540),
    "error": (1500, 300),
    "setup": (600, 200, 100, 200),
}


class Led:
    """`drive(on)` switches it; `state` is one of PATTERNS and may be changed at any time."""

    def __init__(self, drive, clock):
        self.state = "idle"
        self._drive = drive
        self._clock = clock

    async def run(self):
        """Show the state for ever."""
        while True:
            pattern = PATTERNS[self.state]
            if not pattern:
                self._drive(False)
                await self._clock.sleep_ms(200)
            for i in range(len(pattern)):
                self._drive(i % 2 == 0)
                await self._clock.sleep_ms(pattern[i])
