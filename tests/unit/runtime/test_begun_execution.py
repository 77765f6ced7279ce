"""Calls within an execution that was begun before, and handlers in somebody else's threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.execution.engine import ExecutionEngine, dollars
from stratarouter_runtime.execution.pool import BlockingPool
from stratarouter_runtime.policies.targets import FallbackChains, Target
from stratarouter_runtime.providers.registry import LLMClientRegistry
from stratarouter_runtime.stream_events import TextDelta
from stratarouter_runtime.testing import EchoClient, ScriptedClient


def make_registry() -> LLMClientRegistry:
    registry = LLMClientRegistry(ExecutionEngine(max_retries=0))
    registry.register("down", ScriptedClient([ConnectionError("refused")]))
    registry.register("echo", EchoClient())
    return registry


async def test_it_says_afterwards_who_answered_and_what_failed() -> None:
    registry = make_registry()
    execution = registry.engine.begin(timeout_s=5.0, route_id="billing")
    await registry.complete("down", ["echo/m"], "hello", execution=execution)

    assert execution.answered_by is not None
    assert execution.answered_by.key == ("echo", "m")
    assert (execution.attempts, len(execution.failures)) == (2, 1)


async def test_streams_tell_as_well() -> None:
    registry = make_registry()
    execution = registry.engine.begin()
    chains = FallbackChains(content_policy=(Target(provider="echo"),))
    stream = registry.stream("echo", messages="hello", execution=execution, chains=chains)
    pieces = [event.text async for event in stream if isinstance(event, TextDelta)]

    assert pieces == ["hello"]
    assert execution.answered_by is not None
    assert execution.chains == chains


@pytest.mark.parametrize(
    "option", [{"timeout_s": 1.0}, {"max_cost_usd": 1}, {"route_id": "r"}, {"execution_id": "e"}]
)
async def test_limits_are_said_once(option: dict[str, Any]) -> None:
    registry = make_registry()
    execution = registry.engine.begin()
    with pytest.raises(InvalidInputError, match="belongs to the execution="):
        await registry.complete("echo", messages="hello", execution=execution, **option)

    assert execution.attempts == 0


async def test_sync_handlers_run_where_the_caller_says() -> None:
    engine, door = ExecutionEngine(), BlockingPool(1, 0)
    threads = [
        await engine.execute(lambda query: threading.current_thread(), "q", door=door)
        for _ in range(2)
    ]
    door.close()
    await engine.aclose()

    assert threads[0] is threads[1] is not threading.main_thread()


@pytest.mark.parametrize("amount", ["much", object(), [1]])
def test_an_amount_is_a_number(amount: Any) -> None:
    with pytest.raises(InvalidInputError, match="max_cost_usd"):
        dollars(amount)
