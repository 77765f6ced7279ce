"""From text to decision with an ONNX encoder, beside the encoder alone.

    python benchmarks/encoder.py --model FOLDER [--data FOLDER] [--routes 1000]

Runs in the environment that it is started in, which needs the extra ``onnx``; one thread. Both
calls take turns on the same texts, so that both meet the same machine. The examples of the routes
are texts of the data set in ten at a time, or made-up ones without --data: only their number and
length matter here. ``sentence-transformers/all-MiniLM-L6-v2`` in int8 is what figures are quoted
for.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np
from datasets import load_datasets
from machine import describe_machine, save_results
from synthetic import make_world
from tables import show
from threadpoolctl import threadpool_limits

from stratarouter import Route, Router
from stratarouter.encoders.onnx import OnnxEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

_PER_ROUTE = 10
_WARM_UP = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of the ONNX export")
    parser.add_argument("--data", type=Path, help="folder of labelled data sets")
    parser.add_argument("--routes", type=int, default=1_000)
    parser.add_argument("--queries", type=int, default=1_000)
    options = parser.parse_args()
    encoder = OnnxEncoder(options.model)
    routes, queries = _texts(options.data, options.routes, options.queries)
    router = Router(encoder=encoder)
    router.add_routes(routes)
    with threadpool_limits(limits=1):
        router.build_index()
        alone, whole = _by_turns(lambda text: encoder.encode([text]), router.route, queries)
    rows = [
        [name, *(f"{np.percentile(times, level) / 1e3:,.0f}" for level in (50, 99))]
        for name, times in (("encoder alone", alone), ("text to decision", whole))
    ]
    ratio = float(np.median(whole) / np.median(alone))
    notes = [f"ratio of the medians {ratio:.3f}; {len(queries)} single queries each, by turns"]
    title = f"Text to decision, {len(routes):,} routes x {_PER_ROUTE}, µs"
    show(title, [options.model.name, "p50", "p99"], rows, notes=notes)
    figures = {"machine": describe_machine(), "encoder_ns": alone, "decision_ns": whole}
    print(save_results("encoder", figures))


def _texts(data: Path | None, n_routes: int, n_queries: int) -> tuple[list[Route], list[str]]:
    if data is None:
        world = make_world(n_routes, n_queries)
        return world.routes, world.queries
    # The last data set is as good as any.
    dataset = load_datasets(data)[-1]
    splits = list(zip(dataset.texts, dataset.splits, strict=True))
    examples = [text for text, split in splits if split == "train"]
    queries = [text for text, split in splits if split == "test"]
    n_routes = min(n_routes, len(examples) // _PER_ROUTE)
    routes = [
        Route(f"r{number}", examples=examples[number * _PER_ROUTE : (number + 1) * _PER_ROUTE])
        for number in range(n_routes)
    ]
    chosen = np.random.default_rng(0).permutation(len(queries))[:n_queries]
    return routes, [queries[row] for row in chosen.tolist()]


def _by_turns(
    first: Callable[[str], object], second: Callable[[str], object], texts: list[str]
) -> tuple[list[int], list[int]]:
    for text in texts[:_WARM_UP]:
        first(text)
        second(text)
    times: tuple[list[int], list[int]] = ([], [])
    for text in texts:
        for call, kept in zip((first, second), times, strict=True):
            started = perf_counter_ns()
            call(text)
            kept.append(perf_counter_ns() - started)
    return times


if __name__ == "__main__":
    main()
