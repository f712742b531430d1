"""May I upload now, over this link? The owner's settings, each rule in one place.

The settings have the names that the service uses for them (device API, "Device settings that
govern uploads"). A rule that says no tells why and when it is worth asking again.
"""

from micropython import const

from .settings import minutes_of

RULES = ("battery", "hours", "delay", "roaming", "signal", "cap")

_DAY_S = const(86400)
# A battery or signal that was too low is looked at again after so long.
_AGAIN_S = const(300)
# What one file costs beyond its bytes: the JSON calls, TLS handshakes, framing (measured: 9 to
# 14 KB with two handshakes, and 0.8 % of the file).
_FILE_EXTRA = const(16384)


class Refusal:
    """Why not: the `rule` (one of RULES), a `reason` for people, and `wait_s`, the seconds
    until it will be looked at again."""

    def __init__(self, rule, reason, wait_s):
        self.rule = rule
        self.reason = reason
        self.wait_s = wait_s


class Policy:
    """The owner's rules, read from `settings` (a Settings) at each question. `battery` is a
    callable that returns percent (0-100) or None while unknown, or None without a battery."""

    def __init__(self, settings, clock, battery=None):
        self._settings = settings
        self._clock = clock
        self._battery = battery
        self._meter = None
        self._overridden = ()

    @property
    def meter(self):
        """The DataMeter of metered links, made when one is first used."""
        if self._meter is None:
            from .data_meter import DataMeter

            self._meter = DataMeter(self._settings, self._clock)
        return self._meter

    def override(self, rules):
        """Let none of the named rules say no; `()` ends that. Raises ValueError for an
        unknown one."""
        for rule in rules:
            if rule not in RULES:
                raise ValueError("no rule %r; the rules are: %s" % (rule, ", ".join(RULES)))
        self._overridden = rules

    def now(self):
        """The Refusal that holds for every link at this moment, or None."""
        return self._ask("battery", self._low_battery)

    def hours(self):
        """The Refusal that holds for every recording at this moment but those that were asked
        for to be uploaded at once, or None."""
        return self._ask("hours", self._off_hours)

    def link(self, link):
        """The Refusal that holds for a link that is up, or None."""
        if not link.metered:
            return None
        return (
            self._ask("roaming", self._roaming, link)
            or self._ask("signal", self._weak, link)
            or self._ask("cap", self._cap, 0)
        )

    def recording(self, ended):
        """The Refusal for a recording that ended at `ended` (Unix seconds, None if unknown)."""
        return self._ask("delay", self._delayed, ended)

    def file(self, link, size):
        """The Refusal for a file of `size` bytes over a link, or None."""
        if not link.metered:
            return None
        return self._ask("cap", self._cap, size + size // 100 + _FILE_EXTRA)

    def entry(self, links, entry):
        """The Refusal of an Entry's next file by every one of `links` (a LinkManager), so that
        none is brought up for it; None if one of them might do."""
        no = None
        if self._settings.daily_data_limit_mb:
            for file in entry.files():
                if not entry.sent(file["index"]):
                    for link in links.in_order():
                        no = self.file(link, file["size"])
                        if not no:
                            return None
                    break
        return no

    def _ask(self, rule, call, *args):
        return None if rule in self._overridden else call(*args)

    def _low_battery(self):
        settings = self._settings
        if not settings.pause_on_low_battery or self._battery is None:
            return None
        percent = self._battery()
        if percent is None or percent >= settings.low_battery_threshold_percent:
            return None
        reason = "battery %d %%, below %d %%" % (percent, settings.low_battery_threshold_percent)
        return Refusal("battery", reason, _AGAIN_S)

    def _off_hours(self):
        start, end = self._settings.off_peak_start, self._settings.off_peak_end
        now = self._clock.now()
        # Without a clock there are no hours to keep; the link is what brings the time.
        if not start or now is None:
            return None
        second = (now + self._settings.offset_s(now)) % _DAY_S
        start_s, end_s = minutes_of(start) * 60, minutes_of(end) * 60
        if start_s == end_s or (second - start_s) % _DAY_S < (end_s - start_s) % _DAY_S:
            return None
        reason = "outside off-peak hours %s-%s" % (start, end)
        return Refusal("hours", reason, (start_s - second) % _DAY_S)

    def _delayed(self, ended):
        now = self._clock.now()
        delay = self._settings.upload_delay_minutes * 60
        if not delay or ended is None or now is None or now - ended >= delay:
            return None
        left = min(ended + delay - now, delay)
        return Refusal("delay", "to be uploaded %d minutes after its end" % (delay // 60), left)

    def _roaming(self, link):
        if self._settings.allow_roaming or not link.roaming():
            return None
        return Refusal("roaming", "%s is roaming" % link.name, _AGAIN_S)

    def _weak(self, link):
        dbm = link.signal_dbm()
        if dbm is None or dbm >= self._settings.min_signal_dbm:
            return None
        reason = "signal %d dBm, below %d dBm" % (dbm, self._settings.min_signal_dbm)
        return Refusal("signal", reason, _AGAIN_S)

    def _cap(self, size):
        limit = self._settings.daily_data_limit_mb * 1000000
        if not limit:
            return None
        left = limit - self.meter.used()
        if left > 0 and size <= left:
            return None
        now = self._clock.now()
        wait = _DAY_S
        if now is not None:
            wait -= (now + self._settings.offset_s(now)) % _DAY_S
        if size:
            reason = "%d bytes do not fit the %d left of today's %d MB" % (
                size,
                max(left, 0),
                self._settings.daily_data_limit_mb,
            )
        else:
            reason = "today's %d MB are used" % self._settings.daily_data_limit_mb
        return Refusal("cap", reason, wait)
