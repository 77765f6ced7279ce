"""How fast and how large: one fresh process per library and size, one timed job at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from contestants import FLOOR
from synthetic import make_world
from tables import show
from workers import Worker, WorkerError, write_queries, write_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from contestants import Contestant, Variant

__all__ = ["Pace", "Timing", "measure", "show_speed", "write_world"]

_DIMENSION = 384
_EXAMPLES = 10
_MIB = 2.0**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long to measure."""

    n_queries: int = 5_000
    """Queries of one pass."""
    limit_s: float = 4.0
    """Longest pass."""
    passes: int = 3
    """Passes; medians of their figures are shown."""
    build_limit_s: float = 300.0
    """Longest build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Figures of one variant at one size; empty where it failed."""

    variant: str
    """Title of the variant."""
    n_routes: int
    """Number of routes."""
    n: int = 0
    """Queries per pass."""
    p50_us: list[float] = field(default_factory=list)
    """Median time of one query, per pass."""
    p99_us: list[float] = field(default_factory=list)
    """99th percentile, per pass."""
    batch_per_second: list[float] = field(default_factory=list)
    """Queries per second in one call, per pass."""
    build_s: float = float("nan")
    """Time to build, imports done before."""
    added_mib: float = float("nan")
    """Memory of the process that the built router added."""
    problem: str = ""
    """Why there are no figures."""


def write_world(folder: Path, n_routes: int, n_queries: int) -> Path:
    """Make up routes and queries and write them for the workers.

    Parameters
    ----------
    folder : Path
        Where jobs are.
    n_routes : int
        Number of routes, with 10 examples of width 384 each.
    n_queries : int
        Number of queries.

    Returns
    -------
    Path
        Folder of the job.
    """
    place = folder / f"synthetic-{n_routes}"
    world = make_world(n_routes, n_queries, per_route=_EXAMPLES, dimension=_DIMENSION)
    write_routes(place, world.routes, world.vectors)
    write_queries(place, world.queries, world.query_vectors)
    return place


def measure(
    contestant: Contestant,
    variant: Variant,
    python: Path,
    *,
    job: Path,
    n_routes: int,
    pace: Pace,
) -> Timing:
    """Build one variant at one size and time it.

    Parameters
    ----------
    contestant : Contestant
        Library.
    variant : Variant
        Its use.
    python : Path
        Interpreter of its environment.
    job : Path
        Folder of the routes and queries.
    n_routes : int
        Number of routes.
    pace : Pace
        How long to measure.

    Returns
    -------
    Timing
        Figures, or why there are none.
    """
    if n_routes > variant.largest:
        problem = f"not run above {variant.largest:,} routes: minutes to build or to answer"
        return Timing(variant=variant.title, n_routes=n_routes, problem=problem)
    answers = job / "answers.npz"
    limit_s = pace.passes * pace.limit_s + 120.0
    try:
        with Worker(python, contestant.script, variant.key, job.parent / "speed.log") as worker:
            worker.call("warm", pace.build_limit_s)
            built = worker.call("build", pace.build_limit_s, folder=str(job))
            times = {"folder": str(job), "limit_s": pace.limit_s, "passes": pace.passes}
            worker.call("route", limit_s, answers=str(answers), **times)
            batch = worker.call("batch", limit_s, **times)
    except WorkerError as error:
        return Timing(variant=variant.title, n_routes=n_routes, problem=str(error))
    with np.load(answers, allow_pickle=False) as file:
        microseconds = file["nanoseconds"] / 1e3
    return Timing(
        variant=variant.title,
        n_routes=n_routes,
        n=microseconds.shape[1],
        p50_us=np.percentile(microseconds, 50, axis=1).tolist(),
        p99_us=np.percentile(microseconds, 99, axis=1).tolist(),
        batch_per_second=batch["per_second"],
        build_s=built["seconds"],
        added_mib=built["added_bytes"] / _MIB,
    )


def show_speed(timings: Sequence[Timing]) -> None:
    """Print the tables of latency, throughput, memory and build time.

    Parameters
    ----------
    timings : sequence of Timing
        Figures of all variants and sizes.
    """
    floor = {
        entry.n_routes: median(entry.p50_us)
        for entry in timings
        if entry.variant == FLOOR and entry.p50_us
    }
    what = f"{_EXAMPLES} examples x {_DIMENSION} per route, embedding given, one thread"
    notes = [
        "p50 / p99 in µs, medians of the passes; p50 as a multiple of the matrix product alone.",
        *sorted({f"{entry.variant}: {entry.problem}" for entry in timings if entry.problem}),
    ]
    _show(f"Latency of one query: {what}", timings, lambda entry: _latency(entry, floor), notes)
    _show(
        "Throughput: queries per second of one batch call, one thread",
        timings,
        lambda entry: f"{median(entry.batch_per_second):,.0f}",
        ["Medians of the passes; the matrix product takes 256 queries at a time."],
    )
    _show(
        "Memory that the built router adds",
        timings,
        lambda entry: f"{entry.added_mib:,.1f} MiB",
        [f"Raw float32 examples are {_EXAMPLES * _DIMENSION * 4 / _MIB:.4f} MiB per route."],
    )
    _show(
        "Time to build",
        timings,
        lambda entry: f"{entry.build_s:,.2f} s",
        ["Vectors given, imports done before."],
    )


def _show(
    title: str, timings: Sequence[Timing], cell: Callable[[Timing], str], notes: Sequence[str]
) -> None:
    sizes = sorted({entry.n_routes for entry in timings})
    known = {(entry.variant, entry.n_routes): entry for entry in timings}
    rows = []
    for variant in dict.fromkeys(entry.variant for entry in timings):
        entries = [known.get((variant, size)) for size in sizes]
        cells = ["–" if entry is None or entry.problem else cell(entry) for entry in entries]
        rows.append([variant, *cells])
    show(title, ["routes", *(f"{size:,}" for size in sizes)], rows, notes=notes)


def _latency(entry: Timing, floor: dict[int, float]) -> str:
    p50, p99 = median(entry.p50_us), median(entry.p99_us)
    ratio = f" ({p50 / floor[entry.n_routes]:,.0f}x)" if entry.n_routes in floor else ""
    return f"{_short(p50)} / {_short(p99)}{ratio}"


def _short(microseconds: float) -> str:
    return f"{microseconds:.1f}" if microseconds < 10.0 else f"{microseconds:,.0f}"
