"""What `make status` says, line by line."""


def rows(answer: dict) -> list[tuple[str, str]]:
    """Names and values of a device's status."""
    queue = answer["queue"]
    return [
        ("board", answer["board"]),
        ("module", answer["version"]),
        ("updates", updates(answer["update"])),
        ("MicroPython", answer["firmware"]),
        ("state", answer["state"]),
        ("clock", f"{answer['time'] or 'unknown'} ({answer['time_source'] or 'no source'})"),
        ("link", answer["link"] or "none"),
        ("signal", f"{answer['signal_dbm']} dBm" if answer["signal_dbm"] is not None else "-"),
        (
            "battery",
            f"{answer['battery_percent']} %" if answer["battery_percent"] is not None else "-",
        ),
        ("token", answer["token"].replace("_", " ")),
        ("device", answer["device_id"] or "not known yet"),
        ("pending", f"{queue['pending']} recordings, {queue['bytes']:,} bytes in all"),
        ("quarantined", str(queue["quarantined"])),
        ("held", str(queue["held"])),
        ("free", f"{queue['free_bytes']:,} bytes"),
        ("memory", memory(answer["memory"])),
        ("set-up", "network {}, key {}".format(*answer["setup"])),
    ]


def memory(figures: dict) -> str:
    """Both heaps' figures."""
    text = f"Python {figures['alloc']:,} bytes used, {figures['free']:,} free"
    if "idf_free" in figures:
        text += f"; ESP-IDF {figures['idf_free']:,} free, {figures['idf_piece']:,} in one piece"
    return text


def updates(update: dict) -> str:
    """Which slot runs, and what the last updates came to."""
    text = f"runs {update['slot']}" + (", on trial" if update["on_trial"] else "")
    if update["last"]:
        version, outcome, reason = update["last"]
        text += f"; last {version} {outcome}" + (f" ({reason})" if reason else "")
    if update["failed"]:
        version, _, reason = update["failed"]
        text += f"; {version} failed ({reason})"
    if update["pending"]:
        text += f"; pending {update['pending']}"
        text += f", tried {update['tries']} times" if update["tries"] else ""
    if update["image_tried"]:
        text += f"; tries {update['image_tried']}"
    if update["image"]:
        version, outcome, reason = update["image"]
        text += f"; last image {version} {outcome}" + (f" ({reason})" if reason else "")
    return text
