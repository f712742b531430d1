"""`make day`: what a day costs the battery, by cause, and whether anything goes out late."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tools import micropython

MPY = Path(__file__).parent / "mpy"
# Each with what is drawn beside its name.
PROFILES = {
    "office": "office WiFi, 10 recordings",
    "idle": "WiFi, heartbeats alone",
    "offline": "no network, WiFi alone",
    "offline_cellular": "no network, cellular alone",
    "week": "no network for a week (of 7 days)",
    "field": "cellular, 10 recordings",
    "weak": "cellular, weak signal",
    "token": "token revoked",
    "cap": "the day's data used up",
    "battery": "empty battery and back",
}
# What must be so: (key in the file, profile, figure, the most).
BOUNDS = (
    ("awake_s", "offline", "awake_s", 300),
    ("radio_s", "offline", "wifi_s", 240),
    ("idle_awake_s", "idle", "awake_s", 600),
    ("cap_radio_s", "cap", "cap_radio_s", 0),
    ("field_registrations", "field", "registrations", 1),
    ("field_handshakes", "field", "handshakes", 3),
)
# As wide as its table, wherever it goes.
console = Console(highlight=False, width=170)


def live(profile: str) -> dict:
    """What a profile came to."""
    return micropython.report(MPY / "day.py", profile, heap="64m", timeout=1800)


def cuts(step: int) -> dict:
    """What power cuts at every `step`th flash operation of a life with sleep did."""
    return micropython.report(MPY / "cuts.py", step, heap="256m", timeout=1800)


def judge(found: dict, cut: dict) -> tuple[dict, list[str]]:
    """The figures that are promised, and what is wrong with them."""
    figures, problems = {}, []
    for key, profile, name, most in BOUNDS:
        if profile in found:
            figures[key] = found[profile][name]
            if figures[key] > most:
                problems.append(f"{key} is {figures[key]}, more than {most}")
    figures["late"] = sum(f["late"] for f in found.values())
    if figures["late"]:
        problems.append(f"{figures['late']} recordings went out later than they might have")
    for key in ("cuts", "lost", "twice", "never_asleep"):
        figures[key] = cut[key]
        if cut[key] and key != "cuts":
            problems.append(f"{key} is {cut[key]}, after power cuts")
    return figures, problems


def draw(found: dict, path: Path):
    """Awake and radio seconds, handshakes, erases and mAh a day of each profile, by cause where
    there is one."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(found)
    labels = [PROFILES[n] for n in names]
    causes = sorted({c for f in found.values() for c in f["by_cause"]})
    colours = dict(zip(causes, pyplot.get_cmap("tab10").colors, strict=False))
    figure, axes = pyplot.subplots(1, 5, figsize=(20, 0.6 * len(names) + 1.6), sharey=True)
    for axis, key in zip(axes, ("awake_s", "radio_s", "mah"), strict=False):
        left = [0.0] * len(names)
        for cause in causes:
            days = [found[n]["hours"] / 24 for n in names]
            values = [
                found[n]["by_cause"].get(cause, {}).get(key, 0) / d
                for n, d in zip(names, days, strict=True)
            ]
            axis.barh(labels, values, left=left, color=colours[cause], label=cause)
            left = [a + b for a, b in zip(left, values, strict=True)]
        axis.set_xlabel(f"{key.replace('_s', ' seconds').replace('mah', 'mAh')} a day")
    for axis, key in zip(axes[3:], ("handshakes", "erases"), strict=True):
        axis.barh(labels, [found[n][key] * 24 / found[n]["hours"] for n in names], color="grey")
        axis.set_xlabel(f"{'TLS ' if key == 'handshakes' else 'flash '}{key} a day")
    axes[0].invert_yaxis()
    axes[2].legend(title="woken for", fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def show(found: dict):
    """The table."""
    columns = ("awake_s", "light_s", "wifi_s", "cellular_s", "mah", "wakes", "handshakes")
    columns += ("registrations", "kb", "erases", "completed", "pending", "late")
    table = Table(box=None)
    for name in ("profile", "hours", *columns):
        table.add_column(name, justify="left" if name == "profile" else "right")
    for name, f in found.items():
        table.add_row(PROFILES[name], f"{f['hours']:.0f}", *(str(f[c]) for c in columns))
        for cause, row in sorted(f["by_cause"].items(), key=lambda item: -item[1]["mah"]):
            cells = {"awake_s": row["awake_s"], "mah": row["mah"], "wifi_s": row["radio_s"]}
            if f["cellular_s"]:
                cells["cellular_s"] = cells.pop("wifi_s")
            cells = [f"{cells[c]:.1f}" if c in cells else "" for c in columns]
            table.add_row(f"  [dim]{cause}[/]", "", *(f"[dim]{c}[/]" for c in cells))
    console.print(table)


def main(
    only: Annotated[str, typer.Option(help="Profiles, separated by commas.")] = "",
    step: Annotated[int, typer.Option(help="Cut the power at every STEPth flash operation.")] = 1,
    out: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path("build/day.json"),
):
    """Live through the profiles and say what they cost."""
    names = [n for n in PROFILES if not only or n in only.split(",")]
    with ThreadPoolExecutor(2) as pool:
        cut = pool.submit(cuts, step)
        found = dict(zip(names, pool.map(live, names), strict=True))
        cut = cut.result()
    figures, problems = judge(found, cut)
    show(found)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**figures, "profiles": found}, indent=1) + "\n")
    draw(found, out.with_suffix(".png"))
    console.print(*(f"{key} {value}" for key, value in figures.items()), sep="; ")
    console.print(f"written to {out}, drawn in {out.with_suffix('.png')}")
    for problem in problems:
        console.print(f"[red]{problem}[/]")
    raise typer.Exit(bool(problems))


if __name__ == "__main__":
    typer.run(main)
