"""Routers with vectors from which a head can learn more than cosines tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from stratarouter import Route, Router
from stratarouter.persistence import load_snapshot
from stratarouter.training import HeadKind

if TYPE_CHECKING:
    from pathlib import Path

    from stratarouter.learning import BuildReport
    from stratarouter.snapshot import Snapshot

N_ROUTES = 5
N_EXAMPLES = 30
DIMENSION = 24
KINDS = {
    "logistic": HeadKind("logistic", reads_words=False),
    "logistic+words": HeadKind("logistic+words", reads_words=True),
}

Matrices: TypeAlias = dict[str, np.ndarray]


def routes_of(n_routes: int = N_ROUTES, n_examples: int = N_EXAMPLES) -> list[Route]:
    """Return routes whose texts say nothing about them."""
    return [
        Route(f"r{number}", examples=[f"message {number * 100 + n}" for n in range(n_examples)])
        for number in range(n_routes)
    ]


def noisy(n_routes: int = N_ROUTES, n_examples: int = N_EXAMPLES, seed: int = 0) -> Matrices:
    """Return vectors of which few directions matter: cosines are misled, a head learns which."""
    telling = np.arange(DIMENSION) < 4
    centres = 2.0 * np.random.default_rng(1_000).normal(size=(n_routes, DIMENSION)) * telling
    rng = np.random.default_rng(seed)
    spread = np.where(telling, 0.3, 1.5)
    return {
        f"r{number}": centres[number] + spread * rng.normal(size=(n_examples, DIMENSION))
        for number in range(n_routes)
    }


def crossed(seed: int = 0) -> Matrices:
    """Return two routes of two opposite clusters each, which no plane separates."""
    rng = np.random.default_rng(seed)
    ends = 3.0 * np.eye(DIMENSION)
    matrices: Matrices = {}
    for number in range(2):
        centres = np.tile([ends[number], -ends[number]], (40, 1))
        matrices[f"r{number}"] = centres + 0.2 * rng.normal(size=(80, DIMENSION))
    return matrices


def built(
    matrices: Matrices | None = None, routes: list[Route] | None = None, **options: Any
) -> Router:
    """Return a built router of vectors from outside."""
    router = Router(dimension=DIMENSION, threshold=0.0, **options)
    router.add_routes(routes_of() if routes is None else routes)
    router.build_index(noisy() if matrices is None else matrices)
    return router


def report_of(router: Router) -> BuildReport:
    """Return the report of the last build."""
    report = router.build_report
    assert report is not None
    return report


def snapshot_of(router: Router, folder: Path) -> Snapshot:
    """Return what a save of the router holds."""
    return load_snapshot(router.save(folder))


def queries(n: int = 60) -> tuple[list[str], list[str | None], np.ndarray]:
    """Return new queries in equal numbers for each route, with their labels and vectors."""
    matrices = noisy(n_examples=n // N_ROUTES, seed=9)
    labels: list[str | None] = [key for key, rows in matrices.items() for _ in rows]
    return [f"query {n}" for n in range(len(labels))], labels, np.vstack(list(matrices.values()))


def decided(router: Router) -> list[dict[str, Any]]:
    """Return all that a router says of the queries, apart from time and version."""
    texts, _, vectors = queries()
    results = router.route_batch(texts, vectors, k=3)
    return [
        {**result.to_dict(), "latency_ms": 0, "snapshot_version": 0, "head_stale": None}
        for result in results
    ]
