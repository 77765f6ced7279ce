"""Laws of the bridge: nobody gets an answer to another prompt, and nothing is left behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.conversation import Completion
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.stream_events import (
    ExecutionFinished,
    Finish,
    StreamStart,
    TextDelta,
)
from stratarouter_runtime.testing import ManualClock, make_decision

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from stratarouter_runtime.conversation import CompletionRequest
    from stratarouter_runtime.stream_events import StreamEvent

ASKED = st.fixed_dictionaries(
    {
        "query": st.sampled_from(["a", "b", "a\nb", "{name}"]),
        "name": st.sampled_from(["Ann", "Bob", 1, True, "1", "{query}"]),
        "user_id": st.sampled_from(["u", "v"]),
        "plan": st.sampled_from(["x", "y"]),
        "is_stream": st.booleans(),
    }
)


class Parrot:
    """Answers with everything that it was told."""

    def __init__(self) -> None:
        self.calls = 0

    async def complete(self, request: CompletionRequest) -> Completion:
        self.calls += 1
        await asyncio.sleep(0)
        return Completion(content="|".join(message.text for message in request.messages))


async def answer(bridge: CoreRuntimeBridge, asked: dict[str, Any]) -> Any:
    decision = make_decision("r", asked["query"])
    context = {"name": asked["name"], "user_id": asked["user_id"], "plan": asked["plan"]}
    if not asked["is_stream"]:
        return (await bridge.execute(decision, context)).response
    events = [event async for event in bridge.stream(decision, context)]
    assert isinstance(events[-1], ExecutionFinished)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert text == events[-1].result.response
    return text


@given(st.lists(ASKED, min_size=1, max_size=12), st.booleans(), st.sampled_from(["user", "global"]))
def test_every_answer_is_one_to_its_own_prompt(
    questions: list[dict[str, Any]], is_at_once: bool, scope: Any
) -> None:
    async def main() -> tuple[list[Any], int]:
        parrot = Parrot()
        async with CoreRuntimeBridge(RuntimeConfig(cache_scope=scope)) as bridge:
            bridge.bind(
                "r",
                client=parrot,
                system="for {name}",
                prompt="{plan_name}: {query}",
                enrich=lambda query, context: {"plan_name": context["plan"] * 2},
            )
            if is_at_once:
                found = await asyncio.gather(*(answer(bridge, asked) for asked in questions))
            else:
                found = [await answer(bridge, asked) for asked in questions]
        return list(found), parrot.calls

    answers, calls = asyncio.run(main())

    expected = [f"for {asked['name']}|{asked['plan'] * 2}: {asked['query']}" for asked in questions]
    assert answers == expected
    if not is_at_once:
        whose = [asked["user_id"] if scope == "user" else "" for asked in questions]
        assert calls == len(set(zip(expected, whose, strict=True)))


class Dripping:
    """Streams three pieces, with a turn for others before each."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0

    async def complete(self, request: CompletionRequest) -> Completion:
        raise AssertionError("only streams are asked for")

    async def stream(
        self, request: CompletionRequest, *, timeout_s: float | None = None
    ) -> AsyncGenerator[StreamEvent, None]:
        self.opened += 1
        try:
            yield StreamStart(model="m")
            for piece in ("a", "b", "c"):
                await asyncio.sleep(0)
                yield TextDelta(piece)
            yield Finish("stop")
        finally:
            self.closed += 1


async def test_cancelling_a_stream_at_every_step_leaves_nothing_behind() -> None:
    async def add_nothing(query: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {}

    before = asyncio.all_tasks()
    decision = make_decision("r", "q")
    finished = 0
    for step in range(60):
        client, ledger = Dripping(), MemoryLedger(ManualClock())
        async with CoreRuntimeBridge(ledger=ledger) as bridge:
            # Nothing of it runs in a thread, so steps are the same every time.
            bridge.bind("r", client=client, enrich=add_nothing)

            async def reader(bridge: CoreRuntimeBridge = bridge) -> int:
                return len([event async for event in bridge.stream(decision)])

            task = asyncio.create_task(reader())
            for _ in range(step):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait((task,))
            finished += not done.pop().cancelled()

            assert client.opened == client.closed
            assert ledger.totals().open_attempts == 0
            assert ledger.totals().reserved_usd == 0
            events = [event async for event in bridge.stream(decision)]
            assert isinstance(events[-1], ExecutionFinished)
            assert events[-1].result.response == "abc"

    assert 0 < finished < 60
    assert asyncio.all_tasks() == before
