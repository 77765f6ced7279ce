"""Checks that turn arrays of any origin into unit vectors of float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.errors import DimensionMismatchError, InvalidEmbeddingError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from stratarouter.types import FloatArray

__all__ = ["as_unit_rows", "as_unit_vector"]

_FLOAT32 = np.dtype(np.float32)
_BLOCK_ROWS = 4096

# A vector whose squared length is this close to 1 is a unit vector and is left as it is, so that
# vectors which were normalised once keep every bit through saving, loading and checking again.
_UNIT_TOLERANCE = 1e-6


def as_unit_rows(
    array: ArrayLike, *, dimension: int | None = None, what: str = "embeddings"
) -> NDArray[np.float32]:
    """Return the rows of a matrix as unit vectors, or say which row is none.

    Rows that have unit length already keep their bits; if all have, and the array is C-contiguous
    float32, it is returned itself, not a copy. Values up to the limits of their type are handled
    without overflow. The input is never written to.

    Parameters
    ----------
    array : array_like, shape (n, d)
        Real numbers of any type.
    dimension : int, optional
        Width that the rows must have; None takes any width.
    what : str, optional
        Name of the array in error messages.

    Returns
    -------
    NDArray[np.float32], shape (n, d)
        C-contiguous, each row of length 1.

    Raises
    ------
    DimensionMismatchError
        If the rows have another width than `dimension`.
    InvalidEmbeddingError
        If the array is not a matrix of real numbers, or a row holds NaN or infinity or is all zero.

    Examples
    --------
    >>> as_unit_rows([[3, 4], [0, 2]]).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 1.0]]
    """
    rows = _as_numbers(array, what)
    if rows.ndim != 2:
        hint = "; pass [vector] for a single one" if rows.ndim == 1 else ""
        raise InvalidEmbeddingError(f"{what} must have the shape (n, d), got {rows.shape}{hint}")
    if dimension is not None and rows.shape[1] != dimension:
        raise DimensionMismatchError(dimension, rows.shape[1], what)
    if rows.dtype == _FLOAT32 and rows.flags.c_contiguous and _all_unit(rows):
        return rows
    unit, bad_row = _normalised(rows)
    if bad_row is not None:
        raise InvalidEmbeddingError(f"{what}[{bad_row}] {_problem(rows[bad_row])}")
    return unit


def as_unit_vector(vector: ArrayLike, *, dimension: int | None = None) -> NDArray[np.float32]:
    """Return one vector as a unit vector, or say why it cannot be one.

    A contiguous float32 vector of unit length is returned itself, not a copy; one dot product is
    its whole check. The input is never written to.

    Parameters
    ----------
    vector : array_like, shape (d,) or (1, d)
        Real numbers of any type.
    dimension : int, optional
        Width that the vector must have; None takes any width.

    Returns
    -------
    NDArray[np.float32], shape (d,)
        C-contiguous, of length 1.

    Raises
    ------
    DimensionMismatchError
        If the vector has another width than `dimension`.
    InvalidEmbeddingError
        If it is not a vector of real numbers, holds NaN or infinity, or is all zero.

    Examples
    --------
    >>> as_unit_vector([[0.0, 5.0]]).tolist()
    [0.0, 1.0]
    """
    if type(vector) is np.ndarray and vector.dtype == _FLOAT32 and vector.ndim == 1:
        if dimension is not None and vector.shape[0] != dimension:
            raise DimensionMismatchError(dimension, vector.shape[0])
        # NaN and infinity fail this comparison as well, and so does a zero vector. Unlike dot,
        # vdot does not warn when huge values overflow.
        if vector.flags.c_contiguous and abs(float(np.vdot(vector, vector)) - 1) <= _UNIT_TOLERANCE:
            return vector
    return _as_unit_vector_slowly(vector, dimension)


def _as_unit_vector_slowly(vector: ArrayLike, dimension: int | None) -> NDArray[np.float32]:
    row = _as_numbers(vector, "embedding")
    if row.ndim == 1:
        row = row[np.newaxis]
    if row.ndim != 2 or row.shape[0] != 1:
        raise InvalidEmbeddingError(
            f"an embedding must be one vector of shape (d,), got {row.shape}; "
            "use the batch form for several"
        )
    if dimension is not None and row.shape[1] != dimension:
        raise DimensionMismatchError(dimension, row.shape[1])
    unit, bad_row = _normalised(row)
    if bad_row is not None:
        raise InvalidEmbeddingError(f"embedding {_problem(row[0])}")
    result: NDArray[np.float32] = unit[0]
    return result


def _as_numbers(array: ArrayLike, what: str) -> NDArray[Any]:
    try:
        numbers = np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidEmbeddingError(f"{what} cannot be read as an array: {error}") from error
    if numbers.dtype.kind not in "fiu":
        raise InvalidEmbeddingError(
            f"{what} must be an array of real numbers in rows of equal width, "
            f"got type {numbers.dtype}"
        )
    return numbers


def _all_unit(rows: FloatArray) -> bool:
    if rows.shape[0] == 1:
        # One query is the common case, and einsum costs more than its work here.
        return abs(float(np.vdot(rows, rows)) - 1.0) <= _UNIT_TOLERANCE
    with np.errstate(over="ignore", invalid="ignore"):
        squared_lengths = np.einsum("ij,ij->i", rows, rows)
        return bool((np.abs(squared_lengths - 1.0) <= _UNIT_TOLERANCE).all())


def _normalised(rows: NDArray[Any]) -> tuple[NDArray[np.float32], int | None]:
    """Return unit rows, and the number of the first row that cannot be normalised."""
    unit = np.empty(rows.shape, dtype=np.float32)
    for start in range(0, rows.shape[0], _BLOCK_ROWS):
        with np.errstate(over="ignore"):
            block = rows[start : start + _BLOCK_ROWS].astype(np.float64)
            peaks = np.abs(block).max(axis=1, initial=0.0)
            bad = ~(np.isfinite(peaks) & (peaks > 0.0))
            if bad.any():
                return unit, start + int(bad.argmax())
            # Divided by its largest value a row can neither overflow nor vanish when squared.
            scaled = block / peaks[:, np.newaxis]
            lengths = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
            is_unit = np.abs(lengths * peaks - 1.0) <= _UNIT_TOLERANCE
        scaled /= lengths[:, np.newaxis]
        scaled[is_unit] = block[is_unit]
        unit[start : start + _BLOCK_ROWS] = scaled
    return unit, None


def _problem(row: NDArray[Any]) -> str:
    return "holds NaN or infinity" if row.any() else "is all zero, so it has no direction"
