"""Checks of what callers hand to a router."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import DuplicateRouteError, InvalidInputError
from stratarouter.types import Route

if TYPE_CHECKING:
    from stratarouter.types import FloatArray

__all__ = [
    "checked_k",
    "checked_queries",
    "checked_query",
    "checked_route",
    "checked_routes",
    "owned",
]


def checked_route(route: object) -> Route:
    """Return a route, or say that it is none.

    Parameters
    ----------
    route : object
        What was handed in.

    Returns
    -------
    Route
        The same object.

    Raises
    ------
    InvalidInputError
        If it is no `Route`.
    """
    if not isinstance(route, Route):
        raise InvalidInputError(f"expected a Route, got {type(route).__name__}")
    return route


def checked_routes(routes: object) -> list[Route]:
    """Return routes with distinct ids, or say what is wrong.

    Parameters
    ----------
    routes : object
        What was handed in; a sequence of `Route`.

    Returns
    -------
    list of Route
        The routes.

    Raises
    ------
    InvalidInputError
        If it is no sequence of `Route`.
    DuplicateRouteError
        If an id occurs twice.
    """
    if isinstance(routes, Route):
        raise InvalidInputError("add_routes() takes a list; use add_route() for a single route")
    if isinstance(routes, (str, bytes)) or not hasattr(routes, "__iter__"):
        raise InvalidInputError(f"expected a list of Route, got {type(routes).__name__}")
    checked = [checked_route(route) for route in routes]
    seen: set[str] = set()
    for route in checked:
        if route.id in seen:
            raise DuplicateRouteError(route.id)
        seen.add(route.id)
    return checked


def checked_queries(queries: object) -> list[str]:
    """Return query texts, or say which one is unusable.

    Parameters
    ----------
    queries : object
        What was handed in; a sequence of str.

    Returns
    -------
    list of str
        The texts.

    Raises
    ------
    InvalidInputError
        If it is a single string, or a text is blank or no string.
    """
    if isinstance(queries, (str, bytes)) or not hasattr(queries, "__iter__"):
        raise InvalidInputError(f"expected a list of queries, got {queries!r}; write [query]")
    texts: list[str] = []
    for position, text in enumerate(queries):
        if not isinstance(text, str) or not text.strip():
            raise InvalidInputError(f"queries[{position}] must be a non-empty string, got {text!r}")
        texts.append(text)
    return texts


def checked_query(query: object) -> str:
    """Return a query text, or say that it is unusable.

    Parameters
    ----------
    query : object
        What was handed in; a str that is not blank.

    Returns
    -------
    str
        The text.

    Raises
    ------
    InvalidInputError
        If it is blank or no string.
    """
    if not isinstance(query, str) or not query.strip():
        raise InvalidInputError(f"a query must be a non-empty string, got {query!r}")
    return query


def checked_k(k: object, top_k: object) -> int:
    """Return how many ranked routes are wanted.

    Parameters
    ----------
    k : int, optional
        The number.
    top_k : int, optional
        Its other name.

    Returns
    -------
    int, >= 1
        The number; 1 if neither is given.

    Raises
    ------
    InvalidInputError
        If both are given and differ, or it is no whole number >= 1.
    """
    if k is not None and top_k is not None and k != top_k:
        raise InvalidInputError("k and top_k are the same; give only one")
    count = top_k if k is None else k
    if count is None:
        return 1
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise InvalidInputError(f"k must be a whole number >= 1, got {count!r}")
    return int(count)


def owned(vectors: FloatArray, given: object) -> FloatArray:
    """Return vectors that stay as they are when the caller writes to what was handed in.

    A result keeps its embedding, to be explained and executed later, while callers refill buffers.
    A copy costs 0.2 microseconds; a read-only view would cost as much and protect from nothing.

    Parameters
    ----------
    vectors : FloatArray
        Checked vectors.
    given : object
        What they were made from.

    Returns
    -------
    FloatArray
        A copy if they may share the caller's memory, else themselves.
    """
    # Arrays of other libraries are no ndarray, but what is made of them may be a view of theirs.
    return vectors.copy() if vectors is given or not vectors.flags.owndata else vectors
