"""What is known of set-up, in `/setup.json`.

`name` and `key` are the access point's; `trial` is how many boots the configuration that the page
wrote has been on trial for; `reason` says why the last trial failed.
"""

import json
import os

CONFIG = "/config.json"
FORMER = "/config.old"  # the one that worked, while another is on trial
_FILE = "/setup.json"


def recall():
    """What is known of set-up."""
    try:
        with open(_FILE) as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


def remember(**changes):
    """Change what is known; None takes a value out. Raises OSError."""
    known = recall()
    known.update(changes)
    known = {name: known[name] for name in known if known[name] is not None}
    if known != recall():
        with open(_FILE, "w") as f:
            json.dump(known, f)


def exists(path):
    """True if there is such a file."""
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def marked(*names):
    """True if the reset before this boot was our own, for one of these reasons: as `power.mark`
    noted it, and without what `power.load` checks and imports."""
    try:
        import machine

        kept = machine.RTC().memory()
    except (ImportError, AttributeError):
        return False
    for name in names:
        if b'"mark":"%s"' % name.encode() in kept:
            return True
    return False
