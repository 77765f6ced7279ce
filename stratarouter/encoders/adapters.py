"""Encoders made from functions and from objects that take one text at a time."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.encoders.base import CheckedEncoder
from stratarouter.encoders.checks import check_dimension, to_array
from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["FunctionEncoder", "SingleTextEncoder"]


class FunctionEncoder(CheckedEncoder):
    """An encoder made from a function.

    Parameters
    ----------
    function : callable
        Takes a list of texts and returns one row per text. For a function ``f`` of one text write
        ``lambda texts: [f(text) for text in texts]``.
    dimension : int
        Width of the rows, > 0.
    encoder_id : str, optional
        Name of the vector space; None takes the name of the function and the width.

    Raises
    ------
    InvalidInputError
        If `function` is no synchronous callable or `dimension` is not a whole number > 0.

    Examples
    --------
    >>> FunctionEncoder(lambda texts: [[len(t), 0] for t in texts], 2).encode(["a", "ab"]).tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """

    def __init__(
        self,
        function: Callable[[list[str]], Any],
        dimension: int,
        *,
        encoder_id: str | None = None,
    ) -> None:
        _require_function(function)
        name = getattr(function, "__qualname__", type(function).__name__)
        width = check_dimension(dimension)
        super().__init__(
            _Function(function, width, f"{name}:{width}" if encoder_id is None else encoder_id)
        )


class SingleTextEncoder(CheckedEncoder):
    """An encoder made from one whose ``encode`` takes a single text and returns a single vector.

    The object inside has ``encode(text)`` and ``dimension``, maybe ``aencode(text)``; it is called
    once per text.

    Examples
    --------
    >>> class FirstLetter:
    ...     dimension = 2
    ...
    ...     def encode(self, text):
    ...         return [1.0, 0.0] if text.lower() < "n" else [0.0, 1.0]
    >>> SingleTextEncoder(FirstLetter()).encode(["apple", "pear"]).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    def _call(self, texts: list[str]) -> Any:
        return np.stack([_as_vector(self._inner.encode(text)) for text in texts])

    async def _acall(self, texts: list[str]) -> Any:
        return np.stack([_as_vector(await self._inner.aencode(text)) for text in texts])


def _require_function(function: object) -> None:
    if not callable(function) or iscoroutinefunction(function):
        raise InvalidInputError(
            f"function must be a synchronous callable, got {type(function).__name__}"
        )


def _as_vector(output: Any) -> NDArray[Any]:
    return to_array(output).reshape(-1)


class _Function:
    """A function in the form of an encoder."""

    def __init__(
        self, function: Callable[[list[str]], Any], dimension: int, encoder_id: str
    ) -> None:
        self.encode = function
        self.dimension = dimension
        self.encoder_id = encoder_id
