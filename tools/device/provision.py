"""Making a device somebody's: networks, token, roots."""

import json
import os
import tempfile
from pathlib import Path

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from rich.console import Console

from . import checker
from .connection import Device, DeviceError
from .deploy import write
from .package import File
from .trust import S3_URL, bundle, name_of, root_of

API_URL = "https://api.bota.dev/v1"
CONFIG = "/config.json"
console = Console(highlight=False)

_PRESENT = """
import os, json
from hashlib import sha256
from binascii import hexlify
answer = {"config": None, "mark": None, "pending": 0, "storage": storage}
try:
    with open("/config.json") as f:
        answer["config"] = json.load(f)
    token = answer["config"].pop("device_token", "")
    answer["mark"] = hexlify(sha256(token.encode()).digest()[:8]).decode()
    for n in answer["config"].get("wifi", []):
        n.pop("key", None)
    for key in ("apn_password", "sim_pin"):
        answer["config"].pop(key, None)
except (OSError, ValueError):
    pass
def count(folder):
    return sum(entry[0][6:] == ".rec" for entry in os.ilistdir(folder))
mount = None
try:
    from board import STORAGE, mount
    answer["storage"] = STORAGE
except ImportError:
    pass
folder = (answer["config"] or {}).get("storage") or answer["storage"]
try:
    # What ran until now has mounted its card, and a card can't be opened twice.
    answer["pending"] = count(folder)
except OSError:
    if mount:
        try:
            mount()
            answer["pending"] = count(folder)
        except OSError as e:
            answer["pending"] = 0 if e.errno == 2 else None  # ENOENT: nothing was recorded yet
        except Exception:
            answer["pending"] = None  # no card, or none that can be read
"""


def mark_of(token: str) -> str:
    """What a device knows a token by."""
    import hashlib

    return hashlib.sha256(token.encode()).digest()[:8].hex()


def ask() -> dict:
    """Ask a person for what a device needs."""
    values = {"api_url": typer.prompt("Device API", default=API_URL)}
    values["device_token"] = typer.prompt("Device token (not shown)", hide_input=True).strip()
    wifi = []
    while True:
        ssid = typer.prompt(
            "WiFi network" + (", one more" if wifi else "") + " (empty: none)", default=""
        )
        if not ssid:
            break
        key = typer.prompt(f"Key of {ssid} (not shown, empty: open)", default="", hide_input=True)
        wifi.append({"ssid": ssid, "key": key})
    values["wifi"] = wifi
    apn = typer.prompt("APN of the modem's SIM (empty: no modem)", default="")
    if apn:
        values["apn"] = apn
        pin = typer.prompt("SIM PIN (not shown, empty: none)", default="", hide_input=True)
        if pin:
            values["sim_pin"] = pin
    return values


def from_file(path: Path) -> dict:
    """Read the values from a JSON file."""
    try:
        values = json.loads(path.read_text())
    except OSError as e:
        raise DeviceError(f"{path} can't be read: {e.strerror}") from e
    except ValueError as e:
        raise DeviceError(f"{path} is not valid JSON: {e}") from e
    if not isinstance(values, dict):
        raise DeviceError(f"{path} is not a JSON object")
    return values


def complete(values: dict, storage: str) -> tuple[dict, list[File]]:
    """The whole configuration and the files of root certificates that go with it; checked.

    `ca_file` (a PEM file to trust) and `s3_url` among the values are for this alone; `update_keys`
    and `update_metered` go to a file of their own.
    """
    values = dict(values)
    updates = _updates(values)
    ca_file, s3_url = values.pop("ca_file", None), values.pop("s3_url", S3_URL)
    values.setdefault("api_url", API_URL)
    values.setdefault("storage", storage)
    values.setdefault("state", "/state")
    values.setdefault("max_connections", 1)
    roots: dict[str, bytes] = {}
    more: list[File] = []
    if "roots" not in values and str(values["api_url"]).startswith("https://"):
        for url in (values["api_url"], s3_url):
            der = root_of(url, ca_file)
            roots[f"/roots/{name_of(der)}"] = der
    if roots and "root_bundle" not in values:
        values["root_bundle"] = "/roots/bundle"
        listed, certificates = bundle(list(roots.values()), ca_file)
        more = [File("/roots/bundle.der", certificates), File("/roots/bundle.txt", listed)]
    _check(values, roots)
    values.setdefault("roots", sorted(roots))
    return values, [File(path, der) for path, der in roots.items()] + more + updates


def _updates(values: dict) -> list[File]:
    """What updates over the air are to know, taken out of `values`, as a file."""
    keys, metered = values.pop("update_keys", None), values.pop("update_metered", False)
    if keys is None:
        return []
    good = isinstance(keys, list) and len(keys) <= 2 and isinstance(metered, bool)
    try:
        for key in keys:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
            good = good and key == key.lower() and len(key) == 64
    except (ValueError, TypeError):
        good = False
    if not good:
        raise DeviceError(
            "Not written: 'update_keys' is a list of at most two public keys, as make bundle shows "
            "them, 'update_metered' true or false"
        )
    return [File("/update.json", json.dumps({"keys": keys, "metered": metered}).encode())]


def _check(values: dict, roots: dict[str, bytes]):
    """Let the device's own checks have their say, with the roots as files of this machine."""
    trial = dict(values)
    with tempfile.TemporaryDirectory() as folder:
        here = []
        for i, der in enumerate(roots.values()):
            path = Path(folder) / f"{i}.der"
            path.write_bytes(der)
            here.append(str(path))
        if "roots" not in trial:
            trial["roots"] = here
        elif isinstance(trial["roots"], list):
            trial["roots"] = [r for r in trial["roots"] if os.path.exists(str(r))] or here
        try:
            checker.config.check(trial)
        except checker.ConfigError as e:
            raise DeviceError(f"Not written: {e}") from e


def provision(device: Device, values: dict, same_user: bool | None, confirm):
    """Write configuration and roots. `same_user` None: `confirm(text)` asks when it matters."""
    before = device.ask(_PRESENT, storage="/captures")
    config, roots = complete(values, before["storage"])
    changed = before["mark"] not in (None, mark_of(config["device_token"]))
    if changed and before["pending"] != 0:
        pending = before["pending"] or "An unknown number of"  # the card could not be read
        if same_user is None:
            same_user = confirm(
                f"{pending} recordings made under another token are still on the device. "
                "Does it still belong to the same end user? (No holds them until you "
                "adopt or discard them.)"
            )
        console.print(
            f"{pending} recordings will be "
            + ("uploaded under the new token" if same_user else "held")
        )
    config["same_user"] = bool(same_user) if changed else False
    for folder in ("/roots", config["state"]):
        device.run(f"import os\ntry:\n os.mkdir({folder!r})\nexcept OSError:\n pass\n")
    for root in roots:
        write(device, root)
    write(device, File(CONFIG, json.dumps(config).encode()))
    return config
