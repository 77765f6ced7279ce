"""Which index a build chooses for many routes, and whether that is faster and as good.

    python benchmarks/search.py --data FOLDER [--routes 3000 10000 50000]

Routes are groups of sentences of one label from all data sets of the folder. Where the sentences do
not suffice, they are mixtures of two sentences, with a third as the deviation of each example; then
"mixed" stands in the table. Recall is measured for vectors that no route was made of: sentences
that were held out, or new deviations. Index and exact product are timed by turns.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from datasets import load_datasets
from machine import describe_machine, save_results
from tables import show

from stratarouter import Route, Router
from stratarouter.index import FlatIndex, HnswIndex

if TYPE_CHECKING:
    from stratarouter.protocols import VectorIndex
    from stratarouter.types import FloatArray

N_QUERIES = 500
_MIXED, _DEVIATION = 0.7, 0.35


@dataclass(frozen=True, slots=True)
class Vectors:
    """Examples of routes, equally many for each, and queries."""

    examples: FloatArray
    """Rows of all routes, those of a route side by side."""
    queries: FloatArray
    """Vectors that no route was made of."""
    kind: str
    """"real" or "mixed"."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--routes", type=int, nargs="+", default=[3_000, 10_000, 50_000])
    parser.add_argument("--examples", type=int, default=2, help="examples per route")
    options = parser.parse_args()
    figures = []
    for n_routes in options.routes:
        figures.append(_measure(_vectors(options.data, n_routes, options.examples), n_routes))
        print(figures[-1], flush=True)
    header = ["routes", "vectors", "index", "recall %", "search µs", "exact µs", "build s"]
    rows = [
        [
            f"{entry['routes']:,}",
            str(entry["vectors"]),
            str(entry["index"]),
            f"{100.0 * float(entry['recall']):.2f}",
            f"{float(entry['search_us']):.0f}",
            f"{float(entry['exact_us']):.0f}",
            f"{float(entry['build_s']):.1f}",
        ]
        for entry in figures
    ]
    show(f"Search for 10 of many routes, {options.examples} examples each", header, rows)
    print(save_results("search", {"machine": describe_machine(), "search": figures}))


def _vectors(folder: Path, n_routes: int, n_examples: int) -> Vectors:
    rng = np.random.default_rng(0)
    datasets = load_datasets(folder)
    rows = np.vstack([dataset.vectors for dataset in datasets])
    labels = np.concatenate([dataset.numbers + 1_000 * n for n, dataset in enumerate(datasets)])
    order = rng.permutation(len(rows))
    held_out, kept = rows[order[:N_QUERIES]], order[N_QUERIES:]
    if n_routes * n_examples <= len(kept):
        kept = kept[np.argsort(labels[kept], kind="stable")]
        groups = kept[: len(kept) // n_examples * n_examples].reshape(-1, n_examples)
        chosen = groups[rng.permutation(len(groups))[:n_routes]]
        return Vectors(rows[chosen.ravel()], held_out, "real")
    first, second = rows[rng.choice(kept, (2, n_routes))]
    centres = first + _MIXED * second
    others = rows[rng.choice(kept, n_routes * n_examples)]
    examples = np.repeat(centres, n_examples, axis=0) + _DEVIATION * others
    queries = centres[rng.integers(n_routes, size=N_QUERIES)] + _DEVIATION * held_out
    return Vectors(_unit(examples), _unit(queries), "mixed")


def _unit(rows: FloatArray) -> FloatArray:
    unit: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit.astype(np.float32)


def _measure(vectors: Vectors, n_routes: int) -> dict[str, str | int | float]:
    n_examples = len(vectors.examples) // n_routes
    router = Router(
        dimension=vectors.examples.shape[1], head="similarity", enable_calibration=False
    )
    texts = [f"example {n}" for n in range(n_examples)]
    router.add_routes([Route(f"r{n}", examples=texts) for n in range(n_routes)])
    started = perf_counter()
    router.build_index(vectors.examples)
    build_s = perf_counter() - started
    index = _index_of(router)
    exact = FlatIndex(index.matrix)
    times_us = [_times_us(index, exact, query) for query in vectors.queries]
    recall = index.recall_for(vectors.queries, 10) if isinstance(index, HnswIndex) else 1.0
    report = router.build_report
    return {
        "routes": n_routes,
        "vectors": vectors.kind,
        "index": "" if report is None else str(report.index),
        "recall": recall,
        "search_us": median(time_us for time_us, _ in times_us),
        "exact_us": median(time_us for _, time_us in times_us),
        "build_s": build_s,
    }


def _index_of(router: Router) -> VectorIndex:
    # No user needs the index itself, so that the router has no window for it.
    snapshot = router._registry.snapshot  # noqa: SLF001
    if snapshot is None:
        raise SystemExit("the router was not built")
    return snapshot.scorer.index


def _times_us(index: VectorIndex, exact: FlatIndex, query: FloatArray) -> tuple[float, float]:
    times = []
    for searched in (index, exact):
        started = perf_counter()
        searched.search(query, 10)
        times.append((perf_counter() - started) * 1e6)
    return times[0], times[1]


if __name__ == "__main__":
    main()
