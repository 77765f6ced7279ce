"""Queries around the centres of routes, with labels, and routers to fit to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter import Route, Router

if TYPE_CHECKING:
    from stratarouter import RouteResult
    from stratarouter.fitting import FitReport

DIMENSION = 16
N_ROUTES = 6


@dataclass
class World:
    """Queries around the centres of routes, some of them foreign, with the right labels."""

    queries: list[str]
    labels: list[str | None]
    embeddings: np.ndarray


def centres() -> np.ndarray:
    """Return one centre per route."""
    rows: np.ndarray = np.random.default_rng(99).normal(size=(N_ROUTES, DIMENSION))
    return rows


def world(n: int, seed: int, *, foreign: float = 0.2, noise: float = 1.2) -> World:
    """Draw queries, some of which belong to no route."""
    rng = np.random.default_rng(seed)
    owners = rng.integers(0, N_ROUTES, n)
    is_foreign = rng.random(n) < foreign
    base = np.where(is_foreign[:, None], 0.3 * rng.normal(size=(n, DIMENSION)), centres()[owners])
    return World(
        queries=[f"query {place}" for place in range(n)],
        labels=[
            None if strange else f"r{owner}"
            for owner, strange in zip(owners.tolist(), is_foreign.tolist(), strict=True)
        ],
        embeddings=base + noise * rng.normal(size=(n, DIMENSION)),
    )


def built(n_examples: int = 8, routes: list[Route] | None = None, **options: Any) -> Router:
    """Return a built router whose examples lie around the centres."""
    router = Router(dimension=DIMENSION, **options)
    own = [
        Route(f"r{number}", examples=[f"r{number} e{place}" for place in range(n_examples)])
        for number in range(N_ROUTES)
    ]
    router.add_routes(own)
    rng = np.random.default_rng(7)
    vectors = np.repeat(centres(), n_examples, axis=0)
    vectors += 0.6 * rng.normal(size=vectors.shape)
    if routes:
        router.add_routes(routes)
        vectors = np.vstack([vectors, rng.normal(size=(len(routes), DIMENSION))])
    router.build_index(vectors)
    return router


def fit(router: Router, data: World) -> FitReport:
    """Fit a router to labelled queries."""
    return router.fit(data.queries, data.labels, data.embeddings)


def best_of(result: RouteResult) -> str | None:
    """Return the best candidate, accepted or not."""
    return result.route_id if result.matched else result.alternatives[0].route_id


def confidences(router: Router, data: World) -> tuple[np.ndarray, np.ndarray]:
    """Return confidences, and whether the best candidates are right."""
    results = router.route_batch(data.queries, data.embeddings)
    best = [best_of(result) for result in results]
    right = [candidate == label for candidate, label in zip(best, data.labels, strict=True)]
    return np.array([result.confidence for result in results]), np.array(right)
