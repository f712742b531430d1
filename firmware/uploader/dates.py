"""Reading dates and times: ISO 8601, and HTTP's."""

_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def parse_iso(text):
    """Unix seconds of an ISO 8601 date and time with `Z` or an offset; fractions are cut off.

    Raises ValueError for anything else, a time without a zone among it.
    """
    try:
        if len(text) < 20 or text[4] != "-" or text[7] != "-" or text[10] not in "Tt ":
            raise ValueError
        if text[13] != ":" or text[16] != ":":
            raise ValueError
        seconds = _unix(
            _digits(text[0:4]),
            _digits(text[5:7]),
            _digits(text[8:10]),
            _digits(text[11:13]),
            _digits(text[14:16]),
            _digits(text[17:19]),
        )
        zone = 19
        if text[zone] == ".":
            zone += 1
            while text[zone].isdigit():
                zone += 1
        zone = text[zone:]
        if zone in ("Z", "z"):
            return seconds
        if len(zone) != 6 or zone[0] not in "+-" or zone[3] != ":":
            raise ValueError
        offset = _digits(zone[1:3]) * 3600 + _digits(zone[4:6]) * 60
        return seconds - offset if zone[0] == "+" else seconds + offset
    except (IndexError, TypeError, ValueError):
        raise ValueError("not an ISO 8601 time with its zone, like 2026-01-31T23:59:59Z: %r" % text)


def known(text):
    """What `parse_iso` says, None for what it refuses."""
    try:
        return parse_iso(text)
    except ValueError:
        return None


def parse_http_date(text):
    """Unix seconds of an IMF-fixdate (RFC 9110 section 5.6.7), or None."""
    # Sun, 06 Nov 1994 08:49:37 GMT
    try:
        if len(text) != 29 or text[-4:] != " GMT":
            return None
        month = _MONTHS.find(text[8:11])
        if month < 0 or month % 3:
            return None
        return _unix(
            _digits(text[12:16]),
            month // 3 + 1,
            _digits(text[5:7]),
            _digits(text[17:19]),
            _digits(text[20:22]),
            _digits(text[23:25]),
        )
    except (IndexError, ValueError):
        return None


def _digits(text):
    if not text.isdigit():
        raise ValueError
    return int(text)


def _unix(year, month, day, hour, minute, second):
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= 31):
        raise ValueError
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError
    last = 31 - (month in (4, 6, 9, 11))
    if month == 2:
        last = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    if day > last:
        raise ValueError
    return _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second


def _days(year, month, day):
    # Days since 1970-01-01, counted in years that begin in March so that the leap day comes
    # last (the proleptic Gregorian calendar).
    if month < 3:
        year -= 1
        month += 12
    return (
        year * 365
        + year // 4
        - year // 100
        + year // 400
        + (153 * (month - 3) + 2) // 5
        + day
        - 719469
    )
