"""Processor instructions of one decision, counted by valgrind: hardly any noise, no clock.

    python benchmarks/instructions.py [--routes 100 1000]

Runs in the environment that it is started in. Two runs differ in the number of queries only; the
difference of their counts, divided by the difference of the queries, is the cost of one. valgrind
offers the program an older processor than the real one, so that counts compare with each other
and not with those of the hardware.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from contestants import HERE
from machine import describe_machine, save_results
from speed import write_world
from tables import show
from workers import ONE_THREAD, Worker

_LIMIT_S = 900.0
_FEW, _MANY = 100, 300
_COUNT = re.compile(r"I\s+refs:\s+([\d,]+)")
_ROUTE = """
import json, sys
from pathlib import Path
import numpy as np
from stratarouter import Router
saved, job, n = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
texts = json.loads((job / "queries.json").read_text(encoding="utf-8"))
vectors = np.load(job / "queries.npy", allow_pickle=False)
router = Router.load(saved)
for text, vector in zip(texts[:n], vectors):
    router.route(text, vector)
"""


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routes", type=int, nargs="+", default=[100, 1_000])
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        counts = {size: _per_query(Path(folder), size) for size in options.routes}
    rows = [[f"{size:,}", f"{count:,.0f}"] for size, count in counts.items()]
    show("Instructions of one decision", ["routes", "instructions"], rows)
    print(save_results("instructions", {"machine": describe_machine(), "instructions": counts}))


def _per_query(folder: Path, n_routes: int) -> float:
    job = write_world(folder, n_routes, _MANY)
    saved = folder / f"saved-{n_routes}"
    with Worker(Path(sys.executable), HERE.script, HERE.variants[0].key, folder / "log") as worker:
        worker.call("build", _LIMIT_S, folder=str(job))
        worker.call("save", _LIMIT_S, folder=str(saved))
    few, many = (_instructions(folder, saved, job, n) for n in (_FEW, _MANY))
    return (many - few) / (_MANY - _FEW)


def _instructions(folder: Path, saved: Path, job: Path, n: int) -> int:
    # A fixed seed of the hashes makes sets and dictionaries alike in both runs.
    command = ["env", "PYTHONHASHSEED=0", *ONE_THREAD, "valgrind", "--tool=cachegrind"]
    command += ["--cache-sim=no", f"--cachegrind-out-file={folder / 'cachegrind'}"]
    command += [sys.executable, "-s", "-c", _ROUTE, str(saved), str(job), str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _COUNT.search(done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"valgrind failed:\n{done.stderr[-2000:]}")
    return int(found[1].replace(",", ""))


if __name__ == "__main__":
    main()
