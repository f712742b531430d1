"""The settings in force, and keeping secrets out of sight."""


class Settings:
    """Each key of the configuration is an attribute; README of `firmware/` lists them. `values`
    has all as a dict, `own` what those that the service changed (see `remote`) were before.
    Made by `config.check`. `remote` changes it at any time: read `settings.x` where it is used,
    and keep no copy."""

    def __init__(self, values):
        self.values = values
        self.own = {}

    def __getattr__(self, name):
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name)

    def patience_s(self, least):
        """The longest wait between attempts at a network that is not there, or at who does not
        answer: `least` seconds, up to `offline_max_s` for a board that sleeps meanwhile."""
        values = self.values
        return max(least, values["offline_max_s"]) if values.get("sleep_when_idle") else least

    def offset_s(self, now):
        """The local time's offset from UTC in seconds, at Unix second `now`."""
        span = self.values.get("zone")
        if span and not span[0] <= now < span[1]:
            from . import zones
            from .memory import forget

            since, until, self.values["timezone_s"] = zones.span(self.timezone, now)
            self.values["zone"] = since, until
            forget(zones.__name__)
        return self.values["timezone_s"]

    def __repr__(self):
        return "<Settings for %s>" % self.api_url


def minutes_of(text):
    """Minutes since midnight of `HH:MM`, or None if it is no such time."""
    if len(text) != 5 or text[2] != ":" or not (text[:2] + text[3:]).isdigit():
        return None
    hours, minutes = int(text[:2]), int(text[3:])
    return hours * 60 + minutes if hours < 24 and minutes < 60 else None


def redact(text, *secrets):
    """`text` without the given secrets, without anything like a device token, without the
    query part of any URL (a pre-signed URL's query is its key)."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[secret]")
    out = []
    for word in text.split(" "):
        i = word.find("?")
        if i >= 0 and ("://" in word or "=" in word):
            word = word[: i + 1] + "..."
        i = word.find("X-Amz-")
        if i >= 0:
            word = word[:i] + "..."
        i = word.find("dtok_")
        if i >= 0:
            word = word[: i + 5] + "..."
        out.append(word)
    return " ".join(out)
