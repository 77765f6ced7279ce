"""Queries per second of two processes beside one.

    python benchmarks/parallel.py [--routes 1000] [--processes 2]

Runs in the environment that it is started in, one thread per process. The processes start their
batch calls at the same moment; routers share nothing, so the limit is the memory of the machine.
One process and several are measured by turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from contestants import HERE
from machine import describe_machine, save_results
from speed import write_world
from tables import show
from workers import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIMIT_S = 900.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routes", type=int, default=1_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--passes", type=int, default=5, help="medians of these are shown")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one pass")
    options = parser.parse_args()
    alone, together = [], []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        job = write_world(folder, options.routes, 20_000)
        workers = [
            stack.enter_context(
                Worker(Path(sys.executable), HERE.script, HERE.variants[0].key, folder / "log")
            )
            for _ in range(options.processes)
        ]
        for worker in workers:
            worker.call("build", _LIMIT_S, folder=str(job))
        for _ in range(options.passes):
            alone.append(_rate(workers[:1], job, options.seconds))
            together.append(_rate(workers, job, options.seconds))
    ratio = median(both / one for one, both in zip(alone, together, strict=True))
    header = ["routes", "one /s", f"{options.processes} processes /s", "ratio"]
    row = [f"{options.routes:,}", f"{median(alone):,.0f}", f"{median(together):,.0f}"]
    show("Processes", header, [[*row, f"{ratio:.2f}x"]])
    figures = {"machine": describe_machine(), "alone": alone, "together": together}
    print(save_results("parallel", figures))


def _rate(workers: Sequence[Worker], job: Path, seconds: float) -> float:
    """Return the queries per second of all workers together."""

    def run(worker: Worker) -> float:
        answer = worker.call("batch", _LIMIT_S, folder=str(job), limit_s=seconds)
        return float(answer["per_second"][0])

    with ThreadPoolExecutor(len(workers)) as pool:
        return sum(pool.map(run, workers))


if __name__ == "__main__":
    main()
