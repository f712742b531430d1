"""Schemathesis against the local cloud's own OpenAPI document."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path(__file__).parent / "schemathesis.toml"
_DEVICE = "device token"  # the tag of what a device token may call
_TIMEOUT_S = 1800


@dataclass
class Effort:
    """How much is tried: schemathesis' `phases`, in the `fuzzing` one at most `examples` for
    each endpoint, from `seed`."""

    phases: str
    examples: int
    seed: int


def check(cloud, folder: Path, effort: Effort) -> dict:
    """Generated requests to every endpoint of a running Cloud that has no limits: `endpoints`,
    `schema_cases`, `schema_failures`, and as `problems` what schemathesis said of those."""
    runs = [
        _run(cloud, folder, cloud.new_device(), "--include-tag", effort),
        _run(cloud, folder, cloud.api_key, "--exclude-tag", effort),
    ]
    return {
        "endpoints": sum(r["operations"]["tested"] for r in runs),
        "schema_cases": sum(r["test_cases"]["generated"] for r in runs),
        "schema_failures": sum(
            r["test_cases"]["unique_failures"] + r["test_cases"]["errored"] + len(r["errors"])
            for r in runs
        ),
        "problems": [r["said"] for r in runs if r["exit_code"]],
    }


def _run(cloud, folder, credentials, which, effort) -> dict:
    report = folder / "schemathesis.json"
    report.unlink(missing_ok=True)
    address = cloud.api_url.removesuffix("/v1")
    result = subprocess.run(
        [
            *("schemathesis", "--config-file", CONFIG, "run", f"{cloud.api_url}/openapi.json"),
            *("--url", address, "--tls-verify", cloud.root_pem, which, _DEVICE),
            *("--header", f"Authorization: Bearer {credentials}", "--no-color"),
            *("--phases", effort.phases, "--max-examples", str(effort.examples)),
            *("--seed", str(effort.seed), "--generation-database", "none"),
            *("--continue-on-failure", "--report", "json", "--report-json-path", report),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if not report.exists():
        raise RuntimeError(f"schemathesis: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    _, _, failures = result.stdout.partition("= FAILURES =")
    return {**json.loads(report.read_text()), "said": failures or result.stdout}
