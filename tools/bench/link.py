"""Time on links as slow as the field's."""

import os
import statistics
import time

from tools import micropython
from tools.faults.proxy import UP, Shape, Strike

from .common import FIRMWARE, MPY, add, line


def link(rate_bits: int, round_trip_s: float, size: int, repeats: int = 1) -> dict:
    """Time on a shaped link against the physical limit: payload and the round trips that TCP
    (one) and TLS 1.2 (two) need, and one for each request."""
    shape = Shape(rate_bits / 8, round_trip_s / 2)
    ratios, cut = [], []
    with line(shape) as bench:
        data = bench.folder / "a.opus"
        data.write_bytes(os.urandom(size))

        def once(*strikes):
            path = bench.configure()
            add(path, data)
            bench.proxy.begin(*strikes)
            start = time.monotonic()
            micropython.run(MPY / "cycle.py", FIRMWARE, path, timeout=300)
            took = time.monotonic() - start
            sent = sum(t.counts[UP] for t in bench.proxy.traces)
            return took, sent

        for i in range(repeats):
            took, _ = once()
            # Two connections of three round trips, four requests of one.
            limit = size * 8 / rate_bits + (2 * 3 + 4) * round_trip_s
            ratios.append(took / limit)
            at = int(size * (i + 1) / (repeats + 1))
            took, sent = once(Strike("reset", 1, UP, at))
            limit = sent * 8 / rate_bits + (4 * 3 + 5) * round_trip_s
            cut.append(took / limit)
    clean = statistics.median(ratios)
    return {
        "ratio": round(clean, 4),
        # One transfer in a hundred is cut, and sent again after its back-off.
        "ratio_with_1_percent_cut": round(0.99 * clean + 0.01 * statistics.median(cut), 4),
        "ratio_of_a_cut_one_to_its_own_limit": round(statistics.median(cut), 4),
    }


def radio(count: int = 10) -> dict:
    """Seconds that a radio is on, per recording of 20 KB, at 1 Mbit/s and 100 ms: drained one
    by one, or all at once; with one connection (batched) and with two."""
    out = {}
    with line(Shape(125_000, 0.05)) as bench:
        data = bench.folder / "a.opus"
        data.write_bytes(os.urandom(20_000))
        for name, connections, together in (
            ("one_by_one", 2, False),
            ("together_2_connections", 2, True),
            ("together_1_connection_batched", 1, True),
        ):
            path = bench.configure(max_connections=connections)
            seconds = 0
            for _ in range(1 if together else count):
                for _ in range(count if together else 1):
                    add(path, data)
                start = time.monotonic()
                micropython.run(MPY / "cycle.py", FIRMWARE, path, timeout=300)
                seconds += time.monotonic() - start
            out[name] = round(seconds / count, 2)
    return out
