"""What an Uploader knows that deep sleep would forget, as a small dict and back again. Loaded for
that, and forgotten. Times in it are seconds from the moment that it was made."""

from binascii import hexlify, unhexlify


def pack(up):
    """The dict: what is waited for, how long links are left alone, how often what failed."""
    uptime_ms, patience = up.clock.uptime_ms(), up.patience
    links = {}
    for name in up.links.cool:
        backoff, until_ms = up.links.cool[name]
        links[name] = [backoff.failures, max(0, until_ms - uptime_ms) // 1000]
    out = {
        "wait": [up.waiting.left_s(), up.waiting.why, up.idle],
        "links": links,
        "failed": [patience.backoff.failures, patience.limited, patience.refused],
        "clock": up.clock.source,
    }
    for link in up.links.links:
        last = getattr(link, "last", None)
        if last:
            out["last"] = [last[0], last[1] and hexlify(last[1]).decode()]
    if up.heartbeat:
        out["beat"], out["counts"] = up.heartbeat.kept()
    return out


def unpack(up, kept, slept_s):
    """Let an Uploader that was just made go on from there, `slept_s` seconds later."""
    uptime_ms, patience = up.clock.uptime_ms(), up.patience
    if kept["clock"] is None:
        up.clock.doubt()  # the machine's clock shows what nobody vouched for
    for name in kept["links"]:
        failures, left_s = kept["links"][name]
        cool = up.links.left(name)
        cool[0].failures = failures
        cool[1] = uptime_ms + int((left_s - slept_s) * 1000)
    patience.backoff.failures, patience.limited, patience.refused = kept["failed"]
    for link in up.links.links:
        if kept.get("last") and hasattr(link, "last"):
            ssid, bssid = kept["last"]
            link.last = ssid, bssid and unhexlify(bssid)
    if up.heartbeat and "beat" in kept:
        up.heartbeat.resume(kept["beat"], kept.get("counts"), uptime_ms - int(slept_s * 1000))
    left_s, why, idle = kept["wait"]
    if not idle and left_s and left_s > slept_s:
        up.resume(left_s - slept_s, why)
