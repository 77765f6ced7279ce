"""The published stratarouter 0.2.5.

Its own `Router.build_index` fails for every input, because it never hands its routes to the
compiled core. The core is therefore called here as that code intends, with the missing call added,
and given the mean of each route's vectors, which is the best use of it that was found.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from worker import Answer, FloatArray, Peer, Routes, serve

from stratarouter import Route, RouteLayer
from stratarouter._core import PyRoute, PyRouter

_DEFAULT_THRESHOLD = 0.5
_LAYER_THRESHOLD = 0.82
# The layer takes 0.0 for "not given".
_ANY_SCORE = 1e-9


class CompiledCore(Peer):
    """The compiled core with one vector per route, made here from all of its examples."""

    def __init__(self) -> None:
        self._core = PyRouter()
        self._numbers: dict[str, int] = {}

    def build(self, routes: Routes) -> None:
        """Register the routes and index their mean directions."""
        self._numbers = {name: number for number, name in enumerate(routes.ids)}
        self._core = PyRouter(dimension=routes.vectors.shape[1], threshold=0.0)
        for name, examples in zip(routes.ids, routes.examples, strict=True):
            route = PyRoute(name)
            route.examples = examples
            self._core.add_route(route)
        means = np.zeros((len(routes.ids), routes.vectors.shape[1]), dtype=np.float32)
        np.add.at(means, routes.owners, routes.vectors)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        self._core.build_index(means.tolist())

    def ask(self, text: str, vector: FloatArray) -> Any:
        """Route; the core takes lists only."""
        return self._core.route(text, vector.tolist())

    def read(self, answer: Any) -> Answer:
        """Read the dictionary; the core leaves its threshold to the caller."""
        confidence = answer["confidence"]
        return self._numbers[answer["route_id"]], confidence, confidence >= _DEFAULT_THRESHOLD


class _Table:
    """An encoder that hands out the rows of the examples in order, then the query at hand."""

    def __init__(self, rows: FloatArray) -> None:
        self.dimension = rows.shape[1]
        self.pending = deque(rows)
        self.current: FloatArray = np.zeros(self.dimension, dtype=np.float32)

    def encode(self, _text: str) -> FloatArray:
        """Return the next row."""
        return self.pending.popleft() if self.pending else self.current


class RecommendedLayer(Peer):
    """`RouteLayer`, which its documentation recommends."""

    def __init__(self) -> None:
        self._encoder = _Table(np.zeros((0, 1), dtype=np.float32))
        self._layer = RouteLayer(self._encoder, threshold=_ANY_SCORE)
        self._numbers: dict[str, int] = {}

    def build(self, routes: Routes) -> None:
        """Add the routes; it asks for the examples one by one, in order."""
        self._numbers = {name: number for number, name in enumerate(routes.ids)}
        self._encoder = _Table(routes.vectors.copy())
        self._layer = RouteLayer(self._encoder, threshold=_ANY_SCORE)
        for name, examples in zip(routes.ids, routes.examples, strict=True):
            self._layer.add(Route(name=name, utterances=examples))

    def ask(self, text: str, vector: FloatArray) -> Any:
        """Route."""
        self._encoder.current = vector
        return self._layer(text)

    def read(self, answer: Any) -> Answer:
        """Read the choice; the default threshold of a route applies to its cosine."""
        number = self._numbers.get(answer.name, -1)
        return number, answer.score, answer.score >= _LAYER_THRESHOLD


if __name__ == "__main__":
    serve(["stratarouter"], {"core": CompiledCore, "layer": RecommendedLayer})
