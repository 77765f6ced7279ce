"""Checks of what goes into an encoder and of what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["check_dimension", "check_texts", "to_array"]


def check_texts(texts: Iterable[str]) -> list[str]:
    """Return texts as a list, or say which one cannot be encoded.

    Parameters
    ----------
    texts : iterable of str
        Texts; a single string is refused, since it would be read letter by letter.

    Returns
    -------
    list of str
        The texts, unchanged.

    Raises
    ------
    InvalidInputError
        If `texts` is a string or cannot be iterated, or a text is blank or no string.
    """
    if isinstance(texts, (str, bytes)) or not hasattr(texts, "__iter__"):
        shown = "a single string" if isinstance(texts, (str, bytes)) else f"{texts!r}"
        raise InvalidInputError(f"texts must be a list of strings, got {shown}; write [text]")
    checked = list(texts)
    for position, text in enumerate(checked):
        if not isinstance(text, str):
            raise InvalidInputError(
                f"texts[{position}] must be a string, got {type(text).__name__}"
            )
        if not text or text.isspace():
            raise InvalidInputError(f"texts[{position}] is blank; there is nothing to encode")
    return checked


def check_dimension(value: object, what: str = "dimension") -> int:
    """Return a width as int, or say why it is none.

    Parameters
    ----------
    value : object
        Whole number > 0, of any integer type.
    what : str, optional
        Name of the value in the error message.

    Returns
    -------
    int
        The width.

    Raises
    ------
    InvalidInputError
        If it is not a whole number > 0.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0:
        raise InvalidInputError(f"{what} must be a whole number > 0, got {value!r}")
    return int(value)


def to_array(output: Any) -> NDArray[Any]:
    """Return what an encoder gave as an array.

    Parameters
    ----------
    output : object
        An array, nested lists, a tensor on any device, or a sparse matrix.

    Returns
    -------
    NDArray
        The same numbers; a view where possible.
    """
    if hasattr(output, "detach"):
        # The half-precision type of torch has no counterpart in numpy, hence float().
        output = output.detach().cpu().float()
    for method in ("numpy", "toarray"):
        if callable(getattr(output, method, None)):
            output = getattr(output, method)()
    return np.asarray(output)
