"""Threads route while others change the router."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stratarouter import HashingEncoder, NoRoutesError, Route, Router
from stratarouter.route_vectors import encoded_texts
from stratarouter.testing import CountingEncoder, sample_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stratarouter import RouteResult

N_READERS = 4
N_CHANGES = 80
DIMENSION = 64
ENCODER = HashingEncoder(DIMENSION)
QUERIES = [
    "Where is my invoice?",
    "track my parcel",
    "send it back",
    "I cannot log in",
    "passing topic 3",
    "?!",
]
EMBEDDINGS = ENCODER.encode(QUERIES)


@pytest.fixture(autouse=True)
def threads_change_often() -> Iterator[None]:
    """Let threads take turns a hundred times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(usual)


@dataclass
class Reader:
    """Routes until the writers are done, and keeps what it saw."""

    router: Router
    done: threading.Event
    results: list[RouteResult] = field(default_factory=list)

    def run(self, number: int) -> None:
        """Route in all three ways; at least one round after the last change."""
        last_round = False
        while not last_round:
            last_round = self.done.is_set()
            place = (number + len(self.results)) % len(QUERIES)
            known = self.router.version
            result = self.router.route(QUERIES[place], EMBEDDINGS[place], k=3)
            assert result.snapshot_version >= known
            batch = self.router.route_batch(QUERIES, EMBEDDINGS, k=2)
            assert len({entry.snapshot_version for entry in batch}) == 1
            self.results += [result, *batch, self.router.route(QUERIES[place])]


def named_ids(result: RouteResult) -> set[str]:
    names = {entry.route_id for entry in result.alternatives}
    return names if result.route_id is None else names | {result.route_id}


def run_together(router: Router, writers: list[Callable[[], None]]) -> list[list[RouteResult]]:
    """Run writers beside readers; an exception in any of them fails the test."""
    done = threading.Event()
    readers = [Reader(router, done) for _ in range(N_READERS)]
    with ThreadPoolExecutor(N_READERS + len(writers)) as pool:
        reading = [pool.submit(reader.run, number) for number, reader in enumerate(readers)]
        try:
            for writing in [pool.submit(writer) for writer in writers]:
                writing.result()
        finally:
            done.set()
        for future in reading:
            future.result()
    return [reader.results for reader in readers]


def make_router(routes: list[Route] | None = None) -> Router:
    router = Router(encoder=ENCODER, threshold=0.0)
    router.add_routes(sample_routes() if routes is None else routes)
    router.build_index()
    return router


def topic(number: int) -> Route:
    return Route(
        f"topic-{number}",
        examples=[f"passing topic {number}", f"another word on {number}"],
        patterns=[f"topic {number}"],
    )


def changes(router: Router, record: Callable[[], None]) -> None:
    """Change the router in every way, a few hundred times."""
    for number in range(N_CHANGES):
        router.add_route(topic(number))
        record()
        if number % 3 == 0:
            router.update_route(Route(f"topic-{number}", examples=[f"reworded topic {number}"]))
            record()
        if number % 10 == 0:
            router.build_index()
            record()
        if number % 25 == 0:
            vectors = np.repeat(EMBEDDINGS[:2], 20, axis=0)
            router.fit(QUERIES[:1] * 20 + QUERIES[1:2] * 20, ["billing", "delivery"] * 20, vectors)
            record()
        if number >= 5:
            router.remove_route(f"topic-{number - 5}")
            record()


def test_every_result_comes_from_one_state_that_existed() -> None:
    router = make_router()
    existed = {router.version: {route.id for route in router.routes}}

    def record() -> None:
        existed[router.version] = {route.id for route in router.routes}

    seen = run_together(router, [lambda: changes(router, record)])

    for results in seen:
        assert all(named_ids(result) <= existed[result.snapshot_version] for result in results)
        versions = [result.snapshot_version for result in results]
        assert versions == sorted(versions)
        assert versions[-1] == router.version
    assert len({result.snapshot_version for results in seen for result in results}) > 10
    assert len(existed) > 2 * N_CHANGES


def test_answers_of_one_state_are_equal_in_all_threads() -> None:
    router = make_router()

    seen = run_together(router, [lambda: changes(router, lambda: None)])

    answers: dict[tuple[int, str | None], set[tuple[str | None, float]]] = {}
    for result in (result for results in seen for result in results):
        key = (result.snapshot_version, result.query)
        answers.setdefault(key, set()).add((result.route_id, round(result.confidence, 3)))
    spread = {
        key: max(value for _, value in found) - min(value for _, value in found)
        for key, found in answers.items()
    }
    assert all(len({name for name, _ in found}) == 1 for found in answers.values())
    assert max(spread.values()) < 0.01


def test_writers_do_not_lose_each_others_changes() -> None:
    router = make_router()
    before = router.version
    n_each = 40

    def add(writer: int) -> None:
        for number in range(n_each):
            router.add_route(topic(1000 * writer + number))

    def remove_some() -> None:
        for route in sample_routes()[:2]:
            router.remove_route(route.id)

    run_together(router, [lambda: add(1), lambda: add(2), lambda: add(3), remove_some])

    assert {route.id for route in router.routes} == {
        "returns",
        "account",
        *(f"topic-{1000 * writer + number}" for writer in (1, 2, 3) for number in range(n_each)),
    }
    assert router.version == before + 3 * n_each + 2


def test_a_change_is_visible_to_everybody_when_its_call_returns() -> None:
    router = make_router()
    wrong: list[str] = []

    def add_and_look() -> None:
        for number in range(60):
            route = topic(number)
            router.add_route(route)
            with ThreadPoolExecutor(1) as other:
                found = other.submit(router.route, route.examples[0]).result()
            if found.route_id != route.id:
                wrong.append(route.id)
            router.remove_route(route.id)
            if router.route(route.examples[0]).route_id == route.id:
                wrong.append(f"{route.id} after its removal")

    run_together(router, [add_and_look])

    assert wrong == []


def test_the_first_queries_build_once() -> None:
    encoder = CountingEncoder(ENCODER)
    router = Router(encoder=encoder, threshold=0.0)
    router.add_routes(sample_routes())
    together = threading.Barrier(8)

    def first(number: int) -> RouteResult:
        together.wait()
        return router.route(QUERIES[0], EMBEDDINGS[0])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(first, range(8)))

    assert [result.snapshot_version for result in results] == [1] * 8
    assert sorted(encoder.texts) == sorted(
        text for route in sample_routes() for text in encoded_texts(route)
    )


def test_an_emptied_router_says_so_and_recovers() -> None:
    route = topic(1)
    router = make_router([route])
    versions: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                versions.append(router.route("passing topic 1").snapshot_version)
            except NoRoutesError:
                continue

    def empty_and_fill() -> None:
        for _ in range(100):
            router.remove_route(route.id)
            router.add_route(route)
            versions.append(router.route("passing topic 1").snapshot_version)

    with ThreadPoolExecutor(3) as pool:
        reading = [pool.submit(read) for _ in range(2)]
        try:
            pool.submit(empty_and_fill).result()
        finally:
            done.set()
        for future in reading:
            future.result()

    assert router.route("passing topic 1").route_id == route.id
    assert router.version > 100
