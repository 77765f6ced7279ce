"""Clients by name: who is asked, for which model, and what is refused before."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import CompletionRequest, Message
from stratarouter_runtime.embeddings import EmbeddingRequest
from stratarouter_runtime.errors import DuplicateBindingError, UnknownProviderError
from stratarouter_runtime.execution.engine import ExecutionEngine
from stratarouter_runtime.ledger.budgets import Budget
from stratarouter_runtime.policies.targets import FallbackChains, Target
from stratarouter_runtime.provider_errors import (
    ConnectionFailedError,
    ServerError,
    UnsupportedOperationError,
)
from stratarouter_runtime.providers.registry import LLMClientRegistry
from stratarouter_runtime.testing import EchoClient, ManualClock, ScriptedClient
from stratarouter_runtime.types import Partition
from tests.engine_setting import PRICES
from tests.planned_client import PlannedClient
from tests.virtual_time import virtual

if TYPE_CHECKING:
    from stratarouter_runtime.policies.selection import SelectionStrategy

HELLO = [{"role": "user", "content": "Hello"}]
DOWN = ServerError("x", "down", status=503)


def registry(*names: str, **settings: Any) -> tuple[LLMClientRegistry, dict[str, PlannedClient]]:
    """Return a registry of planned clients, and the clients."""
    clients = {name: PlannedClient(f"from {name}") for name in names}
    made = LLMClientRegistry(**settings)
    for name, client in clients.items():
        made.register(name, client)
    return made, clients


async def test_the_published_form() -> None:
    clients = LLMClientRegistry()
    clients.register("openai", ScriptedClient([DOWN]))
    clients.register("anthropic", EchoClient())
    clients.register("google", EchoClient())

    result = await clients.complete(
        primary="openai", fallback=["anthropic", "google"], messages=HELLO
    )

    assert (result.content, result.provider) == ("Hello", "anthropic")
    request = {"messages": HELLO, "temperature": 0}
    assert (await clients.complete(primary="google", request=request)).content == "Hello"


async def test_the_only_client_need_not_be_named() -> None:
    made, _ = registry("a")
    assert (await made.complete(messages="hi")).content == "from a"

    made.register("b", EchoClient())
    with pytest.raises(InvalidInputError, match="registered: 'a', 'b'"):
        await made.complete(messages="hi")
    with pytest.raises(InvalidInputError, match="register one"):
        await LLMClientRegistry().complete(messages="hi")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ({"primary": "openal"}, "did you mean 'openai'"),
        ({"primary": "openai", "fallback": ["smarr"]}, "did you mean 'smart'"),
        ({"primary": "openai", "fallback": ["openai"]}, "own fallback"),
        ({"primary": "openai/"}, "names no model"),
        ({"primary": []}, "no target"),
        ({"primary": "openai/gpt-5"}, "has no model 'gpt-5'"),
        ({"primary": "openai", "model": "gpt-4p"}, "did you mean 'gpt-4o'"),
        ({"primary": "openai", "messages": []}, "messages is empty"),
        ({"primary": "openai", "messages": None}, "pass either messages= or request="),
        ({"primary": "openai", "request": {"messages": HELLO}}, "one of them"),
        ({"primary": "openai", "timeout_s": -1.0}, "timeout_s"),
        ({"primary": "openai", "timeout": 1.0}, "did you mean 'timeout_s'"),
        ({"primary": "openai", "max_cost_usd": float("nan")}, "cost cap"),
        ({"primary": "openai", "strategy": "helth"}, "did you mean 'health'"),
        ({"primary": "openai", "params": {"temperature": 9}}, "temperature"),
        (
            {
                "primary": "openai",
                "chains": FallbackChains(content_policy=(Target(provider="nobody"),)),
            },
            "no client is registered",
        ),
    ],
)
async def test_what_cannot_be_answered_is_refused_before_any_call(
    call: dict[str, Any], problem: str
) -> None:
    client = PlannedClient()
    made = LLMClientRegistry(aliases={"smart": "openai/gpt-4o"}, prices=PRICES)
    made.register("openai", client, models=["gpt-4o", "gpt-4o-mini"])

    given = {"messages": "hi", **call}
    with pytest.raises((InvalidInputError, UnknownProviderError), match=problem):
        await made.complete(**given)
    with pytest.raises((InvalidInputError, UnknownProviderError), match=problem):
        made.stream(**given)

    assert client.calls == 0
    assert made.ledger is not None
    assert made.ledger.totals().attempts == 0


def test_a_registry_refuses_what_makes_no_sense() -> None:
    made, _ = registry("a")
    with pytest.raises(DuplicateBindingError):
        made.register("a", EchoClient())
    for name, settings in [("", {}), ("a/b", {}), ("c", {"weight": -1.0}), ("c", {"timeout_s": 0})]:
        with pytest.raises(InvalidInputError):
            made.register(name, EchoClient(), **settings)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="a client needs"):
        made.register("c", object())  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="leads back to itself"):
        LLMClientRegistry(aliases={"x": "y", "y": ["x"]})
    with pytest.raises(InvalidInputError, match="unknown strategy"):
        LLMClientRegistry(strategy="best")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="to the engine"):
        LLMClientRegistry(ExecutionEngine(), clock=ManualClock())
    assert made.providers == ("a",)


async def test_another_client_takes_the_name_and_has_its_own_breaker() -> None:
    made = LLMClientRegistry(ExecutionEngine(max_retries=0, circuit_breaker_threshold=1))
    made.register("a", ScriptedClient([DOWN]))
    with pytest.raises(ServerError):
        await made.complete("a", messages="hi")
    assert made.health()[0].circuit == "open"
    made.register("a", EchoClient(), replace=True)

    assert (await made.complete("a", messages="hi")).content == "hi"
    assert made.client("a").name == "a"
    with pytest.raises(UnknownProviderError):
        made.client("b")


async def test_models_go_to_those_who_have_them() -> None:
    made = LLMClientRegistry(aliases={"fast": "own/small", "both": ["own/big", "any/big"]})
    own, any_model = PlannedClient(DOWN, default_model="default"), PlannedClient("yes")
    made.register("own", own)
    made.register("any", any_model)
    engine = made.engine
    assert engine.stats.health(("own", None), 0.0) == (1.0, 0)

    asked = CompletionRequest(messages=(Message("user", "hi"),), model="m")
    await made.complete("any", request=asked)
    await made.complete("any/other", request=asked)
    assert any_model.models == ["m", "other"]

    own._plan.extend(["yes"])
    own._plan.popleft()
    await made.complete("own", request=asked)
    await made.complete("fast", request=asked)
    assert own.models == ["m", "small"]


async def test_a_fallback_is_asked_for_its_own_model() -> None:
    made = LLMClientRegistry()
    own, none = PlannedClient(DOWN, default_model="own"), PlannedClient(DOWN)
    made.register("a", PlannedClient(ServerError("a", "x", status=501)))
    made.register("own", own)
    made.register("none", none)

    with pytest.raises(Exception, match="no target answered"):
        await made.complete("a", ["own", "none"], "hi", model="gpt", timeout_s=0.2)

    assert set(own.models) == {None}
    assert set(none.models) == {"gpt"}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("priority", {"a": 300}),
        ("round_robin", {"a": 100, "b": 100, "c": 100}),
        ("weighted", {"a": 200, "b": 100}),
        ("health", {"a": 300}),
    ],
)
async def test_a_group_is_asked_by_its_strategy(
    strategy: SelectionStrategy, expected: dict[str, int]
) -> None:
    engine = ExecutionEngine(random=Random(7).random)
    made = LLMClientRegistry(engine, aliases={"all": ["a", "b", "c"]}, strategy=strategy)
    for name, weight in (("a", 2.0), ("b", 1.0), ("c", 0.0)):
        made.register(name, PlannedClient(f"{name}"), weight=weight)

    found = Counter([(await made.complete("all", messages="hi")).content for _ in range(300)])

    for name in "abc":
        assert found[name] == pytest.approx(expected.get(name, 0), abs=25)


@virtual
async def test_the_quicker_of_two_is_asked_more_often(clock: ManualClock) -> None:
    engine = ExecutionEngine(random=Random(7).random, clock=clock)
    made = LLMClientRegistry(engine, aliases={"all": ["slow", "quick"]})
    slow, quick = PlannedClient([0.5, "yes"]), PlannedClient([0.05, "yes"])
    made.register("slow", slow)
    made.register("quick", quick)

    for _ in range(100):
        await made.complete("all", messages="hi", strategy="least_latency")

    assert quick.calls > 90
    latencies = {entry.provider: entry.latency_s for entry in made.health()}
    assert latencies["quick"] == pytest.approx(0.05, rel=0.5)


@virtual
async def test_who_fails_is_asked_last_and_never_left_out(clock: ManualClock) -> None:
    engine = ExecutionEngine(clock=clock, max_retries=0, circuit_breaker_threshold=1000)
    made = LLMClientRegistry(engine, aliases={"all": ["a", "b"]}, strategy="health")
    failing, well = PlannedClient(DOWN), PlannedClient("b")
    made.register("a", failing)
    made.register("b", well)

    for _ in range(20):
        assert (await made.complete("all", messages="hi")).content == "b"

    assert failing.calls == 5
    assert [entry.score for entry in made.health()] == [0.0, 1.0]
    for _ in range(40):
        made.feedback("b", answer_ok=False)
    await made.complete("all", messages="hi")
    assert failing.calls == 6
    with pytest.raises(UnknownProviderError):
        made.feedback("c", answer_ok=True)


async def test_embeddings_go_to_who_has_them() -> None:
    made = LLMClientRegistry(prices=PRICES)
    made.register("a", PlannedClient(embeddings=False))
    made.register("b", PlannedClient())

    found = await made.embed("a", ["b"], ["x", "y"])
    assert (found.vectors.shape, found.provider) == ((2, 3), "b")
    assert found.cost_usd == pytest.approx(0.00001)
    request = EmbeddingRequest(texts=("x",), model="m")
    assert (await made.embed("b", request=request)).model == "m"
    assert (await made.embed("b", (), "one", model="m", dimensions=3)).vectors.shape == (1, 3)
    with pytest.raises(UnsupportedOperationError):
        await made.embed("a", (), ["x"])
    with pytest.raises(InvalidInputError, match="texts is empty"):
        await made.embed("b", (), [])
    with pytest.raises(InvalidInputError, match="belongs into the request"):
        await made.embed("b", request=request, model="other")
    with pytest.raises(InvalidInputError, match="EmbeddingRequest"):
        await made.embed("b", request={"texts": ["x"]})  # type: ignore[arg-type]


async def test_accounts_know_whose_money_it_was() -> None:
    who = Partition("acme", "ann")
    made, _ = registry("a", prices=PRICES)
    await made.complete(
        "a", messages="hi", partition=who, route_id="billing", execution_id="x", max_cost_usd=1
    )

    assert made.ledger is not None
    (row,) = made.ledger.rows("x")
    assert (row.reservation.partition, row.reservation.route_id) == (who, "billing")
    assert row.cost_usd is not None


async def test_budgets_can_be_given_to_the_registry() -> None:
    from decimal import Decimal

    budget = Budget(name="none", limit_usd=Decimal(0))
    made, clients = registry("a", prices=PRICES, budgets=[budget])

    with pytest.raises(Exception, match="budget 'none'"):
        await made.complete("a", messages="hi")
    assert clients["a"].calls == 0


async def test_closing_closes_every_client() -> None:
    class Stubborn(PlannedClient):
        async def aclose(self) -> None:
            await super().aclose()
            raise ConnectionFailedError("x", "would not close")

    made, clients = registry("b")
    stubborn = Stubborn()
    made = LLMClientRegistry()
    made.register("a", stubborn)
    made.register("b", clients["b"])

    with pytest.raises(ConnectionFailedError):
        await made.aclose()
    assert (stubborn.closed, clients["b"].closed) == (1, 1)

    async with LLMClientRegistry() as opened:
        opened.register("b", clients["b"])
    assert clients["b"].closed == 2


async def test_three_hanging_providers_end_with_the_deadline() -> None:
    made = LLMClientRegistry()
    hanging = [PlannedClient(1e6) for _ in range(3)]
    for name, client in zip("abc", hanging, strict=True):
        made.register(name, client)
    loop = asyncio.get_running_loop()
    started_s = loop.time()

    with pytest.raises(TimeoutError):
        await made.complete("a", ["b", "c"], "hi", timeout_s=0.3)

    assert 0.3 <= loop.time() - started_s <= 0.5
    assert [client.open for client in hanging] == [0, 0, 0]


def test_a_registry_shows_its_clients_and_how_it_chooses() -> None:
    clients, _ = registry("cloud", "spare", strategy="round_robin")

    assert repr(clients) == "LLMClientRegistry(cloud, spare; round_robin)"
