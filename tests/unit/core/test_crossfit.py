"""Cross-fitting equals routing by routers that really lack the examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter import HashingEncoder, Route, Router
from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.crossfit import (
    MAX_FOLDS,
    MAX_SAMPLES,
    Examples,
    cross_fit,
    outcome_features,
)
from stratarouter.scoring.hybrid import HybridScorer, ScoredCandidates
from stratarouter.scoring.keyword import compile_keywords
from stratarouter.scoring.pattern import PatternScorer
from stratarouter.scoring.semantic import SemanticScorer
from stratarouter.testing import sample_routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratarouter.types import IntArray

ENCODER = HashingEncoder(128)
WEIGHTS = FusionWeights(0.6427, 0.2891, 0.0682)

# Lists of different length, a repeat, a description beside one example, routes with nothing to
# spare, and more examples than there are folds.
UNEVEN_ROUTES = [
    Route("greeting", examples=["hello there", "good morning", "hi", "hello there"]),
    Route("weather", description="rain and sun", examples=["will it rain tomorrow"]),
    Route("single", examples=["play some quiet music"]),
    Route("described", description="everything about trains and their delays"),
    Route("timer", examples=["set a timer", "wake me at seven"], patterns=["wake me"]),
    Route("many", examples=[f"question {number} about tax form {number}" for number in range(23)]),
]
# A route's own threshold would only hide the winner among the alternatives.
SHOP_ROUTES = [Route(**{**route.to_dict(), "threshold": None}) for route in sample_routes()]
ROUTE_SETS = {"shop": SHOP_ROUTES, "uneven": UNEVEN_ROUTES}


def make_scorer(routes: Sequence[Route], max_candidates: int = 10) -> HybridScorer:
    vectors = ENCODER.encode([text for route in routes for text in route.texts])
    offsets = np.append(0, np.cumsum([len(route.texts) for route in routes]))
    return HybridScorer(
        SemanticScorer(vectors, offsets),
        compile_keywords(routes),
        PatternScorer(routes),
        WEIGHTS,
        max_candidates,
    )


def examples_of(routes: Sequence[Route]) -> Examples:
    texts: list[str] = []
    rows: list[int] = []
    owners: list[int] = []
    start = 0
    for number, route in enumerate(routes):
        texts += route.examples
        rows += range(start, start + len(route.examples))
        owners += [number] * len(route.examples)
        start += len(route.texts)
    return Examples(texts, np.array(rows, dtype=int), np.array(owners, dtype=int))


def lacking(route: Route, fold: int, n_folds: int) -> tuple[Route, list[str]]:
    """Return a route without the examples of a fold, and those examples."""
    if len(route.texts) < 2:
        return route, []
    kept = [text for rank, text in enumerate(route.examples) if rank % n_folds != fold]
    taken = [text for rank, text in enumerate(route.examples) if rank % n_folds == fold]
    return Route(**{**route.to_dict(), "examples": kept}), taken


def really_routed(
    routes: Sequence[Route], n_folds: int, max_candidates: int
) -> tuple[list[tuple[float, float, float]], list[bool]]:
    """Build a router per fold and ask it for the examples that it lacks."""
    features: list[tuple[float, float, float]] = []
    correct: list[bool] = []
    for fold in range(n_folds):
        reduced = [lacking(route, fold, n_folds) for route in routes]
        router = Router(
            encoder=ENCODER, enable_calibration=False, threshold=0.0, max_candidates=max_candidates
        )
        router.add_routes([route for route, _ in reduced])
        router.build_index()
        for route, taken in reduced:
            for text in taken:
                result = router.route(text, k=2)
                margin = result.scores.total - result.alternatives[0].scores.total
                features.append((result.scores.total, margin, result.scores.semantic))
                correct.append(result.route_id == route.id)
    return features, correct


@pytest.mark.parametrize("max_candidates", [2, 10])
@pytest.mark.parametrize(("name", "n_folds"), [("shop", 5), ("uneven", 20)])
def test_each_fold_is_routed_as_by_a_router_without_it(
    name: str, n_folds: int, max_candidates: int
) -> None:
    routes = ROUTE_SETS[name]
    features, correct = really_routed(routes, n_folds, max_candidates)

    sample = cross_fit(make_scorer(routes, max_candidates), examples_of(routes), seed=0)

    assert sample.features == pytest.approx(np.array(features), abs=1e-5)
    assert sample.correct.tolist() == [float(right) for right in correct]
    assert 0.0 < sample.correct.mean() <= 1.0


def test_an_example_is_not_found_by_itself() -> None:
    routes = [Route("a", examples=["alpha", "bravo"]), Route("b", examples=["gamma", "delta"])]

    with_itself = make_scorer(routes).score("alpha", ENCODER.encode(["alpha"])[0])
    sample = cross_fit(make_scorer(routes), examples_of(routes), seed=0)

    assert with_itself.semantic.max() > 0.8
    assert sample.features[:, 2].max() < 0.5


def test_every_example_is_routed_once() -> None:
    routes = sample_routes()

    sample = cross_fit(make_scorer(routes), examples_of(routes), seed=0)

    assert sample.features.shape == (sum(len(route.examples) for route in routes), 3)
    assert sample.correct.shape == (len(sample.features),)


def test_routes_with_a_single_vector_are_passed_over() -> None:
    routes = [Route("a", examples=["alpha"]), Route("b", description="beta")]

    sample = cross_fit(make_scorer(routes), examples_of(routes), seed=0)

    assert sample.features.shape == (0, 3)
    assert sample.correct.shape == (0,)


def test_one_example_beside_a_description_is_routed_by_the_description() -> None:
    routes = [
        Route("rain", description="rain tomorrow", examples=["will it rain tomorrow"]),
        Route("music", examples=["play a song"]),
    ]

    sample = cross_fit(make_scorer(routes), examples_of(routes), seed=0)

    assert sample.correct.tolist() == [1.0]


def test_no_examples_give_no_outcomes() -> None:
    empty = Examples([], np.array([], dtype=int), np.array([], dtype=int))

    assert len(cross_fit(make_scorer(sample_routes()), empty, seed=0).correct) == 0


# Large routers -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large() -> tuple[HybridScorer, Examples]:
    routes = [
        Route(f"r{number}", examples=[f"topic{number} word{rank}" for rank in range(35)])
        for number in range(90)
    ]
    assert sum(len(route.examples) for route in routes) > MAX_SAMPLES
    return make_scorer(routes), examples_of(routes)


def test_large_routers_are_sampled(large: tuple[HybridScorer, Examples]) -> None:
    assert len(cross_fit(*large, seed=0).correct) == MAX_SAMPLES


def test_the_seed_decides_the_sample(large: tuple[HybridScorer, Examples]) -> None:
    once, again, other = (cross_fit(*large, seed=seed) for seed in (0, 0, 1))

    assert np.array_equal(once.features, again.features)
    assert not np.array_equal(once.features, other.features)


class Watched(HybridScorer):
    """Remembers how many examples each reduced scorer lacks per route."""

    def __init__(self, scorer: HybridScorer, owners: IntArray) -> None:
        super().__init__(
            scorer.semantic, scorer.keyword, scorer.pattern, scorer.weights, scorer.max_candidates
        )
        self.owners = owners
        self.taken: list[IntArray] = []

    def without(self, rows: IntArray, texts: Iterable[tuple[int, Sequence[str]]]) -> HybridScorer:
        self.taken.append(np.bincount(self.owners[rows], minlength=90))
        return super().without(rows, texts)


def test_a_fold_takes_the_same_small_share_of_each_route(
    large: tuple[HybridScorer, Examples],
) -> None:
    scorer, examples = large
    watched = Watched(scorer, examples.routes)

    cross_fit(watched, examples, seed=0)

    taken = np.array(watched.taken)
    assert len(taken) == MAX_FOLDS
    assert (taken.min(axis=1) == taken.max(axis=1)).all()
    assert taken.sum(axis=0).tolist() == [35] * 90
    assert taken.max() == 2


# Features ----------------------------------------------------------------------------------------


def test_the_features_are_total_margin_and_semantic_score() -> None:
    scored = ScoredCandidates(
        np.arange(3), np.array([0.1, 0.2, 0.3]), np.zeros(3), None, np.array([0.5, 0.9, 0.6])
    )

    assert outcome_features(scored, 1) == pytest.approx((0.9, 0.3, 0.2))
    assert outcome_features(scored, 0) == pytest.approx((0.5, -0.4, 0.1))
