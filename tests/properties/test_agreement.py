"""One query, a batch, threads and a saved router give the same answer, up to rounding.

The same route wherever the best total is ahead by more than 1e-5, the same confidence within 1e-5.
Nothing is asked where rounding decides which routes are candidates at all; how often that is the
case is counted with code and precision of the tests' own.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratarouter import Router
from tests.agreement_cases import HEADS, STYLES, Case, make_case

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratarouter import RouteResult

ROUNDING = 1e-5
N_THREADS = 8

# Building routers takes time; a profile with more examples raises this number too.
few = settings(max_examples=settings().max_examples // 4)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    return make_case(
        draw(st.integers(0, 2**31)),
        draw(st.one_of(st.integers(1, 12), st.integers(1, 300))),
        head=draw(st.sampled_from(HEADS)),
        style=draw(st.sampled_from(STYLES)),
        uneven=draw(st.booleans()),
        wordless=draw(st.booleans()),
        max_candidates=draw(st.sampled_from([1, 2, 10, 64, 500])),
        threshold=draw(st.sampled_from([0.0, 0.3, 0.5])),
        fallback_route=draw(st.sampled_from([None, "r0"])),
    )


def picked(result: RouteResult) -> str:
    """Return the best route, accepted or not."""
    best = result.route_id if result.matched else result.alternatives[0].route_id
    assert best is not None
    return best


def ranked(result: RouteResult) -> list[tuple[str, Any]]:
    """Return every named route with its scores, best first."""
    others = result.alternatives if result.matched else result.alternatives[1:]
    return [(picked(result), result.scores), *((other.route_id, other.scores) for other in others)]


def one_by_one(case: Case, k: int) -> list[RouteResult]:
    return [
        case.router.route(text, vector, k)
        for text, vector in zip(case.texts, case.embeddings, strict=True)
    ]


def check(case: Case, expected: Sequence[RouteResult], found: Sequence[RouteResult]) -> int:
    """Compare answers query by query; return for how many of them rounding had no say."""
    assert [result.query for result in found] == case.texts
    n_firm = 0
    for place, (one, other) in enumerate(zip(expected, found, strict=True)):
        assert one.embedding is not None
        assert other.embedding is not None
        assert np.allclose(one.embedding, other.embedding, atol=1e-6)
        assert len(ranked(one)) == len(ranked(other))
        check_scores(one, other)
        if case.is_firm(place, len(ranked(one))):
            check_decision(one, other)
            n_firm += 1
    return n_firm


def check_scores(one: RouteResult, other: RouteResult) -> None:
    """Compare the scores of the routes that both answers name."""
    known = dict(ranked(one))
    for route_id, scores in ranked(other):
        if route_id in known:
            for name in ("semantic", "keyword", "pattern", "total"):
                assert scores[name] == pytest.approx(known[route_id][name], abs=ROUNDING, rel=0.0)


def check_decision(one: RouteResult, other: RouteResult) -> None:
    """Compare what was decided between the same candidates."""
    totals = [[scores.total for _, scores in ranked(result)] for result in (one, other)]
    assert totals[0] == pytest.approx(totals[1], abs=ROUNDING, rel=0.0)
    # An overriding pattern decides by no total, so nothing is ever even.
    by_pattern = [result.confidence == 0.99 for result in (one, other)]
    if picked(one) != picked(other):
        assert by_pattern == [False, False]
        assert abs(one.scores.total - other.scores.total) <= ROUNDING
        return
    assert one.confidence == pytest.approx(other.confidence, abs=ROUNDING, rel=0.0)
    assert one.threshold == other.threshold
    if abs(one.confidence - one.threshold) > ROUNDING:
        assert (one.route_id, one.reason) == (other.route_id, other.reason)
        assert one.metadata == other.metadata
    for (first, scores), (second, again) in zip(ranked(one), ranked(other), strict=True):
        if first == second:
            assert again.confidence == pytest.approx(scores.confidence, abs=ROUNDING, rel=0.0)


# Batches -----------------------------------------------------------------------------------------


def in_parts(router: Router, case: Case, k: int, size: int) -> list[RouteResult]:
    """Route batches of some size."""
    return [
        result
        for start in range(0, len(case.texts), size)
        for result in router.route_batch(
            case.texts[start : start + size], case.embeddings[start : start + size], k
        )
    ]


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "float32": lambda rows: rows,
    "float64": lambda rows: 3.0 * rows.astype(float),
    "by columns": np.asfortranarray,
    "every second": lambda rows: np.repeat(rows, 2, axis=0)[::2],
    "lists": lambda rows: rows.tolist(),
}


@given(
    cases(),
    st.sampled_from([1, 2, 5, 1_000]),
    st.sampled_from(list(FORMS)),
    st.integers(1, 40),
)
@few
def test_a_batch_agrees_with_single_queries(case: Case, k: int, form: str, size: int) -> None:
    expected = one_by_one(case, k)

    check(case, expected, case.router.route_batch(case.texts, FORMS[form](case.embeddings), k))
    check(case, expected, in_parts(case.router, case, k, size))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("n_routes", [1, 2, 9, 10, 11, 33, 300])
def test_rounding_has_a_say_in_few_answers(n_routes: int, head: str) -> None:
    case = make_case(n_routes, n_routes, head=head, n_queries=400)

    n_firm = check(
        case, one_by_one(case, 3), case.router.route_batch(case.texts, case.embeddings, 3)
    )

    assert n_firm >= 0.9 * len(case.texts)


@pytest.mark.parametrize("n_routes", [7, 40, 300])
def test_between_equal_routes_scores_and_confidence_still_agree(n_routes: int) -> None:
    # Every route is a candidate, so that nothing is left to rounding but the name of the winner.
    case = make_case(n_routes, n_routes, style="twins", n_queries=100, max_candidates=500)

    n_firm = check(case, one_by_one(case, 9), in_parts(case.router, case, 9, 33))

    assert n_firm == len(case.texts)


@pytest.mark.parametrize("style", STYLES)
def test_a_batch_searches_the_graph_that_single_queries_search(style: str) -> None:
    case = make_case(3, 300, style=style, n_queries=100, index_type="hnsw", ef_search=10, m=4)

    check(case, one_by_one(case, 3), case.router.route_batch(case.texts, case.embeddings, 3))


@given(cases())
@few
def test_arrays_say_what_the_results_of_a_batch_say(case: Case) -> None:
    results = case.router.route_batch(case.texts, case.embeddings)

    arrays = case.router.route_batch(case.texts, case.embeddings, as_arrays=True)

    assert len(arrays) == len(results)
    assert arrays.snapshot_version == case.router.version
    chosen = arrays.chosen_ids()
    for place, result in enumerate(results):
        best = arrays.route_ids[int(arrays.best[place])]
        if not case.is_firm(place, 1) and best != picked(result):
            continue
        confidence = float(arrays.confidence[place])
        assert confidence == pytest.approx(result.confidence, abs=ROUNDING, rel=0.0)
        if abs(confidence - result.threshold) > ROUNDING:
            assert (best, chosen[place]) == (picked(result), result.route_id)
            assert bool(arrays.accepted[place]) == result.matched


def test_no_queries_give_empty_arrays() -> None:
    case = make_case(5, 4)

    arrays = case.router.route_batch([], np.empty((0, case.embeddings.shape[1])), as_arrays=True)

    assert (len(arrays), arrays.chosen_ids()) == (0, [])


# Threads -----------------------------------------------------------------------------------------


@given(cases())
@few
def test_eight_threads_agree_with_one(case: Case) -> None:
    expected = one_by_one(case, 2)

    with ThreadPoolExecutor(N_THREADS) as pool:
        single = [pool.submit(one_by_one, case, 2) for _ in range(N_THREADS // 2)]
        batches = [
            pool.submit(in_parts, case.router, case, 2, 1 + 7 * number)
            for number in range(N_THREADS // 2)
        ]
        for future in [*single, *batches]:
            check(case, expected, future.result())


# Saved and loaded --------------------------------------------------------------------------------


LOADERS: dict[str, Callable[[str], Router]] = {"read": Router.load}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@given(case=cases(), k=st.sampled_from([1, 3, 1_000]))
@few
def test_a_saved_router_agrees(load: Callable[[str], Router], case: Case, k: int) -> None:
    expected = one_by_one(case, k)

    with tempfile.TemporaryDirectory() as folder:
        case.router.save(folder)
        loaded = load(folder)
        single = [
            loaded.route(text, vector, k)
            for text, vector in zip(case.texts, case.embeddings, strict=True)
        ]
        batch = loaded.route_batch(case.texts, case.embeddings, k)

    check(case, expected, single)
    check(case, expected, batch)
