"""What the code and its bookkeeping take of a device."""

import tempfile
from graphlib import TopologicalSorter
from pathlib import Path

from tools import micropython, shape
from tools.device.mip import PARTS

from .common import MPY, ROOT, compiled

# What an uploader with WiFi and cellular needs: not the desktop's link, the plug-in for another
# HTTP client, the SD card's mounting, the owner's commands, which come with what uses them.
_LEFT_OUT = {
    *("requests_transport", "links/host", "mount", "owner", "heartbeat", "beating", "recovery"),
    *("remote", "commands", "diagnostics", "zones", "trust"),
    *("flac_recovery", "schedule", "asleep"),
}
# What each feature's modules are, beside the spine.
_FEATURES = {
    "cellular": (*PARTS["cellular"].modules, "policy"),
    "wifi": ("links/wifi",),
    "heartbeat": ("heartbeat", "beating"),
    "remote settings and commands (loaded when needed)": ("remote", "zones", "commands"),
    "diagnostics": ("diagnostics",),
    "completion with proof": ("proof",),
    "other roots (loaded when needed)": ("trust",),
    "recording (a device that only uploads)": ("recording",),
    "sntp": ("timesync",),
    "owner's commands": ("owner",),
}


def in_order() -> list[str]:
    """The modules of `uploader`, each after what it imports."""
    modules = [m for m in shape.read(ROOT, "firmware") if m.name.startswith("uploader.")]
    graph = {name: sorted(needs) for name, needs in shape.imports(modules).items()}
    skipped = ("uploader.requests_transport", "uploader.mount", "uploader.links.host")
    return [n for n in TopologicalSorter(graph).static_order() if n not in skipped]


def size() -> dict:
    """.mpy bytes; and RAM, which each module takes beside what it imports."""
    with tempfile.TemporaryDirectory() as name:
        folder = compiled(Path(name))
        files = {
            str(p.relative_to(folder).with_suffix("")): p.stat().st_size
            for p in sorted(folder.rglob("*.mpy"))
        }
        (folder / "uploader/__init__.mpy").unlink()  # it would load them all at once
        bits = micropython.facts()["word_bits"]
        if bits == 32:
            ram = micropython.report(MPY / "imports.py", folder, *in_order())
        else:
            ram = {}
    parts = [f for f in files if f.startswith("uploader/")]
    out = {
        "mpy_total_bytes": sum(files[f] for f in parts if f[len("uploader/") :] not in _LEFT_OUT),
        "mpy_everything_bytes": sum(files[f] for f in parts),
        "mpy_bytes": files,
        "leaving_out_saves_mpy_bytes": {
            feature: sum(files["uploader/" + n] for n in names)
            for feature, names in _FEATURES.items()
        },
    }
    if ram:
        out |= {"ram_32_bytes": ram, "ram_32_total": sum(ram.values())}
    else:
        out["ram_32_total"] = "not measured: needs MICROPYTHON= a 32-bit build"
    return out


def flash() -> dict:
    """Erases and bytes programmed per recording."""
    return micropython.report(ROOT / "tools/crash/mpy/wear.py", heap="64m", timeout=300)
