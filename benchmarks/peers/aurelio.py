"""semantic-router by Aurelio, version 1."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import PrivateAttr
from semantic_router import IndexedRouter, Route
from semantic_router.encoders import DenseEncoder
from worker import Answer, FloatArray, Peer, Routes, serve


class _Table(DenseEncoder):  # type: ignore[misc, unused-ignore]
    """An encoder that looks texts up."""

    name: str = "table"
    _rows: dict[str, FloatArray] = PrivateAttr(default_factory=dict)
    _current: FloatArray | None = PrivateAttr(default=None)

    def __call__(self, docs: list[Any]) -> list[Any]:
        """Return the query at hand, or the rows of known texts."""
        if self._current is not None:
            return [self._current]
        return [self._rows[text] for text in docs]

    def know(self, texts: list[str], vectors: FloatArray) -> None:
        """Take in texts with their rows."""
        self._rows.update(zip(texts, vectors, strict=True))

    def expect(self, vector: FloatArray | None) -> None:
        """Put the vector of the next query here; None goes back to looking up."""
        self._current = vector

    def forget(self) -> None:
        """Drop all rows; the index has its own."""
        self._rows.clear()


class Indexed(Peer):
    """`IndexedRouter`, optionally calibrated on labelled queries."""

    def __init__(
        self,
        aggregation: Literal["mean", "max"] = "mean",
        method: Literal["platt", "isotonic"] | None = None,
    ) -> None:
        self._aggregation = aggregation
        self._method = method
        self._encoder = _Table()
        self._router: Any = None
        self._numbers: dict[str, int] = {}

    def build(self, routes: Routes) -> None:
        """Build, and calibrate where that is asked for."""
        self._numbers = {name: number for number, name in enumerate(routes.ids)}
        self._encoder = _Table()
        self._encoder.know(routes.texts, routes.vectors)
        self._router = IndexedRouter(
            encoder=self._encoder,
            routes=[
                Route(name=name, utterances=examples)
                for name, examples in zip(routes.ids, routes.examples, strict=True)
            ],
            aggregation=self._aggregation,
        )
        if self._method is not None:
            if routes.labelled is None:
                raise ValueError("this variant needs labelled queries")
            self._encoder.know(routes.labelled.texts, routes.labelled.vectors)
            self._router.fit(routes.labelled.texts, routes.labelled.labels, method=self._method)
        self._encoder.forget()

    def ask(self, text: str, vector: FloatArray) -> Any:
        """Route."""
        self._encoder.expect(vector)
        return self._router(text)

    def read(self, answer: Any) -> Answer:
        """Read the choice; it has no threshold unless its user sets one."""
        confidence = float(np.float64(answer.confidence))
        return self._numbers[answer.name], confidence, True


if __name__ == "__main__":
    serve(
        ["semantic-router"],
        {
            "default": Indexed,
            "max": partial(Indexed, "max"),
            "platt": partial(Indexed, "mean", "platt"),
            "isotonic": partial(Indexed, "mean", "isotonic"),
        },
    )
