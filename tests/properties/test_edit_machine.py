"""Any sequence of changes of a learned router: what stays in force, as the answers show it."""

from __future__ import annotations

import tempfile
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from stratarouter import Route, Router
from tests.learned_routers import DIMENSION, built, noisy, queries, report_of, routes_of

if TYPE_CHECKING:
    from stratarouter import RouteResult

N_ROUTES, N_EXAMPLES = 3, 35
LABELLED = queries(150)
PROBES = np.vstack([rows[:3] for rows in noisy(seed=5).values()])
QUERIES = ["query", "a word", "message 7"] * (len(PROBES) // 3)

ids = st.sampled_from([f"r{number}" for number in range(N_ROUTES)])


@cache
def built_folder() -> tempfile.TemporaryDirectory[str]:
    """Save one router with a learned head, to start each run from."""
    folder = tempfile.TemporaryDirectory()
    router = built(noisy(N_ROUTES, N_EXAMPLES), routes_of(N_ROUTES, N_EXAMPLES))
    assert report_of(router).head != "similarity"
    router.save(folder.name)
    return folder


class EditMachine(RuleBasedStateMachine):
    """Keeps what must be in force: routes, vectors, the head, certified thresholds."""

    def __init__(self) -> None:
        super().__init__()
        self.routes = {route.id: route for route in routes_of(N_ROUTES, N_EXAMPLES)}
        self.vectors = noisy(N_ROUTES, N_EXAMPLES)
        self.has_head, self.stale = True, False
        self.certified: dict[str, float] | None = None

    @initialize()
    def start(self) -> None:
        self.router = Router.load(built_folder().name)

    # Changes that decide nothing ----------------------------------------------------------------

    @rule(route_id=ids, value=st.integers(0, 3), field=st.sampled_from(["metadata", "tags"]))
    def relabel(self, route_id: str, value: int, field: str) -> None:
        if route_id not in self.routes:
            return
        before = self.answers()
        new: Any = {"value": value} if field == "metadata" else [f"tag {value}"]
        self.update(route_id, **{field: new})
        assert self.answers() == before

    @rule()
    def save_and_load(self) -> None:
        before = self.answers()
        with tempfile.TemporaryDirectory() as folder:
            self.router = Router.load(self.router.save(folder))
        assert self.answers() == before

    # Changes that leave the examples ------------------------------------------------------------

    @rule(route_id=ids, threshold=st.sampled_from([None, 0.0, 0.7]))
    def move_threshold(self, route_id: str, threshold: float | None) -> None:
        if route_id in self.routes:
            before = self.scores()
            if threshold != self.routes[route_id].threshold:
                self.certified = None
            self.update(route_id, threshold=threshold)
            assert self.scores() == before

    @rule(route_id=ids, word=st.sampled_from(["query", "word", "nowhere"]), field=st.booleans())
    def change_cues(self, route_id: str, word: str, field: bool) -> None:
        if route_id in self.routes:
            name = "keywords" if field else "patterns"
            if getattr(self.routes[route_id], name) != (word,):
                self.certified = None
            self.update(route_id, **{name: [word]})

    # Changes of what was learned from -----------------------------------------------------------

    @rule(route_id=ids, seed=st.integers(0, 1))
    def change_vectors(self, route_id: str, seed: int) -> None:
        if route_id not in self.routes:
            return
        vectors = noisy(N_ROUTES, N_EXAMPLES, seed)[route_id]
        if not np.array_equal(vectors, self.vectors[route_id]):
            self.note_other_examples()
        self.vectors[route_id] = vectors
        self.router.update_route(self.routes[route_id], embeddings=vectors)

    @rule(route_id=ids)
    def remove_and_add(self, route_id: str) -> None:
        if route_id in self.routes and len(self.routes) > 2:
            self.router.remove_route(route_id)
            del self.routes[route_id]
        elif route_id not in self.routes:
            route = routes_of(N_ROUTES, N_EXAMPLES)[int(route_id[1:])]
            self.vectors[route_id] = noisy(N_ROUTES, N_EXAMPLES)[route_id]
            self.router.add_route(route, embeddings=self.vectors[route_id])
            self.routes[route_id] = route
        else:
            return
        self.note_other_examples()

    # Learning -----------------------------------------------------------------------------------

    @precondition(lambda self: len(self.routes) == N_ROUTES)
    @rule()
    def fit(self) -> None:
        self.router.fit(*self.labelled())
        self.certified = None

    @rule()
    def certify(self) -> None:
        certificate = self.router.certify(0.3, 0.1, *self.labelled())
        if certificate.holds:
            self.certified = {key: certificate.threshold_of(key) for key in self.routes}

    @precondition(lambda self: self.stale)
    @rule()
    def build(self) -> None:
        self.router.build_index()
        report = self.router.build_report
        assert report is not None
        # With two of the routes there are too few examples to learn a head from.
        self.has_head, self.stale, self.certified = report.head != "similarity", False, None

    # What must hold -----------------------------------------------------------------------------

    @invariant()
    def what_is_in_force_agrees(self) -> None:
        for result in self.router.route_batch(QUERIES, PROBES):
            picked = self.picked(result)
            own = self.routes[picked].threshold
            expected = (own or 0.0) if self.certified is None else self.certified[picked]
            assert result.threshold == expected
            assert result.head_stale is self.stale
            assert result.snapshot_version == self.router.version

    @invariant()
    def registered_routes_agree(self) -> None:
        assert {route.id: route for route in self.router.routes} == self.routes

    # Helpers ------------------------------------------------------------------------------------

    def update(self, route_id: str, **fields: Any) -> None:
        route = Route(**{**self.routes[route_id].to_dict(), **fields})
        self.router.update_route(route)
        self.routes[route_id] = route

    def note_other_examples(self) -> None:
        self.stale = self.stale or self.has_head
        self.has_head, self.certified = False, None

    def labelled(self) -> tuple[list[str], list[str | None], np.ndarray]:
        texts, labels, vectors = LABELLED
        return texts, [label if label in self.routes else None for label in labels], vectors

    def answers(self) -> list[dict[str, Any]]:
        results = self.router.route_batch(QUERIES, PROBES, k=3)
        told = {"latency_ms": 0, "snapshot_version": 0, "metadata": None}
        return [{**result.to_dict(), **told} for result in results]

    def scores(self) -> list[tuple[str, Any]]:
        results = self.router.route_batch(QUERIES, PROBES)
        return [(self.picked(result), result.scores) for result in results]

    def picked(self, result: RouteResult) -> str:
        best = result.route_id if result.matched else result.alternatives[0].route_id
        assert best is not None
        return best


assert PROBES.shape == (len(QUERIES), DIMENSION)
TestEditMachine = EditMachine.TestCase
TestEditMachine.settings = settings(
    max_examples=settings().max_examples // 4, stateful_step_count=20
)
