"""What every candidate index promises, run over each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter.index import FlatIndex

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratarouter.protocols import VectorIndex
    from stratarouter.types import FloatArray

    MakeIndex = Callable[[FloatArray], VectorIndex]

N_ROWS, DIMENSION = 300, 32


def unit_rows(n: int, seed: int) -> FloatArray:
    rows = np.random.default_rng(seed).normal(size=(n, DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


@pytest.fixture(params=[FlatIndex], ids=["flat"])
def make_index(request: pytest.FixtureRequest) -> MakeIndex:
    made: MakeIndex = request.param
    return made


@pytest.mark.parametrize("k", [1, 7, N_ROWS - 1, N_ROWS, N_ROWS + 5])
def test_as_many_distinct_rows_as_wanted_and_available(make_index: MakeIndex, k: int) -> None:
    rows, similarities = make_index(unit_rows(N_ROWS, 0)).search(unit_rows(1, 1)[0], k)

    assert len(rows) == len(similarities) == min(k, N_ROWS)
    assert len(set(rows.tolist())) == len(rows)
    assert set(rows.tolist()) <= set(range(N_ROWS))


@pytest.mark.parametrize("seed", range(10))
def test_similarities_are_inner_products_of_their_rows(make_index: MakeIndex, seed: int) -> None:
    matrix, query = unit_rows(N_ROWS, seed), unit_rows(1, 100 + seed)[0]

    rows, similarities = make_index(matrix).search(query, 12)

    assert similarities == pytest.approx(matrix[rows] @ query, abs=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_a_row_finds_itself(make_index: MakeIndex, seed: int) -> None:
    matrix = unit_rows(N_ROWS, seed)
    index = make_index(matrix)

    for row in range(0, N_ROWS, 29):
        assert row in index.search(matrix[row], 1)[0].tolist()


def test_the_best_rows_are_found(make_index: MakeIndex) -> None:
    matrix, queries = unit_rows(N_ROWS, 3), unit_rows(50, 4)
    index = make_index(matrix)
    found = wanted = 0
    for query in queries:
        best = set(np.argsort(-(matrix @ query))[:10].tolist())
        found += len(best & set(index.search(query, 10)[0].tolist()))
        wanted += 10

    assert found >= 0.95 * wanted


def test_one_row_is_enough(make_index: MakeIndex) -> None:
    matrix = unit_rows(1, 0)

    rows, similarities = make_index(matrix).search(-matrix[0], 3)

    assert rows.tolist() == [0]
    assert similarities.tolist() == pytest.approx([-1.0])
