"""Measure how time and memory of a digest's plan grow with its recipients: python benchmarks/digest_plan.py.

It fills an embedded store and plans at each size in a new process. Exit status 1 means that the largest plan
takes more than 200 MB, or more than twice as long per recipient as the smallest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from local.memory import peak
from local.store import embedded_store

SIZES = (12_500, 25_000, 50_000, 100_000)
MEGABYTES = 200
SCHEDULED_AT = "2026-11-23T01:00:00Z"
ZONES = ("Asia/Singapore", "Europe/Berlin", "America/New_York")
CONFIG = Path(__file__).parents[1] / "mailer.toml"


def main() -> int:
    """Print the curve and return the exit status."""
    print(f"{'recipients':>10} {'seconds':>8} {'us each':>8} {'peak MB':>8}  plan")
    per_recipient = peak = 0.0
    costs = []
    with embedded_store() as store:
        settings = {"MAILER_STORE_URL": store.url, "MAILER_CONFIG": str(CONFIG)}
        filled = 0
        for size in SIZES:
            _measure("fill", filled, size, settings)
            filled = size
            result = _measure("plan", 0, size, settings)
            per_recipient, peak = result["seconds"] / size * 1e6, result["peak"]
            costs.append(per_recipient)
            print(
                f"{size:>10} {result['seconds']:>8.2f} {per_recipient:>8.1f} {peak:>8.1f}  {result['plan']}",
                flush=True,
            )
    return int(peak > MEGABYTES or costs[-1] > 2 * costs[0])


def _measure(step: str, start: int, end: int, settings: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, __file__, step, str(start), str(end)]
    output = subprocess.run(
        command, env={**os.environ, **settings}, check=True, stdout=subprocess.PIPE
    ).stdout
    result: dict[str, float] = json.loads(output)
    return result


def fill(start: int, end: int) -> None:
    """Add one item for each recipient from number `start` to `end`."""
    from mailer.digest.items import add_items
    from mailer.runtime import Runtime

    runtime = Runtime.current()
    for first in range(start, end, 100):
        items = [
            {
                "recipient": f"recipient-{number}@customer.example",
                "item_id": f"news-{number}",
                "item": {"title": f"News {number}"},
                "time_zone": ZONES[number % 3],
            }
            for number in range(first, min(first + 100, end))
        ]
        add_items("daily", items, runtime)
    print("{}")


def plan() -> None:
    """Plan the digest once; print its duration and the peak memory of the process."""
    from mailer.digest.plan import count
    from mailer.runtime import Runtime

    runtime = Runtime.current()
    begun = time.perf_counter()
    counts = count("daily", SCHEDULED_AT, runtime)
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "peak": peak(), "plan": counts}))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    if sys.argv[1] == "fill":
        fill(int(sys.argv[2]), int(sys.argv[3]))
    else:
        plan()
