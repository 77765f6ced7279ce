"""Arrays of any origin become unit vectors, or an error says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter.algorithms.vectors import as_unit_rows, as_unit_vector
from stratarouter.errors import DimensionMismatchError, InvalidEmbeddingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF = 0.5**0.5


def unit_rows(n: int = 5, d: int = 16) -> NDArray[np.float32]:
    rows = np.random.default_rng(0).normal(size=(n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


@pytest.mark.parametrize(
    "given",
    [
        [[3, 3], [0, -7]],
        ((3.0, 3.0), (0.0, -7.0)),
        np.array([[3, 3], [0, -7]], dtype=np.int8),
        np.array([[1e30, 1e30], [0, -3e38]], dtype=np.float32),
        np.array([[6e4, 6e4], [0, -1]], dtype=np.float16),
        np.array([[1e300, 1e300], [0, -1e308]]),
        np.array([[1e-310, 1e-310], [0, -5e-324]]),
        np.array([[2**62, 2**62], [0, -(2**63)]]),
        np.asfortranarray([[3.0, 3.0], [0.0, -7.0]]),
        np.array([[3.0, 9.0, 3.0], [0.0, 9.0, -7.0]])[:, ::2],
        np.array([[3.0, 3.0], [0.0, -7.0]], dtype=">f4"),
    ],
)
def test_rows_of_any_number_type_and_size_get_length_1(given: Any) -> None:
    rows = as_unit_rows(given)

    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert np.abs(rows - [[HALF, HALF], [0.0, -1.0]]).max() < 2e-7


def test_unit_rows_are_returned_themselves() -> None:
    rows = unit_rows()

    assert as_unit_rows(rows) is rows
    vector = rows[0]
    assert as_unit_vector(vector) is vector


def test_only_rows_that_are_not_unit_change_their_bits() -> None:
    rows = unit_rows()
    mixed = rows.copy()
    mixed[2] *= 3.0

    result = as_unit_rows(mixed)

    others = [0, 1, 3, 4]
    assert result[others].tobytes() == rows[others].tobytes()
    np.testing.assert_allclose(result[2], rows[2], atol=1e-6)


def test_unit_rows_in_double_precision_are_only_rounded() -> None:
    rows = unit_rows().astype(np.float64)

    assert as_unit_rows(rows).tobytes() == rows.astype(np.float32).tobytes()


def test_the_input_is_never_written_to() -> None:
    rows = unit_rows() * np.float32(5.0)
    before = rows.copy()
    rows.flags.writeable = False

    as_unit_rows(rows)
    as_unit_vector(rows[0])

    assert rows.tobytes() == before.tobytes()


@pytest.mark.parametrize("n", [1, 4095, 4097, 9000])
def test_every_block_of_rows_is_normalised(n: int) -> None:
    rows = as_unit_rows(np.full((n, 3), 2.0, dtype=np.float32))

    np.testing.assert_allclose(rows, np.full((n, 3), 3**-0.5), atol=1e-7)


@pytest.mark.parametrize("row", [0, 4100])
@pytest.mark.parametrize(
    ("value", "problem"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
def test_values_that_are_no_numbers_are_refused_by_row(
    row: int, value: float, problem: str
) -> None:
    rows = np.ones((5000, 4), dtype=np.float32)
    rows[row, 2] = value

    with pytest.raises(InvalidEmbeddingError, match=rf"centroids\[{row}\] holds .*{problem}"):
        as_unit_rows(rows, what="centroids")


def test_a_zero_row_is_refused_by_row() -> None:
    with pytest.raises(InvalidEmbeddingError, match=r"embeddings\[1\] is all zero"):
        as_unit_rows([[1.0, 0.0], [0.0, 0.0]])


def test_rows_without_width_are_refused() -> None:
    with pytest.raises(InvalidEmbeddingError, match="all zero"):
        as_unit_rows(np.empty((2, 0)))


def test_no_rows_are_no_fault() -> None:
    assert as_unit_rows(np.empty((0, 8)), dimension=8).shape == (0, 8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.0, 2.0], r"pass \[vector\]"),
        (np.ones((2, 2, 2)), r"\(2, 2, 2\)"),
        ([[1.0, 2.0], [3.0]], "cannot be read"),
        ([["a", "b"]], "real numbers"),
        ([[True, False]], "real numbers"),
        ([[1j, 0]], "real numbers"),
        ([[None, 1.0]], "real numbers"),
        (None, "real numbers"),
    ],
)
def test_what_is_no_matrix_of_real_numbers_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidEmbeddingError, match=message):
        as_unit_rows(given)


def test_another_width_is_refused_with_both_numbers() -> None:
    with pytest.raises(DimensionMismatchError, match="queries") as caught:
        as_unit_rows(unit_rows(d=16), dimension=8, what="queries")

    assert (caught.value.expected, caught.value.actual) == (8, 16)


@pytest.mark.parametrize(
    "given",
    [
        [5, 5],
        [[5, 5]],
        np.array([1e30, 1e30], dtype=np.float32),
        np.array([[5, 5]], dtype=np.float16),
        np.array([HALF, 7.0, HALF], dtype=np.float32)[::2],
    ],
)
def test_a_vector_of_either_shape_gets_length_1(given: Any) -> None:
    vector = as_unit_vector(given, dimension=2)

    assert vector.dtype == np.float32
    assert vector.shape == (2,)
    assert vector.flags.c_contiguous
    np.testing.assert_allclose(vector, [HALF, HALF], atol=1e-7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(4, dtype=np.float32), "embedding is all zero"),
        (np.array([1.0, np.nan], dtype=np.float32), "embedding holds NaN"),
        (np.array([1.0, np.inf], dtype=np.float32), "embedding holds NaN or infinity"),
        (np.ones((2, 2), dtype=np.float32), "batch form"),
        (1.0, "one vector"),
        ("text", "real numbers"),
        ([], "all zero"),
    ],
)
def test_what_is_no_vector_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidEmbeddingError, match=message):
        as_unit_vector(given)


@pytest.mark.parametrize("given", [unit_rows()[0], [[1.0] * 16]])
def test_a_vector_of_another_width_is_refused(given: Any) -> None:
    with pytest.raises(DimensionMismatchError) as caught:
        as_unit_vector(given, dimension=8)

    assert (caught.value.expected, caught.value.actual) == (8, 16)
