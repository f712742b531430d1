"""What a larger file or a longer queue costs."""

import os
import shutil
import time

from tools import micropython

from .common import FIRMWARE, MPY, ROOT, add, line


def growth(sizes, counts) -> dict:
    """Time and heap against file size and queue length."""
    script = ROOT / "host_tests/scripts/queue_scale.py"
    out = {"size": [], "queue": []}
    with line() as bench:
        # The proxy's own time is not asked for.
        cloud = bench.cloud
        cloud.service.sign = cloud.s3.signer(f"https://localhost:{cloud.edge.port}")
        data = bench.folder / "a.opus"
        for size in sizes:
            data.write_bytes(os.urandom(size))
            path = bench.configure(api_url=cloud.api_url)
            add(path, data)
            start = time.monotonic()
            figures = micropython.report(MPY / "grow.py", FIRMWARE, path, timeout=300)
            seconds = time.monotonic() - start
            out["size"].append([size, round(seconds, 3), figures["heap"]])
        for count in counts:
            shutil.rmtree(bench.storage, ignore_errors=True)
            path = bench.configure(api_url=cloud.api_url)
            start = time.monotonic()
            figures = micropython.report(script, FIRMWARE, path, count, timeout=300)
            out["queue"].append([count, round(time.monotonic() - start, 3), figures["most"]])
    return out
