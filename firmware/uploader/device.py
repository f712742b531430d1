"""What the hardware around the module knows of itself."""


class Device:
    """`battery` is a callable that returns percent (0-100), None while unknown; `charging` one
    that returns whether it is being charged. `firmware_version` and `reset_cause` are texts for
    heartbeats. Each may be None."""

    def __init__(self, battery=None, firmware_version=None, charging=None, reset_cause=None):
        self.battery = battery
        self.firmware_version = firmware_version
        self.charging = charging
        self.reset_cause = reset_cause

    def policy(self, settings, clock, links):
        """The Policy; None for a device with no use for it, which is spared its 4 KB."""
        wanted = self.battery or settings.heartbeat_minutes
        wanted = wanted or settings.off_peak_start or settings.upload_delay_minutes
        for link in links:
            wanted = wanted or link.metered
        if not wanted:
            return None
        from .policy import Policy

        return Policy(settings, clock, self.battery)
