"""Made-up routes in any number, to measure speed and size with.

Vectors lie around one random direction per route, words follow Zipf's law with a few of the route's
own among them. The routes are easy to tell apart: nothing about accuracy follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratarouter import Route

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = ["World", "make_world"]

_VOCABULARY = 20_000
_TOPIC_WORDS = 8
_TOPIC_SHARE = 0.4
_WORDS_PER_TEXT = (4, 12)
# Length of the noise beside the unit direction of a route: cosines of about 0.7 within a route.
_NOISE = 0.6
_SYLLABLES = [first + last for first in "bdfgklmnprstvz" for last in "aeiou"]


@dataclass(frozen=True, slots=True)
class World:
    """Routes, vectors and queries."""

    routes: list[Route]
    """Routes with their examples."""
    vectors: FloatArray
    """One unit row per example, in the order of the routes."""
    queries: list[str]
    """Query texts."""
    query_vectors: FloatArray
    """One unit row per query."""
    labels: IntArray
    """Number of the right route per query."""


def make_world(
    n_routes: int, n_queries: int, *, per_route: int = 10, dimension: int = 384, seed: int = 0
) -> World:
    """Make up routes and queries.

    Parameters
    ----------
    n_routes : int
        Number of routes.
    n_queries : int
        Number of queries.
    per_route : int, optional
        Examples per route.
    dimension : int, optional
        Width of the vectors.
    seed : int, optional
        Equal seeds make equal worlds.

    Returns
    -------
    World
        Routes and queries.
    """
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_routes, dimension), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    topics = rng.integers(200, _VOCABULARY, size=(n_routes, _TOPIC_WORDS))
    owners = np.repeat(np.arange(n_routes), per_route)
    labels = rng.integers(0, n_routes, size=n_queries)
    texts = _texts(topics, owners, rng)
    return World(
        routes=[
            Route(f"r{number}", examples=texts[number * per_route : (number + 1) * per_route])
            for number in range(n_routes)
        ],
        vectors=_around(centres, owners, rng),
        queries=_texts(topics, labels, rng),
        query_vectors=_around(centres, labels, rng),
        labels=labels,
    )


def _around(centres: FloatArray, owners: IntArray, rng: np.random.Generator) -> FloatArray:
    rows = rng.standard_normal((len(owners), centres.shape[1]), dtype=np.float32)
    rows *= _NOISE / np.sqrt(np.float32(centres.shape[1]))
    rows += centres[owners]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _texts(topics: IntArray, owners: IntArray, rng: np.random.Generator) -> list[str]:
    sizes = rng.integers(*_WORDS_PER_TEXT, size=len(owners), endpoint=True)
    ends = np.cumsum(sizes)
    frequency = 1.0 / np.arange(1, _VOCABULARY + 1)
    chosen = rng.choice(_VOCABULARY, size=int(ends[-1]), p=frequency / frequency.sum())
    own = topics[np.repeat(owners, sizes), rng.integers(0, _TOPIC_WORDS, size=len(chosen))]
    numbers = np.where(rng.random(len(chosen)) < _TOPIC_SHARE, own, chosen).tolist()
    starts = [0, *ends[:-1].tolist()]
    return [
        " ".join(_word(number) for number in numbers[start:end])
        for start, end in zip(starts, ends.tolist(), strict=True)
    ]


def _word(number: int) -> str:
    """Return the pronounceable word of a number."""
    letters = ""
    number += len(_SYLLABLES)
    while number:
        number, rest = divmod(number, len(_SYLLABLES))
        letters += _SYLLABLES[rest]
    return letters
