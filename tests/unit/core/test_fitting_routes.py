"""A fit tells apart the routes that are right more or less often than others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter import Route, Router
from tests.labelled_worlds import N_ROUTES, World, best_of, built, centres, confidences, fit, world

if TYPE_CHECKING:
    from pathlib import Path


def unequal(n: int, seed: int) -> World:
    """Return queries of which those for two of the routes are mostly labelled foreign."""
    data = world(n, seed, foreign=0.0, noise=0.8)
    rng = np.random.default_rng(seed)
    labels = [
        None if label in {"r1", "r4"} and rng.random() < 0.7 else label for label in data.labels
    ]
    return World(data.queries, labels, data.embeddings)


def route_error(router: Router, data: World) -> float:
    """Return the mean gap between confidence and outcome over the picked routes."""
    results = router.route_batch(data.queries, data.embeddings)
    picks = np.array([best_of(result) for result in results])
    stated, right = confidences(router, data)
    gaps = [abs(stated[picks == key].mean() - right[picks == key].mean()) for key in set(picks)]
    return float(np.mean(gaps))


def test_routes_that_truly_differ_get_a_confidence_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corrected, pooled, unseen = built(), built(), unequal(3_000, seed=2)

    report = fit(corrected, unequal(1_000, seed=1))
    monkeypatch.setattr("stratarouter.calibrating.MIN_OUTCOMES_PER_ROUTE", 10**9)
    fit(pooled, unequal(1_000, seed=1))

    assert report.n_routes_corrected == N_ROUTES
    assert "6 routes corrected" in str(report)
    assert route_error(corrected, unseen) < 0.4 * route_error(pooled, unseen)
    assert route_error(corrected, unseen) < 0.06


def test_routes_that_are_alike_are_not_corrected() -> None:
    router = built()

    report = fit(router, world(1_000, seed=1, noise=0.8))

    assert report.n_routes_corrected == 0
    assert "corrected" not in str(report)


def test_corrections_follow_their_routes_when_others_come_and_go() -> None:
    router, unseen = built(), unequal(100, seed=2)
    fit(router, unequal(1_000, seed=1))
    kept = [place for place, label in enumerate(unseen.labels) if label in {"r3", "r5"}]
    rest = World(
        [unseen.queries[place] for place in kept],
        [unseen.labels[place] for place in kept],
        unseen.embeddings[kept],
    )
    before = confidences(router, rest)[0]
    doubted = router.route("q", centres()[4]).confidence

    router.remove_route("r0")
    after = confidences(router, rest)[0]
    still_doubted = router.route("q", centres()[4]).confidence

    assert after == pytest.approx(before, abs=0.05)
    assert still_doubted == pytest.approx(doubted, abs=0.05)
    assert doubted < before.mean() - 0.3


def test_a_route_that_is_replaced_starts_anew() -> None:
    router = built()
    fit(router, unequal(1_000, seed=1))
    doubted = router.route("q", centres()[4]).confidence

    router.update_route(Route("r4", examples=["another"]), embeddings=centres()[4])

    assert router.route("q", centres()[4]).confidence > doubted + 0.2


def test_corrections_are_saved(tmp_path: Path) -> None:
    router, unseen = built(), unequal(200, seed=2)
    fit(router, unequal(1_000, seed=1))

    loaded = Router.load(router.save(tmp_path / "saved"))

    assert confidences(loaded, unseen)[0].tolist() == confidences(router, unseen)[0].tolist()
