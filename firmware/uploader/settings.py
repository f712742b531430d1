"""The settings in force, and keeping secrets out of sight."""


class Settings:
    """Each key of the configuration is an attribute; README of `firmware/` lists them. Also
    `timezone_s`, the local time's offset from UTC in seconds. `values` has all as a dict.
    Made by `config.check`. `config.amend` changes it at any time: read `settings.x` where it is
    used, and keep no copy."""

    def __init__(self, values):
        self.values = values

    def __getattr__(self, name):
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name)

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
