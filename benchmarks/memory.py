"""Memory that a router adds to its process: built there, and loaded from a saved folder.

    python benchmarks/memory.py [--routes 1000 10000]

Runs in the environment that it is started in; Linux only. What is counted is resident memory after
the free part was given back, minus what the process had before, its imports included. A process
that loads a router should never have imported scikit-learn; the last column says whether it has.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from contestants import HERE
from machine import describe_machine, save_results
from speed import write_world
from tables import show
from workers import Worker

_LIMIT_S = 900.0
_MIB = 2.0**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routes", type=int, nargs="+", default=[1_000, 10_000])
    options = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("memory is read from /proc, which only Linux has")
    with tempfile.TemporaryDirectory() as folder:
        figures = [_measure(Path(folder), n_routes) for n_routes in options.routes]
    rows = [
        [
            f"{entry['routes']:,}",
            f"{entry['raw_mib']:.1f}",
            f"{entry['built_mib']:.1f}",
            f"{entry['loaded_mib']:.1f}",
            f"{entry['load_s']:.2f}",
            "yes" if entry["scikit_learn"] else "no",
        ]
        for entry in figures
    ]
    header = ["routes", "raw MiB", "built MiB", "loaded MiB", "load s", "scikit-learn"]
    show("Memory added, 10 examples x 384 per route", header, rows)
    print(save_results("memory", {"machine": describe_machine(), "memory": figures}))


def _measure(folder: Path, n_routes: int) -> dict[str, Any]:
    job = write_world(folder, n_routes, 1)
    python, variant = Path(sys.executable), HERE.variants[0].key
    saved = folder / f"saved-{n_routes}"
    with Worker(python, HERE.script, variant, folder / "log") as worker:
        worker.call("warm", _LIMIT_S)
        built = worker.call("build", _LIMIT_S, folder=str(job))
        worker.call("save", _LIMIT_S, folder=str(saved))
    with Worker(python, HERE.script, variant, folder / "log") as worker:
        loaded = worker.call("load", _LIMIT_S, folder=str(saved))
    return {
        "routes": n_routes,
        "raw_mib": n_routes * 10 * 384 * 4 / _MIB,
        "built_mib": built["added_bytes"] / _MIB,
        "loaded_mib": loaded["added_bytes"] / _MIB,
        "load_s": loaded["seconds"],
        "scikit_learn": "sklearn" in loaded["imported"],
    }


if __name__ == "__main__":
    main()
