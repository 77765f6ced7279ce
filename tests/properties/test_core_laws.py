"""Laws that every router keeps, whatever its routes and queries are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stratarouter import HashingEncoder, Route, Router

if TYPE_CHECKING:
    from stratarouter import RouteResult, RouteScores

DIMENSION = 48
ENCODER = HashingEncoder(DIMENSION)
LEXICON = [
    "refund",
    "parcel",
    "late",
    "my",
    "card",
    "login",
    "the",
    "invoice",
    "42",
    "заказ",
    "退款",
]
PATTERNS = ["parcel", r"re:\bcard\b", r"re:\d+", "заказ", "unrelated"]

# Building routers takes time; a profile with more examples raises this number too.
few = settings(max_examples=settings().max_examples // 4)
texts = st.lists(st.sampled_from(LEXICON), min_size=1, max_size=5).map(" ".join)
queries = st.one_of(texts, st.sampled_from(["?!", "xyz 7", "Card, late!", "🙂", "\u2028 ."]))
patterns = st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True)


@st.composite
def route_lists(draw: st.DrawFn, least: int = 1) -> list[Route]:
    return [
        Route(
            f"r{number}",
            examples=draw(st.lists(texts, min_size=1, max_size=4)),
            description=draw(st.none() | texts),
            keywords=draw(st.lists(texts, max_size=2)),
            patterns=draw(patterns),
            threshold=draw(st.sampled_from([None, 0.0, 0.3, 0.9, 1.0])),
        )
        for number in range(draw(st.integers(least, 5)))
    ]


def built(routes: list[Route], **options: Any) -> Router:
    router = Router(encoder=ENCODER, **options)
    router.add_routes(routes)
    router.build_index()
    return router


def all_scores(router: Router, query: str, embedding: Any = None) -> dict[str, RouteScores]:
    """Return the scores of every route, for routers with no more routes than candidates."""
    result = router.route(query, embedding, k=len(router))
    scores = {entry.route_id: entry.scores for entry in result.alternatives}
    if result.matched and result.route_id is not None:
        scores[result.route_id] = result.scores
    assert len(scores) == len(router)
    return scores


def best_of(result: RouteResult) -> str:
    best = result.route_id if result.matched else result.alternatives[0].route_id
    assert best is not None
    return best


def changed(route: Route, **fields: Any) -> Route:
    return Route(**{**route.to_dict(), **fields})


def embeddings(seed: int, n: int = 1) -> np.ndarray:
    rows: np.ndarray = np.random.default_rng(seed).normal(size=(n, DIMENSION))
    return rows


# Ranges ------------------------------------------------------------------------------------------


@few
@given(route_lists(), queries, st.none() | st.integers(0, 99), st.booleans())
def test_every_score_is_in_its_range(
    routes: list[Route], query: str, seed: int | None, calibrated: bool
) -> None:
    router = built(routes, enable_calibration=calibrated)
    directions = [None]
    if seed is not None:
        [row] = embeddings(seed)
        own = ENCODER.encode([routes[0].texts[0]])[0]
        directions = [row, -row, own, -own]
    for direction in directions:
        for scores in all_scores(router, query, direction).values():
            for name in ("semantic", "keyword", "pattern", "total"):
                assert 0.0 <= scores[name] <= 1.0
            assert 0.0 < scores.confidence < 1.0


@few
@given(route_lists(), queries)
def test_a_total_lies_between_its_components(routes: list[Route], query: str) -> None:
    plain = [changed(route, patterns=[]) for route in routes]

    for scores in all_scores(built(plain), query).values():
        low, high = sorted((scores.semantic, scores.keyword))
        assert low - 1e-6 <= scores.total <= high + 1e-6


# The order of things -----------------------------------------------------------------------------


@few
@given(st.data())
def test_the_order_of_routes_does_not_matter(data: st.DataObject) -> None:
    routes = data.draw(route_lists(least=2))
    query = data.draw(queries)
    one, other = built(routes), built(data.draw(st.permutations(routes)))
    scores, again = all_scores(one, query), all_scores(other, query)

    for route in routes:
        assert dict(again[route.id]) == pytest.approx(dict(scores[route.id]), abs=1e-6)
    totals = sorted(entry.total for entry in scores.values())
    if totals[-1] - totals[-2] > 1e-6:
        assert best_of(one.route(query)) == best_of(other.route(query))


@few
@given(st.data())
def test_the_order_of_additions_does_not_matter(data: st.DataObject) -> None:
    routes = data.draw(route_lists(least=2))
    query = data.draw(queries)
    cut = data.draw(st.integers(1, len(routes) - 1))
    grown = built(routes[:cut], enable_calibration=False)
    for route in routes[cut:]:
        grown.add_route(route)

    at_once = all_scores(built(routes, enable_calibration=False), query)

    assert all_scores(grown, query) == at_once


@few
@given(st.data())
def test_a_route_that_came_and_went_leaves_no_trace(data: st.DataObject) -> None:
    routes = data.draw(route_lists())
    query = data.draw(queries)
    router = built(routes)
    before = all_scores(router, query)

    router.add_route(Route("guest", examples=[data.draw(texts)], patterns=data.draw(patterns)))
    router.remove_route("guest")

    assert all_scores(router, query) == before


# Examples and routes -----------------------------------------------------------------------------


@few
@given(st.data())
def test_a_repeated_example_takes_nothing_from_other_routes(data: st.DataObject) -> None:
    routes = data.draw(route_lists(least=2))
    query = data.draw(queries)
    examples = routes[0].examples
    doubled = changed(routes[0], examples=[*examples, data.draw(st.sampled_from(examples))])

    before = all_scores(built(routes), query)
    after = all_scores(built([doubled, *routes[1:]]), query)

    for route in routes[1:]:
        assert after[route.id].semantic == pytest.approx(before[route.id].semantic, abs=1e-6)
        assert after[route.id].keyword >= before[route.id].keyword - 1e-12


@few
@given(route_lists(), queries)
def test_another_route_never_changes_semantic_scores(routes: list[Route], query: str) -> None:
    guest = Route("guest", examples=["something else entirely"])
    before, after = all_scores(built(routes), query), all_scores(built([*routes, guest]), query)

    for route in routes:
        assert after[route.id].semantic == pytest.approx(before[route.id].semantic, abs=1e-6)


@few
@given(st.data())
def test_removing_a_loser_keeps_the_winner(data: st.DataObject) -> None:
    # Without words, whose statistics depend on all routes.
    routes = data.draw(route_lists(least=2))
    query = data.draw(queries)
    router = built(routes, bm25_weight=0.0)
    best = best_of(router.route(query))
    loser = data.draw(st.sampled_from([route.id for route in routes if route.id != best]))

    router.remove_route(loser)

    assert best_of(router.route(query)) == best


@few
@given(route_lists(), st.data())
def test_an_own_example_is_as_close_as_can_be(routes: list[Route], data: st.DataObject) -> None:
    route = data.draw(st.sampled_from(routes))
    alone = changed(route, examples=[data.draw(st.sampled_from(route.examples))], description=None)
    router = built([alone if entry is route else entry for entry in routes])

    scores = all_scores(router, alone.examples[0])

    assert scores[route.id].semantic == pytest.approx(1.0, abs=1e-6)
    assert all(entry.semantic <= scores[route.id].semantic + 1e-6 for entry in scores.values())


# Patterns ----------------------------------------------------------------------------------------


@few
@given(st.data())
def test_owning_a_pattern_never_costs_a_route(data: st.DataObject) -> None:
    routes = data.draw(route_lists())
    query = data.draw(queries)
    added = data.draw(st.sampled_from(PATTERNS))
    first = changed(routes[0], patterns=[])
    owner = changed(first, patterns=[added])

    before = all_scores(built([first, *routes[1:]]), query)
    after = all_scores(built([owner, *routes[1:]]), query)

    assert after[owner.id].total >= before[owner.id].total
    for route in routes[1:]:
        assert after[route.id].total == before[route.id].total


@few
@given(route_lists(), queries)
def test_an_unrelated_pattern_changes_nothing(routes: list[Route], query: str) -> None:
    owning = [changed(route, patterns=[*route.patterns, "never in a query"]) for route in routes]

    assert all_scores(built(owning), query) == all_scores(built(routes), query)


@few
@given(route_lists(), queries, st.sampled_from([1, 2, 10]), st.sampled_from([0.0, 0.5, 1.0]))
def test_an_overriding_pattern_decides_alone(
    routes: list[Route], query: str, max_candidates: int, threshold: float
) -> None:
    boss = Route(
        "boss",
        examples=["nothing"],
        patterns=["@boss"],
        pattern_mode="override",
        threshold=threshold,
    )
    router = built([*routes, boss], max_candidates=max_candidates)

    result = router.route(f"{query} @BOSS")

    assert best_of(result) == "boss"
    assert result.matched == (result.confidence >= threshold)
    assert result.matched is (threshold < 1.0)
    assert result.scores.pattern == 1.0


# Queries -----------------------------------------------------------------------------------------


@few
@given(route_lists(), texts, st.sampled_from(["  {}  ", "{}!", "¡{}?", "({}).", "\n{}\t"]))
def test_case_blanks_and_punctuation_do_not_matter(
    routes: list[Route], query: str, frame: str
) -> None:
    router = built(routes)

    plain, dressed = (all_scores(router, text) for text in (query, frame.format(query.upper())))

    for route in routes:
        assert dict(dressed[route.id]) == pytest.approx(dict(plain[route.id]), abs=1e-6)


@few
@given(route_lists(), queries, st.integers(0, 99), st.sampled_from([1e-30, 1e-3, 7.0, 1e30]))
def test_the_length_of_a_vector_does_not_matter(
    routes: list[Route], query: str, seed: int, factor: float
) -> None:
    router = built(routes)
    [row] = embeddings(seed)

    one, other = (all_scores(router, query, vector) for vector in (row, row * factor))

    for route in routes:
        assert dict(other[route.id]) == pytest.approx(dict(one[route.id]), abs=1e-5)


@few
@given(route_lists(), st.lists(queries, min_size=1, max_size=6), st.sampled_from([None, 1, 2, 9]))
def test_a_batch_equals_single_queries(
    routes: list[Route], several: list[str], k: int | None
) -> None:
    router = built(routes)

    for query, together in zip(several, router.route_batch(several, k=k), strict=True):
        alone = router.route(query, k=k)
        ranked = [entry.route_id for entry in alone.alternatives]
        assert together.confidence == pytest.approx(alone.confidence, abs=1e-5)
        assert dict(together.scores) == pytest.approx(dict(alone.scores), abs=1e-5)
        if len({round(entry.total, 5) for entry in all_scores(router, query).values()}) == len(
            router
        ):
            assert best_of(together) == best_of(alone)
            assert [entry.route_id for entry in together.alternatives] == ranked


# Decisions ---------------------------------------------------------------------------------------


@few
@given(route_lists(), queries, st.lists(st.floats(0.0, 1.0), min_size=2, max_size=4))
def test_a_higher_threshold_never_accepts_more(
    routes: list[Route], query: str, thresholds: list[float]
) -> None:
    plain = [changed(route, threshold=None) for route in routes]
    results = [built(plain, threshold=threshold).route(query) for threshold in sorted(thresholds)]

    assert [result.matched for result in results] == sorted(
        (result.matched for result in results), reverse=True
    )
    assert len({result.confidence for result in results}) == 1
    assert all(result.matched is (result.confidence >= result.threshold) for result in results)


@few
@given(route_lists(), queries)
def test_asking_for_more_only_appends(routes: list[Route], query: str) -> None:
    router = built(routes)

    longer = router.route(query, k=len(routes) + 3)
    for k in range(1, len(routes) + 1):
        result = router.route(query, k=k)
        shown = len(result.alternatives)
        assert shown == k - result.matched
        assert result.alternatives == longer.alternatives[:shown]
        assert result.route_id == longer.route_id


@few
@given(route_lists(least=2), queries)
def test_more_candidates_than_needed_change_nothing(routes: list[Route], query: str) -> None:
    assert all_scores(built(routes, max_candidates=len(routes)), query) == all_scores(
        built(routes, max_candidates=1_000), query
    )


@few
@given(route_lists(), queries, st.data())
def test_an_unmatched_result_goes_to_the_fallback(
    routes: list[Route], query: str, data: st.DataObject
) -> None:
    fallback = data.draw(st.sampled_from([route.id for route in routes]))
    without, result = (
        built(routes).route(query),
        built(routes, fallback_route=fallback).route(query),
    )

    assert result.confidence == without.confidence
    assert result.scores == without.scores
    assert result.matched == without.matched
    assume(not result.matched)
    assert (without.route_id, result.route_id) == (None, fallback)
    assert result.alternatives == without.alternatives
    assert result.alternatives[0].confidence == result.confidence


@few
@given(route_lists(), queries)
def test_a_result_can_be_shown_and_explained(routes: list[Route], query: str) -> None:
    result = built(routes).route(query, k=3)

    assert best_of(result) == result.explain().ranking[0].route_id
    assert result.explain().ranking[0].scores == result.scores
    assert result.explain().query == query
