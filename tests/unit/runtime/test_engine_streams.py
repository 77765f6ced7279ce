"""Streams are exchanged until their first piece, and never silently cut after it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from stratarouter_runtime.conversation import Usage
from stratarouter_runtime.errors import ExecutionTimeoutError
from stratarouter_runtime.execution.rules import EngineRules
from stratarouter_runtime.provider_errors import (
    BadRequestError,
    ConnectionFailedError,
    InvalidAnswerError,
    ProviderTimeoutError,
    ServerError,
    StreamInterruptedError,
)
from stratarouter_runtime.stream_events import (
    Finish,
    StreamError,
    StreamStart,
    StreamWarning,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from tests.engine_setting import Setting
from tests.planned_client import HANG_S, USAGE, PlannedClient, events
from tests.virtual_time import virtual

if TYPE_CHECKING:
    from stratarouter_runtime.stream_events import StreamEvent
    from stratarouter_runtime.testing import ManualClock

DOWN = ServerError("x", "down", status=503)
CUT = ConnectionFailedError("x", "the connection broke")


def text(found: list[StreamEvent]) -> str:
    """Return the text of some events."""
    return "".join(event.text for event in found if isinstance(event, TextDelta))


@virtual
async def test_a_stream_ends_with_its_usage_its_cost_and_its_reason(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(events("Hel", "lo")))

    found = await setting.read()

    assert found == [
        StreamStart(provider="a"),
        TextDelta("Hel"),
        TextDelta("lo"),
        UsageDelta(USAGE),
        UsageDelta(USAGE, 0.000015),
        Finish("stop"),
    ]
    assert setting.states() == ["settled"]
    assert setting.ledger.totals().spent_usd == Decimal("0.000015")
    assert "stream.complete" in setting.sink.names


@virtual
async def test_usage_that_is_not_reported_is_estimated_and_says_so(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient(events("Hello you", usage=None)))

    found = await setting.read()

    (usage,) = [event.usage for event in found if isinstance(event, UsageDelta)]
    assert usage == Usage(input_tokens=2, output_tokens=3, estimated=True)
    assert any(isinstance(event, StreamWarning) for event in found)


@virtual
async def test_before_the_first_piece_somebody_else_is_asked(clock: ManualClock) -> None:
    beginnings = [[DOWN], [StreamStart(), CUT], [StreamStart(), StreamError(DOWN)], [StreamStart()]]
    for beginning in beginnings:
        broken = PlannedClient(beginning)
        setting = Setting(clock, broken, PlannedClient("from b"), max_retries=0)

        found = await setting.read("a", ["b"])

        assert text(found) == "from b"
        # Nothing of the first stream was passed on.
        assert sum(isinstance(event, StreamStart) for event in found) == 1
        assert broken.open == 0
        assert len(setting.states()) == 2


@virtual
async def test_before_the_first_piece_the_same_target_is_asked_again(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient([DOWN], [StreamStart(), CUT], events("third")))

    assert text(await setting.read()) == "third"
    assert setting.calls == [3]
    assert setting.states() == ["settled", "unknown", "settled"]


@virtual
async def test_after_the_first_piece_a_cut_is_an_error_that_holds_it(clock: ManualClock) -> None:
    broken = PlannedClient([StreamStart(), TextDelta("Hel"), TextDelta("lo"), CUT])
    setting = Setting(clock, broken, PlannedClient("from b"))
    found: list[StreamEvent] = []

    with pytest.raises(StreamInterruptedError) as caught:
        await setting.read("a", ["b"], found)

    assert text(found) == "Hello"
    assert caught.value.delivered == "Hello"
    assert caught.value.__cause__ is CUT
    assert setting.calls == [1, 0]
    assert setting.states() == ["unknown"]
    assert "stream.error" in setting.sink.names
    assert setting.registry.health()[0].score == 0.0


@virtual
async def test_a_stream_that_ends_without_saying_so_is_cut(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient([TextDelta("Hel")]))

    with pytest.raises(StreamInterruptedError, match="without saying so"):
        await setting.read()


@virtual
async def test_a_stall_is_an_error(clock: ManualClock) -> None:
    client = PlannedClient([TextDelta("Hel"), HANG_S])
    setting = Setting(clock, client, rules=EngineRules(idle_timeout_s=5.0))

    with pytest.raises(StreamInterruptedError) as caught:
        await setting.read(timeout_s=60.0)

    cause = caught.value.__cause__
    assert isinstance(cause, ProviderTimeoutError)
    assert cause.phase == "idle"
    assert clock.now_s() == pytest.approx(5.0)
    assert client.open == 0


@virtual
async def test_the_deadline_ends_a_stream(clock: ManualClock) -> None:
    drip = [piece for _ in range(100) for piece in (1.0, TextDelta("x"))]
    setting = Setting(clock, PlannedClient(drip))

    with pytest.raises(StreamInterruptedError) as caught:
        await setting.read(timeout_s=10.5)

    assert caught.value.delivered == "x" * 10
    assert clock.now_s() == pytest.approx(10.5)


@virtual
async def test_a_stream_that_never_begins_goes_to_the_next_target(clock: ManualClock) -> None:
    client = PlannedClient([StreamStart(), HANG_S])
    setting = Setting(clock, client, PlannedClient("b"))

    assert text(await setting.read("a", ["b"], timeout_s=2.0)) == "b"
    assert clock.now_s() == pytest.approx(1.0)

    lonely = Setting(clock, PlannedClient([StreamStart(), HANG_S]))
    with pytest.raises(ExecutionTimeoutError):
        await lonely.read(timeout_s=2.0)
    assert clock.now_s() == pytest.approx(3.0)


@virtual
async def test_whoever_stops_reading_ends_the_call(clock: ManualClock) -> None:
    client = PlannedClient([StreamStart(), *map(TextDelta, "abcdef"), Finish()])
    for stop_after in range(1, 9):
        setting = Setting(clock, client)
        async with aclosing(setting.registry.stream("a", (), "hello")) as stream:
            for _ in range(stop_after):
                await anext(stream)
        assert client.open == 0
        totals = setting.ledger.totals()
        assert (totals.open_attempts, totals.reserved_usd) == (0, Decimal(0))
        # The whole answer, but for its last event, is an answer.
        assert setting.states() == ["settled" if stop_after == 8 else "unknown"]


@virtual
async def test_a_stream_that_nobody_reads_makes_no_call(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient())

    await setting.registry.stream("a", (), "hello").aclose()

    assert setting.calls == [0]
    assert setting.ledger.totals().attempts == 0


@virtual
async def test_nothing_is_read_ahead_of_the_reader(clock: ManualClock) -> None:
    client = PlannedClient([StreamStart(), *map(TextDelta, "abcdef"), Finish()])
    setting = Setting(clock, client)

    async with aclosing(setting.registry.stream("a", (), "hello")) as stream:
        for seen in range(1, 6):
            await anext(stream)
            await asyncio.sleep(1.0)
            assert client.read <= max(2, seen)


@virtual
async def test_an_answer_without_text_is_an_answer(clock: ManualClock) -> None:
    call = ToolCallDelta(index=0, id="c", name="look")
    setting = Setting(clock, PlannedClient(events(), [call, Finish("tool_calls")]))

    assert [type(event) for event in await setting.read()] == [
        StreamStart,
        UsageDelta,
        UsageDelta,
        Finish,
    ]
    assert (await setting.read())[-1] == Finish("tool_calls")


@virtual
async def test_a_broken_tool_call_is_told_before_the_end(clock: ManualClock) -> None:
    nameless = [ToolCallDelta(index=0, id="c", arguments="{}"), Finish("tool_calls")]
    setting = Setting(clock, PlannedClient(nameless))

    with pytest.raises(StreamInterruptedError, match="no name"):
        await setting.read()
    assert setting.ledger.totals().open_attempts == 0


@virtual
async def test_what_nobody_can_cure_is_raised_at_once(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient([BadRequestError("x", "what?")]), PlannedClient())

    with pytest.raises(BadRequestError):
        await setting.read("a", ["b"])
    assert setting.calls == [1, 0]


@virtual
async def test_events_without_end_and_content_are_no_answer(clock: ManualClock) -> None:
    setting = Setting(clock, PlannedClient([StreamWarning("hm")] * 2000), max_retries=0)

    with pytest.raises(InvalidAnswerError, match="nothing of an answer"):
        await setting.read()
    assert setting.clients[0].read <= 1001
