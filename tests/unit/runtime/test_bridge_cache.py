"""What the bridge keeps, for whom, and what simultaneous executions share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.cache.manager import CacheManager
from stratarouter_runtime.cache.memory import MemoryBackend
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.conversation import Completion, FinishReason, Usage
from stratarouter_runtime.errors import CacheBackendError, HandlerError, ProviderError
from stratarouter_runtime.testing import (
    EchoClient,
    EchoHandler,
    GatedClient,
    ManualClock,
    ScriptedClient,
    make_decision,
)
from stratarouter_runtime.types import Partition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratarouter_runtime.cache.memory import MemoryStats

ANN = {"user_id": "ann", "org_id": "acme"}


async def test_the_second_equal_query_to_a_provider_is_a_hit() -> None:
    answer = Completion(content="paid", model="m", usage=Usage(input_tokens=9), cost_usd=0.5)
    client = ScriptedClient([answer])
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        first = await bridge.execute(make_decision(), ANN)
        second = await bridge.execute(make_decision(), ANN)

    assert [first.cache_hit, second.cache_hit] == [False, True]
    assert first.response == second.response == "paid"
    assert client.calls == 1
    assert (first.cost_usd, second.cost_usd) == (0.5, 0.0)
    assert first.metadata == {"model": "m", "tokens_used": 9}
    assert second.metadata == {"model": "m", "tokens_used": 0}
    assert first.provider == second.provider == "scripted"


@pytest.mark.parametrize(
    "context",
    [
        {"user_id": "bob", "org_id": "acme"},
        {"user_id": "ann", "org_id": "other"},
        {"user_id": "ann"},
        {"org_id": "acme"},
        {"session_id": "ann", "org_id": "acme"},
        None,
    ],
)
async def test_nobody_gets_another_ones_answer(context: dict[str, Any] | None) -> None:
    client = ScriptedClient(["for ann", "for another"])
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        await bridge.execute(make_decision(), ANN)
        result = await bridge.execute(make_decision(), context)

    assert (result.cache_hit, result.response) == (False, "for another")


async def test_many_tenants_with_equal_queries_never_meet() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", lambda query, context: context["tenant_id"], cacheable=True)
        for round_ in range(2):
            for tenant in range(50):
                result = await bridge.execute(make_decision(), {"tenant_id": tenant})

                assert (result.response, result.cache_hit) == (tenant, round_ == 1)


async def test_a_route_may_share_its_answers_in_the_tenant() -> None:
    handler = EchoHandler()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", handler, cacheable=True, cache_scope="tenant")
        hits = [
            (await bridge.execute(make_decision(), context)).cache_hit
            for context in (ANN, {**ANN, "user_id": "bob"}, {**ANN, "org_id": "other"})
        ]

    assert hits == [False, True, False]


async def test_handlers_are_called_every_time_unless_bound_as_cacheable() -> None:
    plain, cacheable = EchoHandler(), EchoHandler()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("a", plain)
        bridge.bind("b", cacheable, cacheable=True)
        for _ in range(3):
            await bridge.execute(make_decision("a"))
            await bridge.execute(make_decision("b"))

    assert (len(plain.calls), len(cacheable.calls)) == (3, 1)


async def test_simultaneous_calls_of_a_plain_handler_are_not_merged() -> None:
    handler = EchoHandler()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("a", handler, idempotent=True)
        await asyncio.gather(*(bridge.execute(make_decision("a")) for _ in range(3)))

    assert len(handler.calls) == 3


async def test_without_a_cache_every_query_is_asked() -> None:
    client = EchoClient()
    async with CoreRuntimeBridge(RuntimeConfig(cache_enabled=False)) as bridge:
        bridge.bind("billing", client=client)
        results = [await bridge.execute(make_decision()) for _ in range(2)]

    assert client.calls == 2
    assert not any(result.cache_hit for result in results)


async def test_a_cache_of_ones_own_is_switched_off_as_well() -> None:
    client = EchoClient()
    bridge = CoreRuntimeBridge(RuntimeConfig(cache_enabled=False), cache=CacheManager())
    async with bridge:
        bridge.bind("billing", client=client)
        for _ in range(2):
            await bridge.execute(make_decision())

    assert (bridge.cache, client.calls) == (None, 2)


@pytest.mark.parametrize(
    ("config", "entries"),
    [
        (RuntimeConfig(cache_max_entries=2), 2),
        (RuntimeConfig(cache_max_size_mb=0.001), 1),
        (RuntimeConfig(), 4),
    ],
)
async def test_the_cache_keeps_to_the_limits_of_the_settings(
    config: RuntimeConfig, entries: int
) -> None:
    async with CoreRuntimeBridge(config) as bridge:
        bridge.bind("billing", client=EchoClient())
        for query in "abcd":
            await bridge.execute(make_decision("billing", query))
        assert bridge.cache is not None

        assert (await bridge.cache.stats())["entries"] == entries


async def test_no_answer_gets_older_than_the_settings_allow() -> None:
    clock = ManualClock()
    config = RuntimeConfig(cache_ttl=100, cache_max_age=10)
    async with CoreRuntimeBridge(config, clock=clock) as bridge:
        bridge.bind("billing", client=EchoClient())
        hits = []
        for advance_s in (0, 9, 1):
            clock.advance(advance_s)
            hits.append((await bridge.execute(make_decision())).cache_hit)

    assert hits == [False, True, False]


async def test_answers_end_with_their_life() -> None:
    clock = ManualClock()
    client = EchoClient()
    async with CoreRuntimeBridge(RuntimeConfig(cache_ttl=10), clock=clock) as bridge:
        bridge.bind("billing", client=client)
        hits = []
        for advance_s in (0, 9, 1):
            clock.advance(advance_s)
            hits.append((await bridge.execute(make_decision())).cache_hit)

    assert hits == [False, True, False]


async def test_a_handlers_answer_depends_on_its_context() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("a", lambda query, context: context["locale"], cacheable=True)
        answers = [
            (await bridge.execute(make_decision("a"), {**ANN, "locale": locale})).response
            for locale in ("de", "en", "de")
        ]

    assert answers == ["de", "en", "de"]


async def test_every_caller_owns_its_answer() -> None:
    gate = asyncio.Event()

    async def answer(query: str) -> dict[str, list[int]]:
        await gate.wait()
        return {"items": [1]}

    async with CoreRuntimeBridge() as bridge:
        bridge.bind("a", answer, cacheable=True)
        calls = [asyncio.create_task(bridge.execute(make_decision("a"))) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gate.set()
        for call in calls:
            (await call).response["items"].append(2)
        later = await bridge.execute(make_decision("a"))

    assert [(await call).response for call in calls] == [{"items": [1, 2]}] * 3
    assert (later.response, later.cache_hit) == ({"items": [1]}, True)


async def test_simultaneous_equal_queries_share_one_call() -> None:
    client = GatedClient("paid")
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        calls = [asyncio.create_task(bridge.execute(make_decision(), ANN)) for _ in range(5)]
        await client.entered.wait()
        client.gate.set()
        results = await asyncio.gather(*calls)

    assert client.calls == 1
    assert [result.response for result in results] == ["paid"] * 5
    assert sorted(result.coalesced for result in results) == [False, True, True, True, True]
    assert not any(result.cache_hit for result in results)


async def test_simultaneous_queries_of_two_users_share_nothing() -> None:
    client = GatedClient("paid")
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        calls = [
            asyncio.create_task(bridge.execute(make_decision(), {"user_id": user}))
            for user in ("ann", "bob")
        ]
        client.gate.set()
        results = await asyncio.gather(*calls)

    assert client.calls == 2
    assert not any(result.coalesced for result in results)


async def test_errors_are_not_kept() -> None:
    outcomes: Iterator[Exception | str] = iter([ValueError("no"), "yes"])

    async def answer(query: str) -> str:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with CoreRuntimeBridge() as bridge:
        bridge.bind("a", answer, cacheable=True)
        with pytest.raises(HandlerError):
            await bridge.execute(make_decision("a"))
        result = await bridge.execute(make_decision("a"))

        assert (result.response, result.cache_hit) == ("yes", False)
        assert (await bridge.execute(make_decision("a"))).cache_hit


async def test_every_simultaneous_caller_gets_the_error() -> None:
    client = ScriptedClient([ConnectionError("refused")])
    async with CoreRuntimeBridge(RuntimeConfig(max_retries=0)) as bridge:
        bridge.bind("billing", client=client)
        answers = await asyncio.gather(
            *(bridge.execute(make_decision()) for _ in range(3)), return_exceptions=True
        )

    assert [type(answer) for answer in answers] == [ProviderError] * 3
    assert client.calls == 1


async def test_an_answer_that_is_no_json_is_returned_with_a_warning() -> None:
    calls = []

    def answer(query: str) -> tuple[int, int]:
        calls.append(query)
        return (1, 2)

    async with CoreRuntimeBridge() as bridge:
        bridge.bind("a", answer, cacheable=True)
        results = [await bridge.execute(make_decision("a")) for _ in range(2)]

    assert [result.response for result in results] == [(1, 2)] * 2
    assert results[0].warnings[0].startswith("the answer was not cached")
    assert len(calls) == 2


@pytest.mark.parametrize("finish_reason", ["length", "content_filter", "error", "unknown"])
async def test_an_answer_that_was_cut_short_is_not_kept(finish_reason: FinishReason) -> None:
    cut = Completion(content="Your invo", finish_reason=finish_reason, cost_usd=0.0)
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=ScriptedClient([cut, "Your invoice"]))
        results = [await bridge.execute(make_decision()) for _ in range(2)]

    assert [result.response for result in results] == ["Your invo", "Your invoice"]
    assert results[0].warnings == ("the answer was not cached: it was cut short",)


@pytest.mark.parametrize("damaged", [b"", b"[1]", b"{}", b"\xff"])
async def test_a_damaged_answer_is_replaced(damaged: bytes) -> None:
    backend = MemoryBackend()
    async with CoreRuntimeBridge(cache=CacheManager(backend)) as bridge:
        bridge.bind("billing", client=EchoClient())
        await bridge.execute(make_decision())
        (entry,) = backend._by_use
        await backend.set(entry.partition, entry.key, damaged)
        hits = [(await bridge.execute(make_decision())).cache_hit for _ in range(2)]

    assert hits == [False, True]


async def test_a_context_that_is_no_json_is_executed_with_a_warning() -> None:
    handler = EchoHandler()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("a", handler, cacheable=True)
        results = [await bridge.execute(make_decision("a"), {"db": object()}) for _ in range(2)]

    assert len(handler.calls) == 2
    assert results[1].warnings[0].startswith("not cached, because the context")


async def test_a_replaced_handler_answers_itself() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("a", lambda query: "old", cacheable=True)
        await bridge.execute(make_decision("a"))
        bridge.bind("a", lambda query: "new", cacheable=True, replace=True)
        result = await bridge.execute(make_decision("a"))

    assert (result.response, result.cache_hit) == ("new", False)


async def test_a_cache_that_cannot_be_used_is_a_cache_that_misses() -> None:
    class Down:
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
            raise CacheBackendError("down")

    client = EchoClient()
    async with CoreRuntimeBridge(cache=CacheManager(Down())) as bridge:
        bridge.bind("billing", client=client)
        results = [await bridge.execute(make_decision()) for _ in range(2)]

    assert [result.response for result in results] == ["Where's my invoice?"] * 2
    assert client.calls == 2


async def test_two_bridges_may_share_a_cache() -> None:
    cache = CacheManager()
    client = EchoClient()
    hits = []
    for _ in range(2):
        async with CoreRuntimeBridge(cache=cache) as bridge:
            bridge.bind("billing", client=client)
            hits.append((await bridge.execute(make_decision())).cache_hit)

    assert hits == [False, True]


async def test_the_cache_of_the_bridge_can_be_asked_and_cleared() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=EchoClient())
        for _ in range(2):
            await bridge.execute(make_decision(), ANN)
        assert bridge.cache is not None
        state = await bridge.cache.stats()

        assert (state["cache_hits"], state["cache_misses"], state["entries"]) == (1, 1, 1)
        assert await bridge.cache.clear(Partition("acme", "ann")) == 1
        assert not (await bridge.execute(make_decision(), ANN)).cache_hit
