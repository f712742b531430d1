"""What the page asked for becomes `/config.json`, on trial."""

import json
import os

from .known import CONFIG, FORMER, recall, remember

API_URL = "https://api.bota.dev/v1"
_BUNDLE = "/roots/bundle"
_SHIPPED = "/shipped"


def load():
    """The configuration as it is, a dict; {} if there is none that can be read."""
    try:
        with open(CONFIG) as f:
            values = json.load(f)
        return values if isinstance(values, dict) else {}
    except (OSError, ValueError):
        return {}


def save(asked, storage):
    """Write the configuration that `asked` (a dict of texts) changes, and set it on trial. What it
    leaves empty stays as it is. `storage` is the board's. Raises ValueError that says what is
    wrong, and then nothing was written; OSError."""
    config = load()
    config.setdefault("storage", storage)
    config.setdefault("state", "/state")
    config.setdefault("max_connections", 1)
    config["api_url"] = asked.get("api_url") or config.get("api_url") or API_URL
    _network(config, asked)
    _modem(config, asked)
    _token(config, asked)
    if not config.get("roots"):
        _roots(config)
    if not recall().get("reason") and load():
        copy(CONFIG, FORMER)
    _folder(config["state"])
    # In this order a power cut leaves the one that was, on trial: it passes.
    remember(trial=0, reason=None)
    with open(CONFIG, "w") as f:
        json.dump(config, f)


def _network(config, asked):
    ssid = asked.get("ssid")
    if not ssid:
        return
    if len(ssid.encode()) > 32:  # IEEE 802.11 section 9.4.2.2
        raise ValueError("A network's name has at most 32 bytes")
    key = asked.get("key", "")
    networks = config.setdefault("wifi", [])
    for network in list(networks):
        if network["ssid"] == ssid:
            networks.remove(network)
            if not asked.get("open"):
                key = key or network.get("key", "")
    if key and not 8 <= len(key) <= 64:
        raise ValueError("A WiFi key has 8 to 63 characters")
    networks.insert(0, {"ssid": ssid, "key": key, "hidden": asked.get("hidden") is True})


def _modem(config, asked):
    if asked.get("apn"):
        config["apn"] = asked["apn"]
    pin = asked.get("pin")
    if pin:
        if not (pin.isdigit() and 4 <= len(pin) <= 8):
            raise ValueError("A SIM PIN has 4 to 8 digits")
        config["sim_pin"] = pin


def _token(config, asked):
    token = asked.get("token", "").strip()
    if token:
        for c in token:
            if not 32 < ord(c) < 127:
                raise ValueError("The token has a space or a strange letter in it; copy it again")
        if token != config.get("device_token"):
            config["same_user"] = asked.get("same_user") is True
        config["device_token"] = token
    if not config.get("device_token"):
        raise ValueError("The token is missing")


def _roots(config):
    """Trust the authorities that `make deploy` brought: the first at once, the others when it is
    not the one (see `uploader.trust`)."""
    try:
        with open(_SHIPPED + ".txt") as f:
            offset, length, fingerprint, _ = f.readline().split(" ", 3)
        _folder("/roots")
        for kind in (".txt", ".der"):
            copy(_SHIPPED + kind, _BUNDLE + kind)
        root = "/roots/%s.der" % fingerprint
        with open(_SHIPPED + ".der", "rb") as f, open(root, "wb") as out:
            f.seek(int(offset))
            out.write(f.read(int(length)))
    except (OSError, ValueError):
        raise ValueError("No root certificates are on the device: make deploy brings them")
    config["roots"] = [root]
    config["root_bundle"] = _BUNDLE


def copy(source, target):
    """Copy a file. Raises OSError."""
    buf = memoryview(bytearray(1024))
    with open(source, "rb") as f, open(target, "wb") as out:
        while True:
            n = f.readinto(buf)
            if not n:
                return
            out.write(buf[:n])


def _folder(path):
    try:
        os.mkdir(path)
    except OSError as e:
        if e.errno != 17:  # EEXIST
            raise


def pending(storage):
    """How many recordings are on the device, as far as can be told."""
    try:
        return sum(entry[0][6:] == ".rec" for entry in os.ilistdir(storage))
    except OSError:
        return 0
