"""The fleet's way out of an outage, drawn."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def draw(fleet: dict, path: Path):
    """Draw which part of a fleet has drained by when, beside what the limit allows. `fleet` is
    what tools/faults/mpy/fleet.py printed with `times`."""
    times = [s / 60 for s in sorted(fleet["times"])]
    count = len(times)
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    axes.plot([0, fleet["ideal_minutes"]], [0, count], color="0.6", ls="--", label="the limit")
    axes.step([0, *times], range(count + 1), where="post", label=f"{count} devices")
    axes.set(
        xlabel="minutes since the outage ended",
        ylabel="devices that have drained",
        title=f"last drain at {fleet['ratio']} times the limit's own time",
        xlim=(0, None),
        ylim=(0, count * 1.02),
    )
    axes.legend(loc="lower right", frameon=False)
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
