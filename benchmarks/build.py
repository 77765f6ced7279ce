"""Time to build a router with its default head and calibration.

    python benchmarks/build.py [--routes 100 1000 10000]

Runs in the environment that it is started in, with one thread. "first" is the first build of a
fresh process, in which scikit-learn may still have to be imported; "again" has it imported.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from contestants import HERE
from machine import describe_machine, save_results
from speed import write_world
from tables import show
from workers import Worker

_LIMIT_S = 900.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routes", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--passes", type=int, default=3, help="medians of these are shown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = [_measure(Path(folder), size, options.passes) for size in options.routes]
    rows = [
        [
            f"{entry['routes']:,}",
            f"{median(entry['first_s']):.2f}",
            f"{median(entry['again_s']):.2f}",
        ]
        for entry in figures
    ]
    show("Build, 10 examples x 384 per route", ["routes", "first s", "again s"], rows)
    print(save_results("build", {"machine": describe_machine(), "build": figures}))


def _measure(folder: Path, n_routes: int, passes: int) -> dict[str, Any]:
    job = write_world(folder, n_routes, 1)
    first, again = [], []
    for _ in range(passes):
        with Worker(
            Path(sys.executable), HERE.script, HERE.variants[0].key, folder / "log"
        ) as worker:
            first.append(worker.call("build", _LIMIT_S, folder=str(job))["seconds"])
            worker.call("warm", _LIMIT_S)
            again.append(worker.call("build", _LIMIT_S, folder=str(job))["seconds"])
    return {"routes": n_routes, "first_s": first, "again_s": again}


if __name__ == "__main__":
    main()
