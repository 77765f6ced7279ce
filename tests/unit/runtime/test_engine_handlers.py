"""Handlers through the engine: in time, and again only if they may be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.errors import ExecutionTimeoutError, HandlerError
from stratarouter_runtime.execution.engine import ExecutionEngine
from stratarouter_runtime.testing import EchoHandler
from tests.virtual_time import virtual

if TYPE_CHECKING:
    from stratarouter_runtime.testing import ManualClock


class Flaky:
    """A handler that raises a few times."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.calls = 0

    async def __call__(self, query: str, context: Any) -> str:
        self.calls += 1
        self.left -= 1
        if self.left >= 0:
            raise ValueError("not yet")
        return f"{query} by {context['user_id']}"


async def test_handlers_are_called_with_query_and_context() -> None:
    engine, handler = ExecutionEngine(), EchoHandler()

    assert await engine.execute(handler, "hello", {"user_id": "u"}) == "hello"
    assert handler.calls == [("hello", {"user_id": "u"})]
    assert await engine.execute(str.upper, "hello") == "HELLO"
    with pytest.raises(InvalidInputError):
        await engine.execute(lambda: None, "hello")
    await engine.aclose()


@virtual
async def test_a_handler_is_called_once_unless_it_may_be_repeated(clock: ManualClock) -> None:
    engine = ExecutionEngine(clock=clock, random=lambda: 0.5)
    handler = Flaky(2)
    with pytest.raises(HandlerError, match="not yet"):
        await engine.execute(handler, "hello")
    assert (handler.calls, clock.now_s()) == (1, 0.0)

    handler = Flaky(2)
    answer = await engine.execute(handler, "hello", {"user_id": "u"}, idempotent=True)
    assert (answer, handler.calls) == ("hello by u", 3)
    assert clock.now_s() == pytest.approx(0.15)

    handler = Flaky(99)
    with pytest.raises(HandlerError):
        await engine.execute(handler, "hello", idempotent=True)
    assert handler.calls == 4


@virtual
async def test_a_handler_has_until_the_deadline(clock: ManualClock) -> None:
    async def sleeps(query: str) -> None:
        await asyncio.sleep(1e6)

    engine = ExecutionEngine(timeout=3.0, clock=clock)
    with pytest.raises(ExecutionTimeoutError):
        await engine.execute(sleeps, "hello", idempotent=True)
    assert clock.now_s() == pytest.approx(3.0)
    with pytest.raises(InvalidInputError):
        await engine.execute(sleeps, "hello", timeout_s=-1.0)
