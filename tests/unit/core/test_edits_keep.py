"""What a change of a route leaves in force: the head, what was learned with it, certificates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import HashingEncoder, Route, Router
from tests.learned_routers import (
    DIMENSION,
    built,
    decided,
    noisy,
    queries,
    report_of,
    routes_of,
    snapshot_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from stratarouter import RouteResult
    from stratarouter.certifying import Certificate

CHANGED = "r1"
DESCRIPTIVE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "metadata": {"metadata": {"owner": "night shift"}},
    "tags": {"tags": ["new"]},
}
DECIDING: dict[str, dict[str, Any]] = {
    "threshold": {"threshold": 0.25},
    "keywords": {"keywords": ["query"]},
    "patterns": {"patterns": ["query"]},
    "overriding patterns": {"patterns": ["query"], "pattern_mode": "override"},
}
CHANGES = {**DESCRIPTIVE, **DECIDING}


def changed(fields: dict[str, Any]) -> Route:
    """Return the route of the router with other fields."""
    route = next(route for route in routes_of() if route.id == CHANGED)
    return Route(**{**route.to_dict(), **fields})


def certify(router: Router) -> Certificate:
    """Put a certificate into force with thresholds that nobody set by hand."""
    texts, labels, vectors = queries(600)
    certificate = router.certify(0.2, 0.1, texts, labels, vectors)
    assert certificate.holds
    assert certificate.threshold_of(CHANGED) > 0.0
    return certificate


def thresholds(router: Router) -> dict[str, float]:
    """Return the threshold in force of each route."""
    vectors = np.vstack(list(noisy(seed=5).values()))
    results = router.route_batch(["query"] * len(vectors), vectors)
    return {picked(result): result.threshold for result in results}


def picked(result: RouteResult) -> str:
    """Return the best route, accepted or not."""
    best = result.route_id if result.matched else result.alternatives[0].route_id
    assert best is not None
    return best


def signals(result: RouteResult) -> dict[str, tuple[float, float]]:
    """Return keyword and pattern score of each named route."""
    scores = {picked(result): result.scores}
    scores |= {entry.route_id: entry.scores for entry in result.alternatives}
    return {key: (value.keyword, value.pattern) for key, value in scores.items()}


@pytest.fixture(scope="module")
def learned() -> Router:
    """Return a router to look at; not to be changed."""
    return built()


@pytest.mark.parametrize("fields", CHANGES.values(), ids=CHANGES)
def test_the_head_and_what_was_learned_with_it_stay(
    tmp_path: Path, learned: Router, fields: dict[str, Any]
) -> None:
    router = built()

    router.update_route(changed(fields))

    before = snapshot_of(learned, tmp_path / "before")
    after = snapshot_of(router, tmp_path / "after")
    assert before.scorer.head is not None
    assert after.scorer.head is not None
    assert np.array_equal(after.scorer.head.weights, before.scorer.head.weights)
    assert after.scorer.weights == before.scorer.weights
    assert (after.confidence, after.built, after.plain) == (
        before.confidence,
        before.built,
        before.plain,
    )
    assert not router.route("query", queries()[2][0]).head_stale
    assert router.version == learned.version + 1


@pytest.mark.parametrize("name", ["nothing", "metadata", "tags", "threshold"])
def test_a_change_that_scores_nothing_leaves_scores_and_report(learned: Router, name: str) -> None:
    router = built()

    router.update_route(changed(CHANGES[name]))

    assert report_of(router) == report_of(learned)
    _, _, vectors = queries()
    for old, new in zip(
        learned.route_batch(["query"] * len(vectors), vectors, k=5),
        router.route_batch(["query"] * len(vectors), vectors, k=5),
        strict=True,
    ):
        assert (picked(new), new.scores) == (picked(old), old.scores)


@pytest.mark.parametrize("name", ["keywords", "patterns", "overriding patterns"])
def test_other_keywords_and_patterns_count_at_once(learned: Router, name: str) -> None:
    router = built()
    _, _, vectors = queries()

    router.update_route(changed(CHANGES[name]))

    result = router.route("query", vectors[0], k=5)
    before = signals(learned.route("query", vectors[0], k=5))
    after = signals(result)
    assert before[CHANGED] == (0.0, 0.0)
    assert max(after[CHANGED]) > 0.2
    assert all(value == (0.0, 0.0) for key, value in after.items() if key != CHANGED)
    assert router.build_report is None
    if name == "overriding patterns":
        assert (result.route_id, result.reason) == (CHANGED, "pattern_override")
        assert learned.route("query", vectors[0]).route_id != CHANGED


def test_a_change_there_and_back_changes_nothing(learned: Router) -> None:
    router = built()
    for fields in CHANGES.values():
        router.update_route(changed(fields))
        router.update_route(changed({}))

    assert decided(router) == decided(learned)


def test_a_fit_outlives_a_change_of_metadata() -> None:
    router, same = built(), built()
    for each in (router, same):
        each.fit(*queries(300))

    router.update_route(changed(DESCRIPTIVE["tags"]))

    assert decided(router) == decided(same)


def test_other_vectors_for_the_same_texts_set_the_head_aside(tmp_path: Path) -> None:
    router = built()
    vectors = noisy(seed=3)[CHANGED]

    router.update_route(changed({}), embeddings=vectors)

    assert router.route("query", vectors[0]).head_stale
    assert snapshot_of(router, tmp_path / "changed").scorer.head is None


def test_the_same_vectors_handed_in_again_leave_the_head(learned: Router) -> None:
    router = built()

    router.update_route(changed({}), embeddings=noisy()[CHANGED])

    assert decided(router) == decided(learned)


def test_a_head_that_was_set_aside_is_not_brought_back_by_metadata() -> None:
    router = built()
    router.remove_route("r0")

    router.update_route(changed(DESCRIPTIVE["metadata"]))

    assert router.route("query", np.ones(DIMENSION)).head_stale


def test_a_loaded_router_keeps_its_head_too(tmp_path: Path, learned: Router) -> None:
    router = Router.load(learned.save(tmp_path / "saved"))

    router.update_route(changed(DESCRIPTIVE["tags"]))

    assert decided(router) == decided(learned)


def test_a_router_with_an_encoder_encodes_nothing_and_keeps_the_order() -> None:
    router = Router(encoder=HashingEncoder(64), threshold=0.0)
    routes = [Route(name, examples=[f"{name} one", f"{name} two"]) for name in "abc"]
    router.add_routes(routes)
    router.build_index()
    before = router.route("b one", k=3)

    router.update_route(Route("b", examples=["b one", "b two"], metadata={"new": 1}))

    after = router.route("b one", k=3)
    assert [route.id for route in router.routes] == ["a", "b", "c"]
    assert (after.scores, after.metadata) == (before.scores, {"new": 1})


# Certificates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", DESCRIPTIVE.values(), ids=DESCRIPTIVE)
def test_certified_thresholds_outlive_what_decides_nothing(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    router = built()
    certificate = certify(router)

    router.update_route(changed(fields))

    expected = {route.id: certificate.threshold_of(route.id) for route in router.routes}
    assert thresholds(router) == expected
    assert thresholds(Router.load(router.save(tmp_path / "saved"))) == expected


ENDS: dict[str, Any] = {
    **{
        name: lambda router, fields=fields: router.update_route(changed(fields))
        for name, fields in DECIDING.items()
    },
    "examples": lambda router: router.update_route(
        Route(CHANGED, examples=["other"]), embeddings=noisy()[CHANGED][:1]
    ),
    "another route": lambda router: router.add_route(
        Route("new", examples=["new"]), embeddings=np.eye(DIMENSION)[:1]
    ),
    "a removed route": lambda router: router.remove_route("r0"),
    "fit": lambda router: router.fit(*queries(300)),
    "a fit that finds too little": lambda router: router.fit(*(part[:3] for part in queries())),
    "build": lambda router: router.build_index(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_certified_thresholds_end_with_what_they_rest_on(end: Any) -> None:
    router = built()
    certify(router)

    end(router)

    by_hand = {route.id: route.threshold or 0.0 for route in router.routes}
    found = thresholds(router)
    assert CHANGED in found
    assert found == {route_id: by_hand[route_id] for route_id in found}


def test_a_certificate_that_does_not_hold_leaves_the_one_in_force() -> None:
    router = built()
    certify(router)
    before = json.dumps(decided(router))
    texts, labels, vectors = queries()

    refused = router.certify(0.001, 0.01, texts, labels, vectors)

    assert not refused.holds
    assert json.dumps(decided(router)) == before
