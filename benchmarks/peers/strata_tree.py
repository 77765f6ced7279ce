"""StrataRouter of this tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker import Answer, FloatArray, Peer, Routes, serve

from stratarouter import Route, Router

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class DefaultBuild(Peer):
    """Routes, vectors, `build_index`: nothing set, no labelled queries."""

    def __init__(self) -> None:
        self._router = Router()
        self._numbers: dict[str, int] = {}

    def warm(self) -> None:
        """Import what learned heads are fitted with."""
        import sklearn.linear_model  # noqa: F401

    def build(self, routes: Routes) -> None:
        """Build."""
        self._router = Router(dimension=routes.vectors.shape[1])
        self._router.add_routes(
            [
                Route(name, description=description, examples=examples)
                for name, description, examples in zip(
                    routes.ids, routes.descriptions, routes.examples, strict=True
                )
            ]
        )
        self._router.build_index(routes.vectors)
        self._number()

    def ask(self, text: str, vector: FloatArray) -> Any:
        """Route."""
        return self._router.route(text, vector)

    def ask_many(self, texts: Sequence[str], vectors: FloatArray) -> Sequence[Any]:
        """Route a batch."""
        return self._router.route_batch(texts, vectors)

    def read(self, answer: Any) -> Answer:
        """Take the best candidate where the threshold refused it."""
        best = answer.route_id if answer.matched else answer.alternatives[0].route_id
        return self._numbers[best], answer.confidence, answer.matched

    def save(self, folder: Path) -> None:
        """Save."""
        self._router.save(folder)

    def load(self, folder: Path) -> None:
        """Load."""
        self._router = Router.load(folder)
        self._number()

    def _number(self) -> None:
        self._numbers = {route.id: number for number, route in enumerate(self._router.routes)}


class FittedToQueries(DefaultBuild):
    """The same, then fitted to labelled queries."""

    def build(self, routes: Routes) -> None:
        """Build and fit."""
        if routes.labelled is None:
            raise ValueError("this variant needs labelled queries")
        super().build(routes)
        labelled = routes.labelled
        self._router.fit(labelled.texts, labelled.labels, labelled.vectors)


if __name__ == "__main__":
    serve(["stratarouter", "scikit-learn"], {"default": DefaultBuild, "fitted": FittedToQueries})
