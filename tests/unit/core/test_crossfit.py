"""Cross-fitting equals routing by routers that really lack the examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter import HashingEncoder, Route, Router
from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.building import assemble, training_rows
from stratarouter.config import RouterConfig
from stratarouter.crossfit import (
    ENOUGH_EXAMPLES,
    MAX_FOLDS,
    MAX_FOLDS_WITH_HEAD,
    MAX_SAMPLES,
    Examples,
    Outcome,
    cross_fit,
)
from stratarouter.persistence import load_snapshot
from stratarouter.route_vectors import encode_routes
from stratarouter.scoring.candidates import ScoredCandidates
from stratarouter.scoring.hybrid import HybridScorer
from stratarouter.scoring.keyword import count_keywords
from stratarouter.testing import sample_routes
from stratarouter.training import HeadKind, train_head

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from stratarouter.algorithms.bm25 import Bm25
    from stratarouter.types import IntArray

ENCODER = HashingEncoder(128)
WEIGHTS = FusionWeights.published(0.6427, 0.2891, 0.0682)
WITH_HEAD = FusionWeights(0.2, 0.3, 0.2, 0.0682, head=0.3)
KINDS = [HeadKind("logistic", reads_words=False), HeadKind("logistic+words", reads_words=True)]

# Lists of different length, a repeat, a description beside one example, routes with nothing to
# spare, and more examples than there are folds.
UNEVEN_ROUTES = [
    Route("greeting", examples=["hello there", "good morning", "hi", "hello there"]),
    Route("weather", description="rain and sun", examples=["will it rain tomorrow"]),
    Route("r17", examples=["play some quiet music"]),
    Route("described", description="everything about trains and their delays"),
    Route("timer", examples=["set a timer", "wake me at seven"], patterns=["wake me"]),
    Route("many", examples=[f"question {number} about tax form {number}" for number in range(23)]),
]
# A route's own threshold would only hide the winner among the alternatives.
SHOP_ROUTES = [Route(**{**route.to_dict(), "threshold": None}) for route in sample_routes()]
ROUTE_SETS = {"shop": SHOP_ROUTES, "uneven": UNEVEN_ROUTES}


def prepared(routes: Sequence[Route], max_candidates: int = 10) -> tuple[HybridScorer, Examples]:
    entries = encode_routes(routes, ENCODER)
    scorer = assemble(entries, RouterConfig(dimension=128, max_candidates=max_candidates))
    texts: list[str] = []
    rows: list[int] = []
    owners: list[int] = []
    start = 0
    for number, entry in enumerate(entries):
        texts += entry.route.examples
        rows += range(start, start + len(entry.route.examples))
        owners += [number] * len(entry.route.examples)
        start += len(entry.vectors)
    training = training_rows(scorer, entries)
    counts = count_keywords(routes)
    return scorer, Examples(training, texts, np.array(rows), np.array(owners), counts)


def outcomes_of(routes: Sequence[Route]) -> list[Outcome]:
    outcomes, scale = cross_fit(*prepared(routes), seed=0)
    assert scale is None
    return outcomes


def lacking(route: Route, fold: int, n_folds: int) -> tuple[Route, list[str]]:
    """Return a route without the examples of a fold, and those examples."""
    if len(encode_routes([route], ENCODER)[0].vectors) < 2:
        return route, []
    kept = [text for rank, text in enumerate(route.examples) if rank % n_folds != fold]
    taken = [text for rank, text in enumerate(route.examples) if rank % n_folds == fold]
    return Route(**{**route.to_dict(), "examples": kept}), taken


def routers_without_a_fold(
    routes: Sequence[Route], n_folds: int, max_candidates: int
) -> Iterable[tuple[Router, list[tuple[str, int]]]]:
    """Build a router per fold; yield it with the examples that it lacks and their routes."""
    for fold in range(n_folds):
        reduced = [lacking(route, fold, n_folds) for route in routes]
        router = Router(
            encoder=ENCODER, enable_calibration=False, threshold=0.0, max_candidates=max_candidates
        )
        router.add_routes([route for route, _ in reduced])
        router.build_index()
        yield (
            router,
            [(text, number) for number, (_, taken) in enumerate(reduced) for text in taken],
        )


def assert_equal_scores(one: ScoredCandidates, other: ScoredCandidates) -> None:
    assert one.routes.tolist() == other.routes.tolist()
    assert one.complete == other.complete
    assert one.components() == pytest.approx(other.components(), abs=1e-5)
    assert (one.pattern is None) == (other.pattern is None)
    assert one.semantic == pytest.approx(other.semantic, abs=1e-5)
    assert one.total == pytest.approx(other.total, abs=1e-5)
    leader = one.leader()
    assert one.log_odds(leader) == pytest.approx(other.log_odds(leader), abs=1e-3)
    assert one.similarity(leader) == pytest.approx(other.similarity(leader), abs=1e-5)


@pytest.mark.parametrize("max_candidates", [2, 10])
@pytest.mark.parametrize(("name", "n_folds"), [("shop", 5), ("uneven", 20)])
def test_each_fold_is_routed_as_by_a_router_without_it(
    name: str, n_folds: int, max_candidates: int
) -> None:
    routes = ROUTE_SETS[name]

    outcomes, scale = cross_fit(*prepared(routes, max_candidates), seed=0)

    assert scale is None
    remaining = iter(outcomes)
    for router, asked in routers_without_a_fold(routes, n_folds, max_candidates):
        for text, owner in asked:
            result, outcome = router.route(text, k=2), next(remaining)
            leader = outcome.scored.leader()
            winner = routes[int(outcome.scored.routes[leader])].id
            runner_up = float(np.sort(outcome.scored.total)[-2])
            assert outcome.target == owner
            assert outcome.correct == (result.route_id == routes[owner].id)
            assert winner == result.route_id
            assert outcome.scored.total[leader] == pytest.approx(result.scores.total, abs=1e-5)
            assert outcome.scored.semantic[leader] == pytest.approx(
                result.scores.semantic, abs=1e-5
            )
            assert outcome.scored.keyword[leader] == pytest.approx(result.scores.keyword, abs=1e-5)
            assert runner_up == pytest.approx(result.alternatives[0].scores.total, abs=1e-5)
    assert next(remaining, None) is None
    assert any(outcome.correct for outcome in outcomes)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("max_candidates", [2, 10])
@pytest.mark.parametrize("name", ["shop", "uneven"])
def test_each_fold_is_routed_by_a_head_that_was_trained_without_it(
    tmp_path: Path, name: str, max_candidates: int, kind: HeadKind
) -> None:
    routes = ROUTE_SETS[name]
    scorer, examples = prepared(routes, max_candidates)

    outcomes, scale = cross_fit(scorer.revised(WITH_HEAD, None), examples, seed=3, kind=kind)

    remaining = iter(outcomes)
    first_scale: tuple[float, float] | None = None
    for fold, (router, asked) in enumerate(
        routers_without_a_fold(routes, MAX_FOLDS_WITH_HEAD, max_candidates)
    ):
        reduced = load_snapshot(router.save(tmp_path / str(fold))).scorer
        rows = training_rows(reduced, encode_routes(router.routes, ENCODER))
        head = train_head(rows, kind, 3, first_scale)
        first_scale = (head.low, head.high)
        reduced = reduced.revised(WITH_HEAD, head)
        for text, owner in asked:
            outcome = next(remaining)
            assert outcome.target == owner
            assert outcome.scored.head is not None
            assert_equal_scores(outcome.scored, reduced.score(text, ENCODER.encode([text])[0]))
    assert next(remaining, None) is None
    assert scale == pytest.approx(first_scale, rel=1e-5)


def test_coarse_folds_are_those_of_heads() -> None:
    scorer, examples = prepared(UNEVEN_ROUTES)

    coarse, scale = cross_fit(scorer, examples, seed=0, coarse=True)
    with_head, _ = cross_fit(scorer, examples, seed=0, kind=KINDS[0])
    fine, _ = cross_fit(scorer, examples, seed=0)

    assert scale is None
    assert [outcome.target for outcome in coarse] == [outcome.target for outcome in with_head]
    for one, other in zip(coarse, with_head, strict=True):
        assert one.scored.head is None
        both = {*one.scored.routes.tolist()} & {*other.scored.routes.tolist()}
        assert both == set(range(len(UNEVEN_ROUTES)))
        assert np.array_equal(one.scored.nearest, other.scored.nearest)
        assert np.array_equal(one.scored.keyword, other.scored.keyword)
    assert len(fine) == len(coarse)


def test_an_example_is_not_found_by_itself() -> None:
    routes = [Route("a", examples=["alpha", "bravo"]), Route("b", examples=["gamma", "delta"])]

    with_itself = prepared(routes)[0].score("alpha", ENCODER.encode(["alpha"])[0])
    outcomes = outcomes_of(routes)

    assert with_itself.semantic.max() > 0.8
    assert max(outcome.scored.semantic.max() for outcome in outcomes) < 0.5
    assert max(outcome.scored.keyword.max() for outcome in outcomes) == 0.0


def test_every_example_is_routed_once() -> None:
    routes = sample_routes()

    outcomes = outcomes_of(routes)

    assert sorted(outcome.target for outcome in outcomes if outcome.target is not None) == [
        number for number, route in enumerate(routes) for _ in route.examples
    ]


def test_routes_with_a_single_vector_are_passed_over() -> None:
    assert outcomes_of([Route("a", examples=["alpha"]), Route("b", description="beta")]) == []


@pytest.mark.parametrize(
    "rain",
    [
        Route("r1", description="rain tomorrow", examples=["will it rain tomorrow"]),
        Route("rain_tomorrow", examples=["will it rain tomorrow"]),
    ],
)
def test_one_example_beside_a_description_or_a_readable_id_is_routed_by_that(rain: Route) -> None:
    outcomes = outcomes_of([rain, Route("r2", examples=["play a song"])])

    assert [outcome.correct for outcome in outcomes] == [True]
    assert [outcome.target for outcome in outcomes] == [0]


def test_no_examples_give_no_outcomes() -> None:
    scorer, examples = prepared(sample_routes())
    nothing = np.array([], dtype=int)
    empty = Examples(examples.training, [], nothing, nothing, examples.counts)

    assert cross_fit(scorer, empty, seed=0) == ([], None)
    assert cross_fit(scorer, empty, seed=0, kind=KINDS[0]) == ([], None)


def test_the_scorer_itself_stays_as_it_was() -> None:
    scorer, examples = prepared(sample_routes())
    vectors, before = (
        scorer.semantic.vectors.copy(),
        scorer.score("parcel", np.ones(128) / 128**0.5),
    )

    cross_fit(scorer, examples, seed=0, kind=KINDS[1])

    assert np.array_equal(scorer.semantic.vectors, vectors)
    assert scorer.head is None
    after = scorer.score("parcel", np.ones(128) / 128**0.5)
    assert np.array_equal(after.total, before.total)


# Large routers -----------------------------------------------------------------------------------


def topics(n_routes: int) -> list[Route]:
    return [
        Route(f"r{number}", examples=[f"topic{number} word{rank}" for rank in range(35)])
        for number in range(n_routes)
    ]


@pytest.fixture(scope="module")
def large() -> tuple[HybridScorer, Examples]:
    routes = topics(90)
    assert sum(len(route.examples) for route in routes) > MAX_SAMPLES
    return prepared(routes)


def totals(outcomes: Sequence[Outcome]) -> list[float]:
    return [float(outcome.scored.total.max()) for outcome in outcomes]


def test_large_routers_are_sampled(large: tuple[HybridScorer, Examples]) -> None:
    assert len(cross_fit(*large, seed=0)[0]) == MAX_SAMPLES


def test_the_seed_decides_the_sample(large: tuple[HybridScorer, Examples]) -> None:
    once, again, other = (totals(cross_fit(*large, seed=seed)[0]) for seed in (0, 0, 1))

    assert once == again
    assert once != other


class Watched(HybridScorer):
    """Remembers how many examples each reduced scorer lacks per route."""

    def __init__(self, scorer: HybridScorer, owners: IntArray) -> None:
        super().__init__(
            scorer.semantic, scorer.keyword, scorer.pattern, scorer.weights, scorer.max_candidates
        )
        self.owners = owners
        self.taken: list[IntArray] = []

    def without(self, rows: IntArray, keyword: Bm25) -> HybridScorer:
        self.taken.append(np.bincount(self.owners[rows], minlength=self.n_routes))
        return super().without(rows, keyword)


@pytest.mark.parametrize(
    ("coarse", "n_folds", "most"), [(False, MAX_FOLDS, 2), (True, MAX_FOLDS_WITH_HEAD, 7)]
)
def test_a_fold_takes_the_same_small_share_of_each_route(
    large: tuple[HybridScorer, Examples], coarse: bool, n_folds: int, most: int
) -> None:
    scorer, examples = large
    watched = Watched(scorer, examples.routes)

    cross_fit(watched, examples, seed=0, coarse=coarse)

    taken = np.array(watched.taken)
    assert len(taken) == n_folds
    assert (taken.min(axis=1) == taken.max(axis=1)).all()
    assert taken.sum(axis=0).tolist() == [35] * 90
    assert taken.max() == most


def test_enough_examples_need_but_two_of_the_coarse_folds() -> None:
    scorer, examples = prepared(topics(ENOUGH_EXAMPLES // 35 + 1))
    watched = Watched(scorer, examples.routes)

    outcomes, _ = cross_fit(watched, examples, seed=0, coarse=True)

    assert [taken.max() for taken in watched.taken] == [7, 7]
    assert len(outcomes) == 2 * 7 * scorer.n_routes


# Outcomes ----------------------------------------------------------------------------------------


def scored(total: list[float], routes: list[int]) -> ScoredCandidates:
    values = np.array(total)
    zeros = np.zeros(len(values))
    numbers = np.array(routes)
    return ScoredCandidates(
        numbers, None, values, values, zeros, None, values, values, WEIGHTS, complete=False
    )


@pytest.mark.parametrize(
    ("target", "correct"), [(7, True), (4, False), (1, False), (5, False), (None, False)]
)
def test_an_outcome_is_right_if_its_best_candidate_is_the_target(
    target: int | None, correct: bool
) -> None:
    assert Outcome(scored([0.1, 0.2, 0.9], [1, 4, 7]), target).correct is correct
