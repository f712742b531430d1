"""How many bytes went over metered links today, through reboots, with few writes to flash."""

from micropython import const

from .durable import Durable

# Taken from the day's limit in advance, so that a power cut forgets no byte that was sent:
# what was taken and not used counts as used. The cap is kept, to at most so much less.
_LEASE = const(262144)


class Meter:
    """`path` is the common beginning of its files' names, `zone_s` the local time's offset
    from UTC in seconds. Days are local; while the time is unknown the day does not change."""

    def __init__(self, path, clock, zone_s=0):
        self._durable = Durable(path)
        self._clock = clock
        self._zone_s = zone_s
        value = self._durable.value
        self._day = value.get("day", 0)
        self._used = self._leased = value.get("bytes", 0)

    def used(self):
        """Bytes sent and received today."""
        self._turn()
        return self._used

    def add(self, n):
        """Count `n` bytes."""
        self._turn()
        self._used += n
        if self._used > self._leased:
            self._leased = self._used + _LEASE
            self._save(self._leased)

    def settle(self):
        """Give back what was taken in advance, when the link goes down."""
        if self._leased > self._used:
            self._leased = self._used
            self._save(self._used)

    def _turn(self):
        now = self._clock.now()
        if now is None:
            return
        day = (now + self._zone_s) // 86400
        if day > self._day:
            if self._day:
                self._used = self._leased = 0
            self._day = day

    def _save(self, n):
        self._durable.value = {"day": self._day, "bytes": n}
        try:
            self._durable.save()
        except OSError:
            pass  # a full flash is emptied by uploading: that must not end it
