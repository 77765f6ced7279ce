"""Time of one decision and of batches, the embedding given, beside the matrix product alone.

    python benchmarks/latency.py [--routes 10 100 1000 10000] [--passes 5]

Runs in the environment that it is started in; every size in a fresh process with one thread.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median

from contestants import BASELINES, HERE
from machine import describe_machine, save_results
from speed import Pace, Timing, measure, write_world
from tables import show


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routes", type=int, nargs="+", default=[10, 100, 1_000, 10_000])
    parser.add_argument("--queries", type=int, default=5_000, help="queries of a pass")
    parser.add_argument("--passes", type=int, default=5, help="medians of these are shown")
    options = parser.parse_args()
    pace = Pace(n_queries=options.queries, passes=options.passes)
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for n_routes in options.routes:
            job = write_world(Path(folder), n_routes, pace.n_queries)
            ours, floor = (
                measure(
                    entry,
                    entry.variants[0],
                    Path(sys.executable),
                    job=job,
                    n_routes=n_routes,
                    pace=pace,
                )
                for entry in (HERE, BASELINES)
            )
            for timing in (ours, floor):
                if timing.problem:
                    raise SystemExit(f"{timing.variant}: {timing.problem}")
            pairs.append((ours, floor))
    header = ["routes", "p50 µs", "p99 µs", "p99 / p50", "floor µs", "above it", "batch /s"]
    show("Latency, 10 examples x 384 per route", header, [_row(*pair) for pair in pairs])
    figures = [asdict(timing) for pair in pairs for timing in pair]
    print(save_results("latency", {"machine": describe_machine(), "speed": figures}))


def _row(ours: Timing, floor: Timing) -> list[str]:
    p50, p99, least = median(ours.p50_us), median(ours.p99_us), median(floor.p50_us)
    return [
        f"{ours.n_routes:,}",
        f"{p50:.1f}",
        f"{p99:.1f}",
        f"{p99 / p50:.2f}",
        f"{least:.1f}",
        f"{p50 / least:.1f}x",
        f"{median(ours.batch_per_second):,.0f}",
    ]


if __name__ == "__main__":
    main()
