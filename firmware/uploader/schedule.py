"""Recordings by the clock.

A schedule is a list of `{"days": ["mon", "fri"], "at": ["08:00", "13:30"], "minutes": 45}`:
on these days, at these times of the day, for so long. `days` left out is every day.
"""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_S = 86400


def check(schedule):
    """Raise ValueError, with what is wrong as its text, unless `schedule` is one."""
    if not isinstance(schedule, list):
        raise ValueError("it must be a list")
    for entry in schedule:
        if not isinstance(entry, dict) or set(entry) - {"days", "at", "minutes"}:
            raise ValueError("each entry has days, at and minutes")
        days = entry.get("days", _DAYS)
        if not isinstance(days, (list, tuple)) or not days or set(days) - set(_DAYS):
            raise ValueError("days are some of: %s" % ", ".join(_DAYS))
        minutes = entry.get("minutes")
        if type(minutes) is not int or not 1 <= minutes <= 1440:
            raise ValueError("minutes must be 1 to 1440")
        at = entry.get("at")
        if not isinstance(at, list) or not at:
            raise ValueError("at must be a list of times of the day, like 22:30")
        for text in at:
            _second(text)


def _second(text):
    """The second of the day of a text like 22:30."""
    hours, colon, minutes = text.partition(":") if isinstance(text, str) else ("", "", "")
    if len(hours) == len(minutes) == 2 and hours.isdigit() and minutes.isdigit():
        if int(hours) < 24 and int(minutes) < 60:
            return (int(hours) * 60 + int(minutes)) * 60
    raise ValueError("%r is not a time of the day, like 22:30" % (text,))


def due(schedule, now, zone_s=0):
    """When the schedule wants the next recording, as (seconds until then, its seconds).

    `now` is in Unix seconds, `zone_s` what local time is ahead of UTC. Within one it is
    (0, what is left of it): a device that was off at the beginning records the rest. Of two
    at once the longer counts. None if the schedule is empty.
    """
    local = now + zone_s
    midnight = local - local % _DAY_S
    best = None
    # From yesterday, whose last may still be going on, to the same day of next week.
    for day in range(-1, 8):
        start_of_day = midnight + day * _DAY_S
        # 1970-01-01 was a Thursday.
        name = _DAYS[(start_of_day // _DAY_S + 3) % 7]
        for entry in schedule:
            if name not in entry.get("days", _DAYS):
                continue
            for text in entry["at"]:
                wait = start_of_day + _second(text) - local
                length = entry["minutes"] * 60 + min(wait, 0)
                wait = max(wait, 0)
                if length > 0 and (best is None or (wait, -length) < (best[0], -best[1])):
                    best = (wait, length)
    return best
