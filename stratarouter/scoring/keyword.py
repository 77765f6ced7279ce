"""How well the words of a query fit the words of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratarouter.algorithms.bm25 import count_words
from stratarouter.algorithms.names import readable_name
from stratarouter.algorithms.tokenize import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratarouter.algorithms.bm25 import Bm25, WordCounts
    from stratarouter.types import Route

__all__ = ["KEYWORD_EMPHASIS", "compile_keywords", "count_keywords", "route_texts", "route_words"]

KEYWORD_EMPHASIS = 3
"""How often a keyword counts: its owner vouches for it, words of examples may be accidental."""


def compile_keywords(routes: Sequence[Route], stems: Mapping[str, str] | None = None) -> Bm25:
    """Compile BM25 with one document per route.

    Parameters
    ----------
    routes : sequence of Route
        At least one route.
    stems : mapping of str to str, optional
        Stems of known words; they change the time only.

    Returns
    -------
    Bm25
        Document ``i`` is route ``i``.
    """
    return count_keywords(routes, stems).compiled()


def count_keywords(routes: Sequence[Route], stems: Mapping[str, str] | None = None) -> WordCounts:
    """Count the words of routes, one document per route.

    Parameters
    ----------
    routes : sequence of Route
        At least one route.
    stems : mapping of str to str, optional
        Stems of known words; they change the time only.

    Returns
    -------
    WordCounts
        Document ``i`` is route ``i``.
    """
    return count_words([route_words(route, stems) for route in routes])


def route_texts(route: Route) -> tuple[str, ...]:
    """Return a route's examples, description, readable id and, emphasised, keywords.

    Parameters
    ----------
    route : Route
        The route.

    Returns
    -------
    tuple of str
        All texts whose words speak for the route, repeats kept.
    """
    return (*route.texts, readable_name(route.id), *route.keywords * KEYWORD_EMPHASIS)


def route_words(route: Route, stems: Mapping[str, str] | None = None) -> list[str]:
    """Return the words of a route's texts.

    Parameters
    ----------
    route : Route
        The route.
    stems : mapping of str to str, optional
        Stems of known words; they change the time only.

    Returns
    -------
    list of str
        All words, repeats kept.
    """
    return [word for text in route_texts(route) for word in words(text, stems)]
