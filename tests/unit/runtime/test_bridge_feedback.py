"""What people say about answers: bad ones are given no more, labels are collected."""

from __future__ import annotations

from typing import Any

import pytest

from stratarouter.errors import InvalidInputError, RouteNotFoundError
from stratarouter.types import Route
from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.context_errors import UnknownExecutionError
from stratarouter_runtime.feedback import FeedbackBook, RememberedExecution
from stratarouter_runtime.testing import (
    EchoHandler,
    FixedRouter,
    ManualClock,
    ScriptedClient,
    make_decision,
)
from stratarouter_runtime.types import ANONYMOUS


def health(bridge: CoreRuntimeBridge) -> list[float]:
    return [entry.score for entry in bridge.registry.health()]


async def test_a_bad_answer_is_given_no_more() -> None:
    client = ScriptedClient(["wrong", "right"])
    async with CoreRuntimeBridge(clock=ManualClock()) as bridge:
        bridge.bind("billing", client=client)
        first = await bridge.execute(make_decision())
        other = await bridge.execute(make_decision("billing", "another question"))
        hit = await bridge.execute(make_decision())
        await bridge.feedback(hit.execution_id, answer_ok=False)
        again = await bridge.execute(make_decision())
        kept = await bridge.execute(make_decision("billing", "another question"))

    assert (first.response, hit.response, again.response) == ("wrong", "wrong", "right")
    assert (hit.cache_hit, again.cache_hit, kept.cache_hit) == (True, False, True)
    assert other.response == kept.response


async def test_who_gave_a_bad_answer_is_trusted_less() -> None:
    async with CoreRuntimeBridge(clock=ManualClock()) as bridge:
        bridge.bind("billing", client=ScriptedClient(["x"]), model="m", cacheable=False)
        results = [await bridge.execute(make_decision()) for _ in range(4)]
        before = health(bridge)
        await bridge.feedback(results[0].execution_id, answer_ok=True)
        well = health(bridge)
        await bridge.feedback(results[1].execution_id, answer_ok=False)
        bad = health(bridge)
        await bridge.feedback(results[1].execution_id, answer_ok=False)

    assert before == well == [1.0]
    assert bad[0] < 1.0
    # Saying it twice does not count twice.
    assert health(bridge) == bad


async def test_labels_are_collected_for_fit() -> None:
    router = FixedRouter("billing", "support")
    async with CoreRuntimeBridge(router) as bridge:
        bridge.bind("billing", EchoHandler())
        ids = [(await bridge.execute(query)).execution_id for query in ("q1", "q2", "q3")]
        await bridge.feedback(ids[0], correct_route="support")
        await bridge.feedback(ids[1], correct_route=None)
        await bridge.feedback(ids[2], correct_route="billing", answer_ok=True)
        await bridge.feedback(ids[0], correct_route=Route("billing", description="x"))
        with pytest.raises(RouteNotFoundError, match="did you mean 'billing'"):
            await bridge.feedback(ids[0], correct_route="biling")

        assert bridge.labelled() == (["q2", "q3", "q1"], [None, "billing", "billing"])


async def test_failures_and_streams_can_be_labelled_too() -> None:
    def fail(query: str) -> None:
        raise LookupError

    names = iter(["exec-1", "exec-2"])
    async with CoreRuntimeBridge(new_id=lambda: next(names)) as bridge:
        bridge.bind("billing", fail)
        bridge.bind("echo", EchoHandler())
        with pytest.raises(Exception, match="LookupError"):
            await bridge.execute(make_decision("billing", "q1"))
        async for _ in bridge.stream(make_decision("echo", "q2")):
            pass
        await bridge.feedback("exec-1", correct_route="echo", answer_ok=False)
        await bridge.feedback("exec-2", correct_route=None)

        assert bridge.labelled() == (["q1", "q2"], ["echo", None])


async def test_only_so_many_executions_are_remembered() -> None:
    async with CoreRuntimeBridge(RuntimeConfig(feedback_max_executions=2)) as bridge:
        bridge.bind("billing", EchoHandler())
        ids = [(await bridge.execute(make_decision())).execution_id for _ in range(3)]
        with pytest.raises(UnknownExecutionError, match="latest 2") as caught:
            await bridge.feedback(ids[0], answer_ok=True)
        await bridge.feedback(ids[1], answer_ok=True)

    assert caught.value.execution_id == ids[0]
    assert isinstance(caught.value, KeyError)


def test_a_book_may_be_empty() -> None:
    book = FeedbackBook(0)
    book.remember("e", RememberedExecution(query="q", partition=ANONYMOUS))
    book.label("e", "q", None)
    with pytest.raises(UnknownExecutionError):
        book.get("e")

    assert book.labelled() == ([], [])


@pytest.mark.parametrize("options", [{}, {"answer_ok": "yes"}, {"correct_route": " "}])
async def test_feedback_says_something(options: dict[str, Any]) -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", EchoHandler())
        result = await bridge.execute(make_decision())
        with pytest.raises(InvalidInputError):
            await bridge.feedback(result.execution_id, **options)
