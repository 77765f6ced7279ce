"""How well the words of a query fit the words of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratarouter.algorithms.bm25 import Bm25, compile_bm25
from stratarouter.algorithms.names import readable_name
from stratarouter.algorithms.tokenize import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.types import Route

__all__ = ["KEYWORD_EMPHASIS", "compile_keywords", "route_words"]

KEYWORD_EMPHASIS = 3
"""How often a keyword counts: its owner vouches for it, words of examples may be accidental."""


def compile_keywords(routes: Sequence[Route]) -> Bm25:
    """Compile BM25 with one document per route.

    Parameters
    ----------
    routes : sequence of Route
        At least one route.

    Returns
    -------
    Bm25
        Document ``i`` is route ``i``.
    """
    return compile_bm25([route_words(route) for route in routes])


def route_words(route: Route) -> list[str]:
    """Return the words of a route's examples, description and, emphasised, keywords.

    Parameters
    ----------
    route : Route
        The route.

    Returns
    -------
    list of str
        All words, repeats kept.
    """
    texts = (*route.texts, readable_name(route.id), *route.keywords * KEYWORD_EMPHASIS)
    return [word for text in texts for word in words(text)]
