"""From scores to a decision: thresholds, fallback, overrides, alternatives, batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratarouter import HashingEncoder, Route, Router, RouteResult
from stratarouter.testing import sample_routes

DIMENSION = 64
ENCODER = HashingEncoder(DIMENSION)
QUERIES = [
    "Where's my invoice?",
    "where is the parcel",
    "I want to return a lamp",
    "password",
    "weather in Paris",
    "inv-42",
    "???",
    "请退款",
]


def built(routes: list[Route] | None = None, **options: Any) -> Router:
    router = Router(encoder=ENCODER, **options)
    router.add_routes(sample_routes() if routes is None else routes)
    router.build_index()
    return router


def plain(threshold: float | None = None) -> list[Route]:
    """Return the sample routes, all with one threshold and without patterns."""
    return [
        Route(**{**route.to_dict(), "threshold": threshold, "patterns": []})
        for route in sample_routes()
    ]


def directions(n: int, seed: int = 0) -> np.ndarray:
    rows: np.ndarray = np.random.default_rng(seed).normal(size=(n, DIMENSION))
    return rows


def ranked(result: RouteResult) -> list[str]:
    """Return the ids that a result names, best first."""
    first = [result.route_id] if result.matched else []
    return [str(name) for name in first] + [entry.route_id for entry in result.alternatives]


# Thresholds --------------------------------------------------------------------------------------

EXTREMES = [
    *directions(40),
    ENCODER.encode(["Where's my invoice?"])[0],
    -ENCODER.encode(["Where's my invoice?"])[0],
    np.ones(DIMENSION),
    -np.ones(DIMENSION),
    np.eye(DIMENSION)[0],
]


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("n_routes", [1, 2, 4])
def test_threshold_0_accepts_everything_and_1_nothing(n_routes: int, calibrated: bool) -> None:
    routes = [
        Route(route.id, examples=[*route.examples, *(f"{text}!" for text in route.examples)])
        for route in plain()[:n_routes]
    ]
    everything, nothing = (
        built(routes, threshold=threshold, enable_calibration=calibrated)
        for threshold in (0.0, 1.0)
    )
    for embedding in EXTREMES:
        for query in ("Where's my invoice?", "zzz"):
            accepted, rejected = (
                router.route(query, embedding) for router in (everything, nothing)
            )
            assert accepted.matched
            assert not rejected.matched
            assert rejected.route_id is None
            assert 0.0 < accepted.confidence < 1.0
            assert rejected.confidence == accepted.confidence


@pytest.mark.parametrize("below", [False, True])
def test_a_confidence_that_equals_the_threshold_is_enough(below: bool) -> None:
    confidence = built(plain(), threshold=0.0).route("where is the parcel").confidence
    threshold = float(np.nextafter(confidence, 1.0)) if below else confidence

    result = built(plain(), threshold=threshold).route("where is the parcel")

    assert result.confidence == confidence
    assert result.matched is not below


@pytest.mark.parametrize(
    ("route_threshold", "config_threshold", "matched", "compared_with"),
    [
        (0.0, 1.0, True, 0.0),
        (1.0, 0.0, False, 1.0),
        (None, 0.0, True, 0.0),
        (None, 1.0, False, 1.0),
    ],
)
def test_the_threshold_of_the_route_goes_first(
    route_threshold: float | None, config_threshold: float, matched: bool, compared_with: float
) -> None:
    router = built(plain(route_threshold), threshold=config_threshold)

    result = router.route("nothing like it")

    assert result.matched is matched
    assert result.threshold == compared_with


# What the result says ----------------------------------------------------------------------------


def test_an_accepted_result() -> None:
    result = built(threshold=0.0).route("Where is my parcel?")

    assert (result.route_id, result.reason, result.alternatives) == ("delivery", "accepted", ())
    assert result.metadata == {"team": "logistics"}
    assert result.query == "Where is my parcel?"
    assert result.embedding is not None
    assert np.array_equal(result.embedding, ENCODER.encode(["Where is my parcel?"])[0])
    assert result.scores.confidence == result.confidence
    assert result.latency_ms > 0.0


def test_a_rejected_result_is_led_by_the_best_candidate() -> None:
    result = built(plain(1.0)).route("Where is my parcel?")

    assert (result.route_id, result.reason, result.metadata) == (None, "below_threshold", {})
    [best] = result.alternatives
    assert (best.route_id, best.scores) == ("delivery", result.scores)
    assert best.confidence == result.confidence


def test_the_fallback_is_named_below_the_threshold() -> None:
    routes = [*plain(1.0), Route("human", examples=["agent"], metadata={"queue": 1})]

    result = built(routes, fallback_route="human").route("Where is my parcel?")

    assert (result.route_id, result.reason) == ("human", "fallback")
    assert not result
    assert result.metadata == {"queue": 1}
    assert result.threshold == 1.0
    assert result.alternatives[0].route_id == "delivery"
    assert result.confidence == result.alternatives[0].confidence


def test_the_fallback_is_not_used_above_the_threshold() -> None:
    result = built(plain(0.0), fallback_route="account").route("Where is my parcel?")

    assert (result.route_id, result.reason) == ("delivery", "accepted")


def test_the_fallback_can_itself_be_the_best_candidate() -> None:
    result = built(plain(1.0), fallback_route="delivery").route("Where is my parcel?")

    assert (result.route_id, result.reason) == ("delivery", "fallback")
    assert result.alternatives[0].route_id == "delivery"


def test_the_metadata_of_a_result_belongs_to_the_caller() -> None:
    router = built(threshold=0.0)
    router.route("Where is my parcel?").metadata["team"] = "changed"

    assert router.route("Where is my parcel?").metadata == {"team": "logistics"}


def test_uncalibrated_results_say_so() -> None:
    assert not built(enable_calibration=False).route("x").calibrated
    routes = [Route(f"r{n}", examples=[f"t{n} w{place}" for place in range(10)]) for n in range(4)]
    assert built(routes).route("x").calibrated


# Overriding patterns -----------------------------------------------------------------------------


def overriding(threshold: float | None = None, max_candidates: int = 10) -> Router:
    legal = Route(
        "legal",
        examples=["something else entirely"],
        patterns=["lawyer"],
        pattern_mode="override",
        threshold=threshold,
    )
    return built([*plain(), legal], max_candidates=max_candidates)


@pytest.mark.parametrize("max_candidates", [1, 10])
def test_an_overriding_pattern_decides_alone(max_candidates: int) -> None:
    router = overriding(max_candidates=max_candidates)

    result = router.route("Where is my parcel? Or I call my LAWYER")

    assert (result.route_id, result.reason) == ("legal", "pattern_override")
    assert result.matched
    assert result.scores.pattern == 1.0
    assert result.confidence == pytest.approx(0.99)


def test_without_its_pattern_the_route_has_no_privilege() -> None:
    assert ranked(overriding().route("Where is my parcel?"))[0] == "delivery"


def test_an_override_is_compared_with_the_threshold() -> None:
    result = overriding(threshold=1.0).route("lawyer")

    assert (result.route_id, result.reason) == (None, "below_threshold")
    assert result.alternatives[0].route_id == "legal"
    assert result.confidence == pytest.approx(0.99)


def test_an_override_names_as_many_alternatives_as_wanted() -> None:
    for max_candidates in (1, 2, 10):
        result = overriding(max_candidates=max_candidates).route("lawyer, parcel", k=4)
        assert len(result.alternatives) == 3
        assert "legal" not in [entry.route_id for entry in result.alternatives]


# Alternatives ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.0, 1.0])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("max_candidates", [1, 2, 10])
def test_k_counts_the_winner(threshold: float, k: int, max_candidates: int) -> None:
    router = built(plain(threshold), max_candidates=max_candidates)
    for query in QUERIES:
        result = router.route(query, k=k)
        names = ranked(result)
        assert len(names) == len(set(names)) == min(k, 4)


@pytest.mark.parametrize("max_candidates", [1, 2, 10])
def test_a_larger_k_never_changes_the_decision(max_candidates: int) -> None:
    router = built(max_candidates=max_candidates)
    for query in QUERIES:
        for embedding in (None, *directions(3)):
            one, many = (router.route(query, embedding, k=k) for k in (1, 4))
            assert (many.route_id, many.confidence) == (one.route_id, one.confidence)
            assert (many.scores, many.reason) == (one.scores, one.reason)


@pytest.mark.parametrize("max_candidates", [1, 3, 10])
def test_alternatives_come_best_first(max_candidates: int) -> None:
    router = built(plain(0.0), max_candidates=max_candidates)
    for query in QUERIES:
        totals = [entry.scores.total for entry in router.route(query, k=4).alternatives]
        assert totals == sorted(totals, reverse=True)


def test_with_enough_candidates_the_winner_is_the_best_of_all() -> None:
    for query in QUERIES:
        result = built(plain(0.0)).route(query, k=4)
        assert result.scores.total >= result.alternatives[0].scores.total


def test_alternatives_are_less_sure_than_the_winner() -> None:
    for query in QUERIES:
        result = built(plain(0.0)).route(query, k=4)
        assert all(entry.confidence <= result.confidence for entry in result.alternatives)


# Batches -----------------------------------------------------------------------------------------


@settings(max_examples=settings().max_examples // 4)
@given(
    st.lists(st.sampled_from([*QUERIES, "call my lawyer"]), max_size=12),
    st.sampled_from([None, 1, 2, 4, 9]),
    st.sampled_from([1, 2, 10]),
)
def test_a_batch_equals_single_queries(
    queries: list[str], k: int | None, max_candidates: int
) -> None:
    router = overriding(max_candidates=max_candidates)

    batch = router.route_batch(queries, k=k)

    assert len(batch) == len(queries)
    for query, together in zip(queries, batch, strict=True):
        alone = router.route(query, k=k)
        assert (together.route_id, together.reason) == (alone.route_id, alone.reason)
        assert together.query == query
        assert together.confidence == pytest.approx(alone.confidence, abs=1e-5)
        assert dict(together.scores) == pytest.approx(dict(alone.scores), abs=1e-5)
        assert ranked(together) == ranked(alone)


def test_a_batch_of_many_blocks_keeps_its_order() -> None:
    router = built(threshold=0.0)
    queries = [f"{QUERIES[n % 4]} {n}" for n in range(600)]
    embeddings = directions(600, seed=5)

    batch = router.route_batch(queries, embeddings)

    assert [result.query for result in batch] == queries
    for place in range(0, 600, 37):
        alone = router.route(queries[place], embeddings[place])
        assert batch[place].route_id == alone.route_id
        assert batch[place].confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_an_empty_batch_is_empty() -> None:
    assert built().route_batch([]) == []
    assert built().route_batch([], []) == []


def test_all_results_of_a_batch_come_from_one_snapshot() -> None:
    router = built()

    assert {result.snapshot_version for result in router.route_batch(QUERIES)} == {router.version}
