"""Exact candidate search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.index.flat import FlatIndex, top_k

VALUES = st.lists(st.floats(-1.0, 1.0, width=32), min_size=2, max_size=40)


@given(VALUES, st.data())
def test_top_k_equals_sorting(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values) - 1))
    similarities = np.array(values, dtype=np.float32)

    rows = top_k(similarities, k)

    assert len(set(rows.tolist())) == k
    assert rows.tolist() == sorted(rows.tolist())
    # Among equals any may be taken, so values are compared, not rows.
    assert sorted(similarities[rows].tolist()) == sorted(values)[-k:]


@pytest.mark.parametrize("k", [5, 6, 1_000])
def test_a_large_k_returns_every_row(k: int) -> None:
    matrix = np.eye(5, dtype=np.float32)

    rows, similarities = FlatIndex(matrix).search(matrix[2], k)

    assert rows.tolist() == [0, 1, 2, 3, 4]
    assert similarities.tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]


def test_the_matrix_is_kept_and_not_copied() -> None:
    matrix = np.eye(3, dtype=np.float32)

    assert FlatIndex(matrix).matrix is matrix


def test_a_search_leaves_the_index_as_it_was() -> None:
    matrix = np.eye(4, dtype=np.float32)
    index = FlatIndex(matrix)
    first = index.search(matrix[1], 2)[0].tolist()
    index.search(matrix[3], 4)

    assert index.search(matrix[1], 2)[0].tolist() == first
    assert np.array_equal(matrix, np.eye(4))
