"""Routes with their vectors: encoded here, or handed in, in one of several published forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.algorithms.names import readable_name
from stratarouter.algorithms.vectors import as_unit_rows
from stratarouter.errors import (
    EmbeddingCountError,
    InvalidEmbeddingError,
    RouteNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratarouter.protocols import Encoder
    from stratarouter.types import FloatArray, Route

__all__ = [
    "RouteVectors",
    "completed",
    "encode_routes",
    "encoded_texts",
    "route_vectors",
    "split_embeddings",
]


@dataclass(frozen=True, slots=True, eq=False)
class RouteVectors:
    """A route and the vectors that stand for it."""

    route: Route
    """The route."""
    vectors: FloatArray
    """Unit rows, shape (m, d), m >= 1."""
    aligned: bool
    """Whether the rows are those of the route's texts, in their order."""

    def moved_to(self, route: Route) -> RouteVectors | None:
        """Return the same vectors for another definition of the route.

        Parameters
        ----------
        route : Route
            The other definition.

        Returns
        -------
        RouteVectors or None
            None if its texts are different, so that it needs other vectors.
        """
        own = self.route
        if route is own:
            return self
        same = (route.examples, route.description) == (own.examples, own.description)
        return replace(self, route=route) if same else None


def encode_routes(
    routes: Sequence[Route], encoder: Encoder, known: Iterable[RouteVectors] = ()
) -> list[RouteVectors]:
    """Encode the texts of routes, each text once and in one call.

    Parameters
    ----------
    routes : sequence of Route
        Routes to encode.
    encoder : Encoder
        A checked encoder.
    known : iterable of RouteVectors, optional
        Vectors of the same encoder; those of their texts are used again.

    Returns
    -------
    list of RouteVectors
        One per route, with a row per example, one for the description and one for a readable id.

    Raises
    ------
    EncodingError
        If the encoder fails.
    """
    rows = {
        text: row
        for entry in known
        if entry.aligned
        # The description comes last and may have no vector.
        for text, row in zip(encoded_texts(entry.route), entry.vectors, strict=False)
    }
    texts = [text for route in routes for text in encoded_texts(route)]
    missing = [text for text in dict.fromkeys(texts) if text not in rows]
    if missing:
        rows.update(zip(missing, encoder.encode(missing), strict=True))
    return [
        RouteVectors(route, np.stack([rows[text] for text in encoded_texts(route)]), aligned=True)
        for route in routes
    ]


def completed(entries: Sequence[RouteVectors], encoder: Encoder) -> list[RouteVectors]:
    """Add vectors for descriptions and readable ids to vectors that were handed in for examples.

    Parameters
    ----------
    entries : sequence of RouteVectors
        Routes with vectors of the encoder.
    encoder : Encoder
        The checked encoder that made them.

    Returns
    -------
    list of RouteVectors
        The same routes; those whose vectors are not those of their texts are left alone.

    Raises
    ------
    EncodingError
        If the encoder fails.
    """
    missing = [
        encoded_texts(entry.route)[len(entry.vectors) :] if entry.aligned else ()
        for entry in entries
    ]
    if not any(missing):
        return list(entries)
    parts = _cut(encoder.encode([text for part in missing for text in part]), [*map(len, missing)])
    return [
        replace(entry, vectors=np.concatenate([entry.vectors, part])) if len(part) else entry
        for entry, part in zip(entries, parts, strict=True)
    ]


def encoded_texts(route: Route) -> tuple[str, ...]:
    """Return the texts that stand for a route where they can be encoded.

    Parameters
    ----------
    route : Route
        The route.

    Returns
    -------
    tuple of str
        Its examples, its description if there is one, and its id if that reads like words.
    """
    name = readable_name(route.id)
    return (*route.texts, name) if name else route.texts


def route_vectors(route: Route, embeddings: Any, dimension: int) -> RouteVectors:
    """Check the vectors that were handed in for one route.

    Parameters
    ----------
    route : Route
        The route.
    embeddings : array_like, shape (m, d) or (d,)
        Its vectors; as many as it has texts or examples are taken to be theirs.
    dimension : int
        Width of the router.

    Returns
    -------
    RouteVectors
        The route with unit rows.

    Raises
    ------
    InvalidEmbeddingError
        If a row is no usable vector, or there is none.
    """
    what = f"embeddings of route {route.id!r}"
    try:
        matrix = np.atleast_2d(embeddings)
    except ValueError as error:
        raise InvalidEmbeddingError(f"{what} cannot be read as a matrix: {error}") from error
    rows = as_unit_rows(matrix, dimension=dimension, what=what)
    if not len(rows):
        raise InvalidEmbeddingError(f"{what} are empty; give at least one vector")
    return RouteVectors(route, rows, aligned=len(rows) in {len(route.texts), len(route.examples)})


def split_embeddings(
    routes: Sequence[Route], embeddings: Any, dimension: int
) -> list[RouteVectors]:
    """Assign vectors that were handed in to routes.

    Parameters
    ----------
    routes : sequence of Route
        Registered routes in their order.
    embeddings : array_like or mapping
        One vector per route; one per example in the order of the routes (a route without examples
        counts its description), with or without the descriptions of the others; a list of one
        matrix per route; or a mapping of route id to matrix.
    dimension : int
        Width of the router.

    Returns
    -------
    list of RouteVectors
        One per route.

    Raises
    ------
    EmbeddingCountError
        If the number fits none of these.
    InvalidEmbeddingError
        If a row is no usable vector.
    RouteNotFoundError
        If a mapping names a route that does not exist.
    """
    if isinstance(embeddings, Mapping):
        return _from_mapping(routes, embeddings, dimension)
    if _is_nested(embeddings):
        if len(embeddings) != len(routes):
            raise EmbeddingCountError(len(embeddings), len(routes), _n_examples(routes))
        return [
            route_vectors(route, part, dimension)
            for route, part in zip(routes, embeddings, strict=True)
        ]
    matrix = as_unit_rows(embeddings, dimension=dimension)
    if len(matrix) == len(routes):
        return [
            RouteVectors(route, matrix[number : number + 1], aligned=len(route.texts) == 1)
            for number, route in enumerate(routes)
        ]
    for sizes in (
        [len(route.examples) or 1 for route in routes],
        [len(route.texts) for route in routes],
    ):
        if len(matrix) == sum(sizes):
            return [
                RouteVectors(route, part, aligned=True)
                for route, part in zip(routes, _cut(matrix, sizes), strict=True)
            ]
    raise EmbeddingCountError(len(matrix), len(routes), _n_examples(routes))


def _from_mapping(
    routes: Sequence[Route], embeddings: Mapping[str, Any], dimension: int
) -> list[RouteVectors]:
    known = [route.id for route in routes]
    for route_id in embeddings:
        if route_id not in known:
            raise RouteNotFoundError(str(route_id), known)
    missing = [route_id for route_id in known if route_id not in embeddings]
    if missing:
        raise InvalidEmbeddingError(f"no embeddings for the routes {', '.join(missing[:5])}")
    return [route_vectors(route, embeddings[route.id], dimension) for route in routes]


def _is_nested(embeddings: Any) -> bool:
    # Looks at the first element only: a list of vectors and a list of matrices differ there.
    if isinstance(embeddings, np.ndarray):
        return embeddings.ndim == 3
    if not isinstance(embeddings, (list, tuple)) or not embeddings:
        return False
    first = embeddings[0]
    if isinstance(first, np.ndarray):
        return first.ndim == 2
    return isinstance(first, (list, tuple)) and bool(first) and hasattr(first[0], "__len__")


def _n_examples(routes: Sequence[Route]) -> int:
    return sum(len(route.examples) or 1 for route in routes)


def _cut(matrix: FloatArray, sizes: Sequence[int]) -> list[FloatArray]:
    return np.split(matrix, np.cumsum(sizes)[:-1]) if sizes else []
