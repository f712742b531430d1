"""Whether the modem runs: its power key, reset line and supply."""


class Power:
    """`family` has the times, `world` what is wrong, `now()` is in model seconds. `booted` is
    called when it has booted, `went_off` when it goes off."""

    def __init__(self, family, world, now, booted, went_off):
        self._family = family
        self._world = world
        self._now = now
        self._booted = booted
        self._went_off = went_off
        self._boot_at = None
        self._key_at = None
        self.supplied = True
        self.running = False

    def key(self, pressed: bool):
        """The power key; what it does is decided when it is let go."""
        if pressed:
            self._key_at = self._now()
        elif self._key_at is not None:
            seconds, self._key_at = self._now() - self._key_at, None
            # A model second is short: the press is allowed a tenth less than it should have.
            if self.running:
                if seconds >= 0.9 * self._family.off_s:
                    self.off()
            elif self.supplied and seconds >= 0.9 * self._family.on_s:
                self.start()

    def supply(self, on: bool):
        """The power itself."""
        self.supplied = on
        if not on:
            self.off()

    def reset(self):
        """The reset line."""
        self.off()
        self.start()

    def start(self):
        """Begin to boot."""
        self._boot_at = self._now() + self._family.boot_s

    def off(self):
        """At once."""
        self.running = False
        self._boot_at = None
        self._went_off()

    def tick(self):
        """Finish a boot that is due."""
        if self._boot_at is not None and self._now() >= self._boot_at:
            self._boot_at = None
            self.running = True
            self._booted()
        elif self._world.key_tied and self.supplied and not self.running and not self._boot_at:
            self.start()
