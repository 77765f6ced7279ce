"""Semantic scores: nearest example and mean direction of each route."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.scoring.semantic import SemanticScorer, prototypes


def unit(*rows: list[float]) -> np.ndarray:
    matrix: np.ndarray = np.array(rows, dtype=np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix


def random_router(seed: int, sizes: list[int], d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return unit(*rng.normal(size=(sum(sizes), d)).tolist()), np.append(0, np.cumsum(sizes))


def test_a_prototype_is_the_mean_direction() -> None:
    vectors = unit([1.0, 0.0], [0.0, 1.0], [1.0, 1.0])

    rows = prototypes(vectors, np.array([0, 2, 3]))

    assert rows == pytest.approx(unit([1.0, 1.0], [1.0, 1.0]), abs=1e-6)
    assert rows.dtype == np.float32


def test_examples_that_cancel_out_leave_the_first() -> None:
    vectors = unit([1.0, 0.0], [-1.0, 0.0], [0.0, 1.0])

    assert prototypes(vectors, np.array([0, 2, 3])).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_prototypes_have_length_one_and_depend_on_their_own_route_only() -> None:
    vectors, offsets = random_router(3, [2, 5, 1])

    rows = prototypes(vectors, offsets)

    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    for number in range(3):
        own = vectors[offsets[number] : offsets[number + 1]]
        assert rows[[number]] == pytest.approx(prototypes(own, np.array([0, len(own)])), abs=1e-6)


def test_the_nearest_example_decides_not_the_mean() -> None:
    vectors = unit([1.0, 0.0], [0.0, 1.0])
    scorer = SemanticScorer(vectors, np.array([0, 2]))
    query = unit([1.0, 0.0])[0]

    nearest = scorer.cosines(query, np.array([0]))[0]

    assert nearest == pytest.approx([1.0])
    assert prototypes(vectors, scorer.offsets) @ query == pytest.approx([np.sqrt(0.5)])


@given(
    st.integers(0, 10_000),
    st.one_of(
        st.lists(st.integers(1, 5), min_size=1, max_size=6),
        st.integers(1, 4).flatmap(lambda size: st.lists(st.just(size), min_size=1, max_size=6)),
        st.just([40, 40]),
    ),
)
def test_cosines_equal_a_loop(seed: int, sizes: list[int]) -> None:
    vectors, offsets = random_router(seed, sizes)
    query = unit(np.random.default_rng(seed + 1).normal(size=6).tolist())[0]
    routes = np.flatnonzero(np.random.default_rng(seed).random(len(sizes)) < 0.7)
    routes = routes if len(routes) else np.array([0])

    nearest, prototype = SemanticScorer(vectors, offsets).cosines(query, routes)

    expected = [(vectors[offsets[r] : offsets[r + 1]] @ query).max() for r in routes]
    assert nearest == pytest.approx(expected, abs=1e-6)
    assert prototype == pytest.approx(prototypes(vectors, offsets)[routes] @ query, abs=1e-6)


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 5), min_size=2, max_size=6),
    st.booleans(),
    st.integers(1, 7),
)
def test_many_queries_get_what_each_gets_alone(
    seed: int, sizes: list[int], cancel: bool, n: int
) -> None:
    vectors, offsets = random_router(seed, sizes)
    if cancel and sizes[0] > 1:
        vectors[: sizes[0]] = vectors[0]
        vectors[1] = -vectors[0]
        vectors[2 : sizes[0] - sizes[0] % 2 : 2] *= -1.0
    rng = np.random.default_rng(seed + 1)
    queries = unit(*rng.normal(size=(n, 6)).tolist())
    routes = np.sort(np.argsort(rng.random((n, len(sizes))), axis=1)[:, :2], axis=1)
    scorer = SemanticScorer(vectors, offsets)

    together = scorer.cosines_many(queries, routes)

    for number, (query, own) in enumerate(zip(queries, routes, strict=True)):
        alone = scorer.cosines(query, own)
        assert together[0][number] == pytest.approx(alone[0], abs=1e-6)
        assert together[1][number] == pytest.approx(alone[1], abs=1e-5)


@given(st.integers(0, 10_000), st.lists(st.integers(2, 5), min_size=1, max_size=5), st.data())
def test_without_equals_a_scorer_of_what_is_left(
    seed: int, sizes: list[int], data: st.DataObject
) -> None:
    vectors, offsets = random_router(seed, sizes)
    gone = [
        int(offsets[number]) + data.draw(st.integers(0, size - 1))
        for number, size in enumerate(sizes)
        if data.draw(st.booleans())
    ]
    kept = np.setdiff1d(np.arange(len(vectors)), gone)
    owners = np.repeat(np.arange(len(sizes)), sizes)[kept]

    reduced = SemanticScorer(vectors, offsets).without(np.array(gone, dtype=int))

    assert np.array_equal(reduced.vectors, vectors[kept])
    assert np.diff(reduced.offsets).tolist() == np.bincount(owners).tolist()


@pytest.mark.parametrize("offsets", [[0, 1, 2], [0, 2]], ids=["one each", "both in one"])
def test_opposite_embeddings_keep_their_sign(offsets: list[int]) -> None:
    vectors = unit([1.0, 0.0], [0.0, 1.0])
    scorer = SemanticScorer(vectors, np.array(offsets))

    nearest = scorer.cosines(unit([-1.0, -1.0])[0], np.arange(len(offsets) - 1))[0]

    assert nearest == pytest.approx(np.full(len(offsets) - 1, -np.sqrt(0.5)))


def test_leaving_rows_out_leaves_the_scorer_alone() -> None:
    vectors, offsets = random_router(5, [3, 3])
    scorer = SemanticScorer(vectors, offsets)
    before = vectors.copy(), offsets.copy()

    scorer.without(np.array([0, 4]))

    assert np.array_equal(scorer.vectors, before[0])
    assert np.array_equal(scorer.offsets, before[1])
