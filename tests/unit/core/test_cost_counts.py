"""What one decision costs, counted in calls and bytes: the same on every machine."""

from __future__ import annotations

import sys
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter import Route, Router

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from stratarouter.types import FloatArray

DIMENSION = 64
PER_ROUTE = 3
N_QUERIES = 40
WORDS = [f"{first}{last}" for first in "bdfgklmnprst" for last in ("amo", "eki", "ulta", "ors")]

# Counted: 45 and 85 calls, 16,000 bytes. The ceilings leave half as much again, or more.
MAX_PYTHON_CALLS = 70
MAX_BUILTIN_CALLS = 130
MAX_PEAK_BYTES_AT_20_ROUTES = 32_000
MAX_PEAK_BYTES_PER_ROUTE = 64


class Bench:
    """A built router with queries that it has not seen."""

    def __init__(self, n_routes: int) -> None:
        rng = np.random.default_rng(n_routes)
        centres = rng.standard_normal((n_routes, DIMENSION))
        self.router = Router(dimension=DIMENSION)
        self.router.add_routes(
            [
                Route(f"r{number}", examples=[text(rng) for _ in range(PER_ROUTE)])
                for number in range(n_routes)
            ]
        )
        self.router.build_index(around(np.repeat(centres, PER_ROUTE, axis=0), rng))
        self.queries = [text(rng) for _ in range(N_QUERIES)]
        self.vectors = around(centres[rng.integers(0, n_routes, N_QUERIES)], rng)
        # The first decisions fill caches.
        self.run()

    def run(self) -> None:
        for query, vector in zip(self.queries, self.vectors, strict=True):
            self.router.route(query, vector)

    def run_batch(self) -> None:
        self.router.route_batch(self.queries, self.vectors)


def text(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS, size=7).tolist())


def around(centres: FloatArray, rng: np.random.Generator) -> FloatArray:
    rows = centres + 0.5 * rng.standard_normal(centres.shape)
    unit: FloatArray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def calls_per_query(run: Callable[[], None]) -> tuple[float, float]:
    """Return the calls of Python functions and of built-in ones, per query."""
    counts = {"call": 0, "c_call": 0}

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        if event in counts:
            counts[event] += 1

    previous = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(previous)
    return counts["call"] / N_QUERIES, counts["c_call"] / N_QUERIES


def peak_bytes(bench: Bench) -> int:
    """Return the most memory that one decision held at once, beyond what was there before."""
    peaks = []
    tracemalloc.start()
    try:
        for query, vector in zip(bench.queries, bench.vectors, strict=True):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            bench.router.route(query, vector)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return max(peaks)


@pytest.fixture(scope="module")
def small() -> Bench:
    return Bench(20)


@pytest.fixture(scope="module")
def large() -> Bench:
    return Bench(80)


def test_a_decision_takes_few_calls(small: Bench) -> None:
    python, builtin = calls_per_query(small.run)

    assert python <= MAX_PYTHON_CALLS
    assert builtin <= MAX_BUILTIN_CALLS


def test_calls_do_not_grow_with_the_routes(small: Bench, large: Bench) -> None:
    few, many = calls_per_query(small.run), calls_per_query(large.run)

    assert many[0] <= few[0] + 20
    assert many[1] <= few[1] + 40


def test_a_batch_takes_no_more_calls_than_its_queries_one_by_one(large: Bench) -> None:
    alone, together = sum(calls_per_query(large.run)), sum(calls_per_query(large.run_batch))

    assert together <= alone


def test_equal_queries_take_equal_calls(small: Bench) -> None:
    assert calls_per_query(small.run) == calls_per_query(small.run)


def test_a_decision_holds_little_memory(small: Bench, large: Bench) -> None:
    few, many = peak_bytes(small), peak_bytes(large)

    assert few <= MAX_PEAK_BYTES_AT_20_ROUTES
    assert (many - few) / (80 - 20) <= MAX_PEAK_BYTES_PER_ROUTE


def test_decisions_leave_nothing_behind(small: Bench) -> None:
    tracemalloc.start()
    try:
        small.run()
        first = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            small.run()
        kept = tracemalloc.get_traced_memory()[0] - first
    finally:
        tracemalloc.stop()

    assert kept <= 2_000
