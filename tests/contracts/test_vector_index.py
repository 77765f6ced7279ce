"""What every index promises, whichever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter.index import FlatIndex, HnswIndex

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratarouter.protocols import VectorIndex
    from stratarouter.types import FloatArray

WIDTH = 12
INDEXES: dict[str, Callable[[FloatArray], VectorIndex]] = {
    "flat": FlatIndex,
    "hnsw": HnswIndex,
    "hnsw, narrow": lambda rows: HnswIndex(rows, m=2, ef_construction=4, ef_search=1),
}
EXACT_HERE = ["flat", "hnsw"]
"""Indexes that find every one of the few rows of this module."""


def unit_rows(n: int, seed: int = 0) -> FloatArray:
    rows = np.random.default_rng(seed).standard_normal((n, WIDTH)).astype(np.float32)
    unit: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


ROWS, PROBES = unit_rows(300), unit_rows(25, seed=1)


@pytest.fixture(params=list(INDEXES.values()), ids=list(INDEXES), scope="module")
def index(request: pytest.FixtureRequest) -> VectorIndex:
    built: VectorIndex = request.param(ROWS)
    return built


@pytest.mark.parametrize("k", [1, 2, 10, 299, 300, 301, 10_000])
def test_a_search_returns_k_different_rows_in_order_with_their_similarities(
    index: VectorIndex, k: int
) -> None:
    for probe in PROBES:
        rows, similarities = index.search(probe, k)

        assert rows.shape == similarities.shape == (min(k, len(ROWS)),)
        assert rows.dtype.kind == "i"
        assert similarities.dtype == np.float32
        assert (np.diff(rows) > 0).all()
        assert 0 <= rows[0] <= rows[-1] < len(ROWS)
        assert np.abs(ROWS[rows] @ probe - similarities).max() < 1e-6


@pytest.mark.parametrize("kind", EXACT_HERE)
@pytest.mark.parametrize("k", [1, 10])
def test_the_rows_are_the_most_similar_ones(kind: str, k: int) -> None:
    index = INDEXES[kind](ROWS)

    for probe in PROBES:
        best = np.argsort(-(ROWS @ probe), kind="stable")[:k]
        assert index.search(probe, k)[0].tolist() == sorted(best.tolist())


@pytest.mark.parametrize("kind", EXACT_HERE)
def test_a_row_finds_itself(kind: str) -> None:
    index = INDEXES[kind](ROWS)

    assert [index.search(row, 1)[0].tolist() for row in ROWS] == [[n] for n in range(len(ROWS))]


def test_searching_changes_neither_the_rows_nor_the_vector(index: VectorIndex) -> None:
    rows, probe = ROWS.copy(), PROBES[0].copy()

    first = index.search(probe, 5)
    again = index.search(probe, 5)

    assert ROWS.tobytes() == rows.tobytes()
    assert probe.tobytes() == PROBES[0].tobytes()
    assert first[0].tolist() == again[0].tolist()
    assert first[1].tobytes() == again[1].tobytes()


@pytest.mark.parametrize("kind", list(INDEXES))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_single_row_is_enough_whichever_way_it_points(kind: str, sign: float) -> None:
    rows, similarities = INDEXES[kind](ROWS[:1]).search(np.float32(sign) * ROWS[0], 3)

    assert rows.tolist() == [0]
    assert similarities == pytest.approx([sign])


@pytest.mark.parametrize("kind", list(INDEXES))
def test_equal_rows_are_all_found(kind: str) -> None:
    index = INDEXES[kind](np.repeat(ROWS[:1], 50, axis=0))

    rows, similarities = index.search(ROWS[0], 20)

    assert len(set(rows.tolist())) == 20
    assert np.abs(similarities - 1.0).max() < 1e-6
