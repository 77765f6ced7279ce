"""Embeddings out of a provider's answer."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, cast

import numpy as np

from stratarouter_runtime.provider_errors import InvalidAnswerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.types import FloatArray

__all__ = ["read_vectors"]


def read_vectors(
    provider: str, rows: Sequence[object], count: int, *, model: str | None = None
) -> FloatArray:
    """Return embeddings as one array.

    Parameters
    ----------
    provider : str
        Name of the provider, for errors.
    rows : sequence of sequence of float or str
        An embedding for each text, in order: numbers, or float32 little-endian in base64.
    count : int, >= 1
        How many texts there were.
    model : str, optional
        Model that was asked.

    Returns
    -------
    FloatArray, shape (count, d)
        Rows in float32, of the length that the provider gave them.

    Raises
    ------
    InvalidAnswerError
        If there are too few or too many, their widths differ or are 0, or one holds anything but
        finite numbers.

    Examples
    --------
    >>> read_vectors("p", [[1, 0], "AACAPwAAAAA="], 2).tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """

    def refused(problem: str) -> InvalidAnswerError:
        return InvalidAnswerError(provider, problem, model=model)

    if len(rows) != count:
        raise refused(f"expected {count} embeddings, got {len(rows)}")
    parts: list[FloatArray] = []
    for number, row in enumerate(rows):
        try:
            part = _row(row)
        except (ValueError, TypeError, OverflowError) as error:
            raise refused(f"embedding {number} is no list of numbers") from error
        if part.ndim != 1 or not part.size:
            raise refused(f"embedding {number} is no list of numbers")
        if parts and part.size != parts[0].size:
            raise refused(f"embedding {number} has {part.size} numbers, not {parts[0].size}")
        if not np.isfinite(part).all():
            raise refused(f"embedding {number} holds a number that is not finite")
        parts.append(part)
    return np.stack(parts)


def _row(row: object) -> FloatArray:
    if isinstance(row, str):
        try:
            data = base64.b64decode(row, validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from error
        return np.frombuffer(data, dtype="<f4").astype(np.float32)
    if not isinstance(row, (list, tuple)) or not all(type(x) in (float, int) for x in row):
        raise TypeError("not a list of numbers")
    with np.errstate(over="ignore"):
        return cast("FloatArray", np.asarray(row, dtype=np.float64).astype(np.float32))
