"""Any sequence of calls of a router against a model of a few lines."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stratarouter import (
    ConfigurationError,
    DuplicateRouteError,
    HashingEncoder,
    InvalidEmbeddingError,
    InvalidInputError,
    InvalidPatternError,
    NoRoutesError,
    Route,
    RouteNotFoundError,
    Router,
    StrataError,
)
from stratarouter.testing import CountingEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratarouter import RouteResult

DIMENSION = 32
TEXTS = (
    "pay my bill",
    "where is the invoice",
    "track the parcel",
    "it arrived broken",
    "send it back",
    "reset my password",
    "talk to a human",
    "café déjà vu",
)
QUERIES = ("invoice please", "the parcel is broken", "password", "?!", "re INV-7 human")

ids = st.sampled_from("abcde")
queries = st.sampled_from(QUERIES)
texts = st.lists(st.sampled_from(TEXTS), max_size=3)


@st.composite
def routes(draw: st.DrawFn, route_id: str | None = None) -> Route:
    examples = draw(texts)
    description = draw(st.sampled_from((None, *TEXTS[:2])))
    return Route(
        draw(ids) if route_id is None else route_id,
        examples=examples if examples or description else [draw(st.sampled_from(TEXTS))],
        description=description,
        keywords=draw(st.sampled_from(([], ["invoice"], ["parcel"]))),
        patterns=draw(st.sampled_from(([], ["human"], [r"re:\binv-\d+\b"]))),
        threshold=draw(st.sampled_from((None, 0.0, 0.6, 1.0))),
        pattern_mode=draw(st.sampled_from(("score", "override"))),
    )


class RouterMachine(RuleBasedStateMachine):
    """Keeps the registered routes, and the texts that a router must have encoded."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = CountingEncoder(HashingEncoder(DIMENSION))
        self.embeddings = dict(zip(QUERIES, HashingEncoder(DIMENSION).encode(QUERIES), strict=True))
        self.model: dict[str, Route] = {}
        self.built = False
        self.last_version = 0

    @initialize(fallback=st.sampled_from([None, "a"]), candidates=st.sampled_from([1, 2, 10]))
    def make(self, fallback: str | None, candidates: int) -> None:
        self.fallback = fallback
        self.router = Router(
            encoder=self.encoder, fallback_route=fallback, max_candidates=candidates
        )

    # Changes ------------------------------------------------------------------------------------

    @rule(route=routes())
    def add(self, route: Route) -> None:
        if route.id in self.model:
            self.refused(DuplicateRouteError, lambda: self.router.add(route))
        else:
            self.change({**self.model, route.id: route}, lambda: self.router.add(route))

    @rule(added=st.lists(routes(), min_size=1, max_size=3), replace=st.booleans())
    def add_routes(self, added: list[Route], replace: bool) -> None:
        names = [route.id for route in added]
        after = {**self.model, **{route.id: route for route in added}}

        def call() -> None:
            self.router.add_routes(added, replace=replace)

        if len(set(names)) < len(names) or (not replace and self.model.keys() & set(names)):
            self.refused(DuplicateRouteError, call)
        else:
            self.change(after, call)

    @rule(route=routes())
    def update(self, route: Route) -> None:
        if route.id in self.model:
            self.change({**self.model, route.id: route}, lambda: self.router.update_route(route))
        else:
            self.refused(RouteNotFoundError, lambda: self.router.update_route(route))

    @rule(route_id=ids)
    def remove(self, route_id: str) -> None:
        after = {key: route for key, route in self.model.items() if key != route_id}
        if route_id not in self.model:
            self.refused(RouteNotFoundError, lambda: self.router.remove_route(route_id))
        elif self.built and after and route_id == self.fallback:
            self.refused(ConfigurationError, lambda: self.router.remove_route(route_id))
        else:
            removed = self.model[route_id]
            self.change(after, lambda: self.same(self.router.remove_route(route_id), removed))

    @rule()
    def build(self) -> None:
        self.building(self.router.build_index, always_changes=True)

    @rule(many=st.booleans(), data=st.data())
    def fit(self, many: bool, data: st.DataObject) -> None:
        asked = [QUERIES[number % len(QUERIES)] for number in range(40 if many else 3)]
        labels = [data.draw(st.sampled_from([None, *self.model])) for _ in QUERIES]
        answers = [labels[number % len(QUERIES)] for number in range(len(asked))]
        vectors = np.stack([self.embeddings[query] for query in asked])
        self.building(lambda: self.router.fit(asked, answers, vectors), always_changes=True)

    # Calls that leave the routes alone ----------------------------------------------------------

    @rule(query=queries, k=st.integers(1, 7))
    def route(self, query: str, k: int) -> None:
        results: list[RouteResult] = []
        vector = self.embeddings[query]
        self.building(lambda: results.append(self.router.route(query, vector, k)))
        for result in results:
            self.check(result, k)

    @rule(asked=st.lists(queries, max_size=4), k=st.integers(1, 7))
    def route_batch(self, asked: list[str], k: int) -> None:
        results: list[RouteResult] = []
        vectors = np.array([self.embeddings[query] for query in asked])
        self.building(lambda: results.extend(self.router.route_batch(asked, vectors, k)))
        for query, result in zip(asked, results, strict=False):
            self.check(result, k)
            # Between equals, the rounding of one matrix product or another decides.
            if not self.has_equals(query):
                single = self.router.route(query, self.embeddings[query], k)
                self.same_decision(result, single, 1e-5)

    @rule()
    def save_and_load(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "router")
            self.building(lambda: self.router.save(folder))
            if not self.built:
                return
            before = self.answers()
            self.encoder.forget()
            self.router = Router.load(folder, encoder=self.encoder)
        assert self.encoder.calls == []
        for old, new in zip(before, self.answers(), strict=True):
            self.same_decision(old, new, 1e-9)

    @rule(route_id=ids, problem=st.sampled_from(["nan", "zero", "wide", "pattern", "type"]))
    def bad_route(self, route_id: str, problem: str) -> None:
        route = Route(route_id, examples=["fine"])
        vectors = {
            "nan": np.full(DIMENSION, np.nan),
            "zero": np.zeros(DIMENSION),
            "wide": np.ones(DIMENSION + 1),
        }
        if problem == "pattern":
            bad = Route(route_id, examples=["fine"], patterns=["re:(a+)+$"])
            self.refused(InvalidPatternError, lambda: self.router.add(bad, replace=True))
        elif problem == "type":
            self.refused(
                InvalidInputError,
                lambda: self.router.add_routes([route, "b"], replace=True),  # type: ignore[list-item]
            )
        else:
            vector = vectors[problem]
            self.refused(
                InvalidEmbeddingError,
                lambda: self.router.add(route, embeddings=vector, replace=True),
            )

    # What must hold -----------------------------------------------------------------------------

    @invariant()
    def registered_routes_agree(self) -> None:
        assert self.router.routes == tuple(self.model.values())
        assert [route.id for route in self.router.routes] == list(self.model)
        assert (len(self.router), self.router.is_built) == (len(self.model), self.built)

    @invariant()
    def version_agrees(self) -> None:
        assert self.router.version == (self.last_version if self.built else 0)

    # Helpers ------------------------------------------------------------------------------------

    def change(self, after: dict[str, Route], call: Callable[[], object]) -> None:
        """Make a change that must succeed, and count what it encodes."""
        self.encoder.forget()
        call()
        assert sorted(self.encoder.texts) == sorted(self.new_texts(after) if self.built else ())
        self.model = after
        if self.built:
            self.built = bool(after)
            self.note_new_version()

    def building(self, call: Callable[[], object], *, always_changes: bool = False) -> None:
        """Make a call that builds an unbuilt router, or says why it cannot."""
        self.encoder.forget()
        if not self.model:
            self.refused(NoRoutesError, call)
        elif self.fallback is not None and self.fallback not in self.model:
            self.refused(ConfigurationError, call)
        else:
            wanted = {text for route in self.model.values() for text in route.texts}
            call()
            assert sorted(self.encoder.texts) == sorted(() if self.built else wanted)
            if always_changes or not self.built:
                self.built = True
                self.note_new_version()

    def refused(self, error: type[StrataError], call: Callable[[], object]) -> None:
        """Make a call that must fail; the invariants see whether anything has changed."""
        before = self.answers()
        self.encoder.forget()
        with pytest.raises(error):
            call()
        assert self.encoder.calls == []
        for old, new in zip(before, self.answers(), strict=True):
            self.same_decision(old, new, 0.0)

    def new_texts(self, after: dict[str, Route]) -> set[str]:
        changed = [
            route
            for key, route in after.items()
            if key not in self.model or self.wording(route) != self.wording(self.model[key])
        ]
        known = [self.model[route.id] for route in changed if route.id in self.model]
        return {text for route in changed for text in route.texts} - {
            text for route in known for text in route.texts
        }

    def has_equals(self, query: str) -> bool:
        """Say whether two routes are about equally similar to a query."""
        encoder = HashingEncoder(DIMENSION)
        sums = np.array([encoder.encode(route.texts).sum(axis=0) for route in self.model.values()])
        similarities = sums @ self.embeddings[query] / np.linalg.norm(sums, axis=1)
        return bool((np.diff(np.sort(similarities.clip(0.0))) < 1e-5).any())

    def wording(self, route: Route) -> tuple[tuple[str, ...], str]:
        return route.examples, route.description

    def note_new_version(self) -> None:
        if self.built:
            assert self.router.version > self.last_version
            self.last_version = self.router.version

    def answers(self) -> list[RouteResult]:
        if not self.built:
            return []
        return [self.router.route(query, self.embeddings[query], 9) for query in QUERIES]

    def check(self, result: RouteResult, k: int) -> None:
        named = [entry.route_id for entry in result.alternatives]
        assert 0.0 < result.confidence < 1.0
        assert result.route_id in ({*self.model} if result.matched else {self.fallback})
        assert set(named) <= set(self.model)
        assert len(set(named)) == len(named) == min(k, len(self.model)) - result.matched
        assert result.snapshot_version == self.router.version

    def same_decision(self, one: RouteResult, other: RouteResult, tolerance: float) -> None:
        assert (one.route_id, one.reason) == (other.route_id, other.reason)
        assert one.confidence == pytest.approx(other.confidence, abs=tolerance, rel=0.0)
        ranked: list[Sequence[str]] = [
            [entry.route_id for entry in result.alternatives] for result in (one, other)
        ]
        assert ranked[0] == ranked[1]

    def same(self, one: object, other: object) -> None:
        assert one == other


TestRouterMachine = RouterMachine.TestCase
TestRouterMachine.settings = settings(stateful_step_count=30)
