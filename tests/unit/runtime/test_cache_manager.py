"""The published cache: hits, misses, one run per miss, fresh copies, owners."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from stratarouter.errors import ConfigurationError, InvalidInputError
from stratarouter_runtime.cache.manager import CacheManager
from stratarouter_runtime.cache.memory import MemoryBackend, MemoryStats
from stratarouter_runtime.errors import (
    BridgeClosedError,
    CacheBackendError,
    FeatureNotBuiltWarning,
    UncacheableValueError,
)
from stratarouter_runtime.execution.pool import BlockingPool
from stratarouter_runtime.testing import ManualClock
from stratarouter_runtime.types import CacheHit, Partition


class Executor:
    """Counts its calls."""

    def __init__(self, answer: Any = "answer") -> None:
        self.answer = answer
        self.calls = 0

    async def __call__(self) -> Any:
        self.calls += 1
        await asyncio.sleep(0)
        return self.answer

    async def run(self) -> Any:
        return await self()


class BrokenBackend:
    """A store that cannot be reached."""

    async def get(self, partition: Partition, key: str) -> bytes | None:
        raise CacheBackendError("down")

    async def set(
        self, partition: Partition, key: str, value: bytes, *, ttl_s: float | None = None
    ) -> bool:
        raise CacheBackendError("down")

    async def delete(self, partition: Partition, key: str) -> bool:
        raise CacheBackendError("down")

    async def clear(self, partition: Partition | None = None) -> int:
        raise CacheBackendError("down")

    async def stats(self, partition: Partition | None = None) -> MemoryStats:
        return MemoryStats(entries=0, size_bytes=0)


async def test_the_published_snippet_hits_on_the_second_call() -> None:
    cache = CacheManager(backend="memory", ttl=3600, similarity_threshold=0.95, max_cache_size_mb=1)
    executor = Executor({"text": "paid"})

    answers = [
        await cache.get_or_execute(
            key="Where's my invoice?",
            embedding=[0.1, 0.2],
            executor=lambda: executor.run(),  # noqa: PLW0108 -- as published
        )
        for _ in range(2)
    ]

    assert answers == [{"text": "paid"}] * 2
    assert executor.calls == 1


async def test_what_is_set_is_got() -> None:
    cache = CacheManager()
    assert await cache.get("q") is None
    assert await cache.set("q", [0.0, 1.0], "answer")

    assert await cache.get("q", [0.0, 1.0]) == CacheHit("answer", 1.0)
    assert await cache.get_exact("q") == CacheHit("answer", 1.0)
    assert await cache.get_exact("Q") is None


async def test_a_hit_is_a_copy_that_callers_may_change() -> None:
    cache = CacheManager()
    original = {"items": [1]}
    await cache.set("q", None, original)
    original["items"].append(2)
    first = await cache.get("q")
    assert first is not None
    first.response["items"].append(3)

    assert await cache.get("q") == CacheHit({"items": [1]})


async def test_concurrent_misses_share_one_run_and_no_object() -> None:
    cache = CacheManager()
    executor = Executor({"items": []})
    answers = await asyncio.gather(
        *(cache.get_or_execute("q", executor=executor.run) for _ in range(5))
    )

    assert executor.calls == 1
    assert len({id(answer) for answer in answers}) == 5


async def test_partitions_share_nothing() -> None:
    cache = CacheManager()
    ann, bob = Partition("acme", "ann"), Partition("acme", "bob")
    first, second = Executor("ann's"), Executor("bob's")
    answers = await asyncio.gather(
        *(
            cache.get_or_execute("q", executor=executor.run, partition=owner)
            for executor, owner in ((first, ann), (second, bob))
        )
    )

    assert answers == ["ann's", "bob's"]
    assert await cache.get("q") is None
    assert await cache.get("q", partition=bob) == CacheHit("bob's")


async def test_none_and_falsy_answers_are_answers() -> None:
    cache = CacheManager()
    for query, answer in (("none", None), ("zero", 0), ("empty", ""), ("false", False)):
        executor = Executor(answer)
        await cache.get_or_execute(query, executor=executor.run)
        again = await cache.get_or_execute(query, executor=executor.run)

        assert again == answer
        assert executor.calls == 1


async def test_errors_are_passed_on_and_not_kept() -> None:
    cache = CacheManager()

    async def fail() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await cache.get_or_execute("q", executor=fail)

    assert await cache.get_or_execute("q", executor=Executor("yes").run) == "yes"


async def test_a_cancelled_caller_does_not_disturb_the_others() -> None:
    cache = CacheManager()
    gate = asyncio.Event()

    async def wait() -> str:
        await gate.wait()
        return "done"

    calls = [asyncio.create_task(cache.get_or_execute("q", executor=wait)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    calls[0].cancel()
    gate.set()

    assert await calls[1] == "done"
    assert await cache.get("q") == CacheHit("done")


@pytest.mark.parametrize("with_door", [True, False])
async def test_blocking_executors_run_in_a_thread(with_door: bool) -> None:
    door = BlockingPool(max_threads=1) if with_door else None
    cache = CacheManager(door=door)
    threads: list[threading.Thread] = []

    def block() -> str:
        threads.append(threading.current_thread())
        return "done"

    assert await cache.get_or_execute("q", executor=block) == "done"
    assert threads[0] is not threading.main_thread()
    if door is not None:
        door.close()


async def test_answers_that_are_no_json_are_returned_but_not_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = CacheManager()
    executor = Executor((1, 2))
    for _ in range(2):
        assert await cache.get_or_execute("q", executor=executor.run) == (1, 2)

    assert executor.calls == 2
    assert (await cache.stats())["uncacheable"] == 2
    assert [record.message for record in caplog.records] == [
        "an answer was not cached: a value of type tuple is not plain JSON data "
        "(None, bool, int, finite float, str, list, dict); further ones are counted"
    ]
    with pytest.raises(UncacheableValueError):
        await cache.set("q", None, (1, 2))


async def test_entries_end_when_told() -> None:
    clock = ManualClock()
    cache = CacheManager(ttl=10, max_age=15, clock=clock)
    await cache.set("default", None, 1)
    await cache.set("short", None, 2, ttl=5)
    await cache.set("long", None, 3, ttl=1000)
    await cache.get_or_execute("own", executor=Executor(4).run, ttl=5)
    clock.advance(5)
    assert [await cache.get(name) for name in ("short", "own")] == [None, None]
    assert await cache.get("default") == CacheHit(1)
    clock.advance(5)
    assert await cache.get("default") is None
    assert await cache.get("long") == CacheHit(3)
    clock.advance(5)
    assert await cache.get("long") is None


async def test_entries_go_when_removed() -> None:
    cache = CacheManager()
    ann = Partition(user="ann")
    await cache.set("q", None, 1)
    await cache.set("q", None, 2, partition=ann)

    assert await cache.delete("q")
    assert not await cache.delete("q")
    assert await cache.get("q", partition=ann) == CacheHit(2)
    assert await cache.clear(ann) == 1
    assert await cache.clear() == 0


async def test_limits_are_kept() -> None:
    cache = CacheManager(max_entries=2, max_cache_size_mb=0.01)
    for query in "abc":
        await cache.set(query, None, query)

    assert await cache.get("a") is None
    assert not await cache.set("big", None, "x" * 20_000)
    assert (await cache.stats())["entries"] == 2


async def test_counters_have_the_published_names() -> None:
    cache = CacheManager()
    assert (await cache.stats())["hit_rate"] == 0.0
    await cache.get_or_execute("q", executor=Executor().run)
    for _ in range(3):
        await cache.get("q")
    state = await cache.stats()

    assert state["total_requests"] == 4
    assert (state["cache_hits"], state["cache_misses"]) == (3, 1)
    assert state["hit_rate"] == 0.75
    assert state["entries"] == 1
    assert 0 < state["memory_mb"] < 0.001


async def test_a_broken_store_is_a_miss_where_an_executor_can_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = CacheManager(BrokenBackend())
    for _ in range(2):
        assert await cache.get_or_execute("q", executor=Executor("fresh").run) == "fresh"

    assert (await cache.stats())["backend_errors"] == 4
    assert len(caplog.records) == 1
    with pytest.raises(CacheBackendError):
        await cache.get("q")
    with pytest.raises(CacheBackendError):
        await cache.set("q", None, 1)


async def test_a_damaged_answer_is_a_miss_where_an_executor_can_answer() -> None:
    backend = MemoryBackend()
    cache = CacheManager(backend)
    await cache.set("q", None, "old")
    (entry,) = backend._by_use
    await backend.set(entry.partition, entry.key, b"{")

    with pytest.raises(CacheBackendError, match="damaged"):
        await cache.get("q")
    assert await cache.get_or_execute("q", executor=Executor("new").run) == "new"
    assert await cache.get("q") == CacheHit("new")


async def test_closing_tells_those_who_wait() -> None:
    cache = CacheManager()
    wait = asyncio.create_task(cache.get_or_execute("q", executor=asyncio.Event().wait))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cache.close()

    with pytest.raises(BridgeClosedError):
        await wait


async def test_an_executor_is_needed() -> None:
    with pytest.raises(InvalidInputError, match="executor="):
        await CacheManager().get_or_execute("q")


def test_what_is_not_built_is_said_at_once() -> None:
    with pytest.warns(FeatureNotBuiltWarning, match="backend='redis'"):
        CacheManager(backend="redis", redis_url="redis://cache:6379", redis_pool_size=10)
    with pytest.warns(FeatureNotBuiltWarning, match="eviction_policy"):
        CacheManager(eviction_policy="lfu")


@pytest.mark.parametrize(
    "settings",
    [
        {"backend": "disk"},
        {"ttl": 0},
        {"max_entries": 0},
        {"max_cache_size_mb": -1},
        {"similarity_threshold": 1.5},
        {"embedding_dimension": 0},
        {"eviction_policy": "fifo"},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        CacheManager(**settings)


async def test_a_life_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ttl"):
        await CacheManager().set("q", None, 1, ttl=0)


async def test_a_backend_of_ones_own_is_used() -> None:
    backend = MemoryBackend(clock=ManualClock())
    await CacheManager(backend).set("q", None, 1)

    assert (await backend.stats()).entries == 1


def test_it_works_in_one_event_loop_after_the_other() -> None:
    cache = CacheManager()
    executor = Executor()

    for _ in range(2):
        assert asyncio.run(cache.get_or_execute("q", executor=executor.run)) == "answer"
    assert executor.calls == 1
