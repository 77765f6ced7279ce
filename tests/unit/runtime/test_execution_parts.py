"""Deadlines, foreign coroutines, embeddings, the lifecycle, stored answers."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import numpy as np
import pytest

from stratarouter.errors import DimensionMismatchError, EncodingError, InvalidInputError
from stratarouter_runtime.conversation import Usage
from stratarouter_runtime.errors import (
    BridgeClosedError,
    BridgeLoopError,
    ExecutionTimeoutError,
    UncacheableValueError,
)
from stratarouter_runtime.execution.answers import Answer
from stratarouter_runtime.execution.deadline import Deadline
from stratarouter_runtime.execution.embedding import embed_query
from stratarouter_runtime.execution.lifecycle import Lifecycle
from stratarouter_runtime.execution.pool import BlockingPool
from stratarouter_runtime.execution.supervision import Supervisor
from stratarouter_runtime.telemetry.clock import SystemClock
from stratarouter_runtime.testing import TinyEncoder

SOON = Deadline.after(0.02, SystemClock().now_s())


def within(seconds: float) -> Deadline:
    return Deadline.after(seconds, SystemClock().now_s())


# Deadlines --------------------------------------------------------------------------------------


def test_a_deadline_counts_down_to_zero() -> None:
    deadline = Deadline.after(2, now_s=10.0)

    assert [deadline.remaining_s(now) for now in (10.0, 11.5, 12.0, 99.0)] == [2.0, 0.5, 0.0, 0.0]
    assert deadline.timeout_s == 2.0


@pytest.mark.parametrize("timeout_s", [0, -1, math.nan, math.inf, True, "1", None])
def test_a_time_limit_is_a_finite_number_above_zero(timeout_s: Any) -> None:
    with pytest.raises(InvalidInputError, match="timeout_s"):
        Deadline.after(timeout_s, now_s=0.0)


def test_the_system_clock_tells_both_times() -> None:
    clock = SystemClock()

    assert clock.now_s() <= clock.now_s()
    assert clock.wall_s() > 1_700_000_000


# Foreign coroutines -----------------------------------------------------------------------------


async def test_supervised_work_returns_and_raises() -> None:
    supervisor = Supervisor(SystemClock())

    async def fail() -> None:
        raise ValueError("no")

    assert await supervisor.run(asyncio.sleep(0, "done"), within(30), "work") == "done"
    with pytest.raises(ValueError, match="no"):
        await supervisor.run(fail(), within(30), "work")


async def test_work_is_cancelled_at_its_deadline() -> None:
    supervisor = Supervisor(SystemClock())
    ends = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cleaned up")

    with pytest.raises(ExecutionTimeoutError, match=r"the handler did not finish within 0\.02 s"):
        await supervisor.run(wait(), within(0.02), "the handler")
    assert ends == ["cleaned up"]
    assert supervisor.strays == 0


async def test_work_is_cancelled_with_its_caller() -> None:
    supervisor = Supervisor(SystemClock())
    ends = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cleaned up")

    caller = asyncio.create_task(supervisor.run(wait(), within(30), "work"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller

    assert ends == ["cleaned up"]


async def test_work_that_ignores_its_cancellation_holds_nobody_up() -> None:
    supervisor = Supervisor(SystemClock())
    gate = asyncio.Event()

    async def stubborn() -> None:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        raise ValueError("nobody hears this")

    with pytest.raises(ExecutionTimeoutError):
        await supervisor.run(stubborn(), within(0.02), "work")
    assert supervisor.strays == 1
    gate.set()
    await asyncio.sleep(0.01)
    assert supervisor.strays == 0


async def test_closing_cancels_what_is_under_way() -> None:
    supervisor = Supervisor(SystemClock())
    caller = asyncio.create_task(supervisor.run(asyncio.Event().wait(), within(30), "the call"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    supervisor.close()

    with pytest.raises(BridgeClosedError, match="the call"):
        await caller


# Embeddings -------------------------------------------------------------------------------------


class Encoder:
    dimension = 3

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def encode(self, texts: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class AsyncEncoder(Encoder):
    async def aencode(self, texts: Any) -> Any:
        await asyncio.sleep(0)
        return self.answer

    def encode(self, texts: Any) -> Any:
        raise AssertionError("the other one is to be used")


@pytest.mark.parametrize(
    "answer", [[[1.0, 0.0, 0.0]], [1.0, 0.0, 0.0], np.eye(3)[:1], np.eye(3, dtype=np.float16)[0]]
)
@pytest.mark.parametrize("kind", [Encoder, AsyncEncoder])
async def test_one_text_becomes_one_vector(kind: type[Encoder], answer: Any) -> None:
    pool = BlockingPool()
    vector = await embed_query(kind(answer), "q", pool)

    assert vector.shape == (3,)
    assert vector.dtype == np.float32
    pool.close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.eye(3), "shape"),
        (np.zeros((0, 3)), "shape"),
        (1.0, "shape"),
        (["a"], "ValueError"),
        (RuntimeError("no network"), "RuntimeError: no network"),
    ],
)
async def test_encoders_that_fail_are_named(answer: Any, message: str) -> None:
    pool = BlockingPool()
    with pytest.raises(EncodingError, match=message):
        await embed_query(Encoder(answer), "q", pool)
    pool.close()


async def test_errors_of_our_own_stay_as_they_are() -> None:
    pool = BlockingPool()
    with pytest.raises(DimensionMismatchError):
        await embed_query(Encoder(DimensionMismatchError(3, 4)), "q", pool)
    pool.close()


async def test_blocking_encoders_stay_off_the_event_loop() -> None:
    pool = BlockingPool()
    encoder = TinyEncoder()
    await embed_query(encoder, "q", pool)

    assert encoder.calls == 1
    assert pool.stats.threads == 1
    pool.close()


# Lifecycle --------------------------------------------------------------------------------------


async def test_start_happens_once_and_only_if_it_succeeds() -> None:
    starts: list[int] = []

    def start() -> None:
        starts.append(1)
        if len(starts) == 1:
            raise ValueError("not yet")

    lifecycle = Lifecycle(start)
    with pytest.raises(ValueError, match="not yet"):
        lifecycle.enter()
    lifecycle.enter()
    lifecycle.enter()

    assert len(starts) == 2


async def test_closing_waits_for_what_is_under_way() -> None:
    lifecycle = Lifecycle(lambda: None)
    lifecycle.enter()
    closing = asyncio.create_task(lifecycle.close(30.0))
    await asyncio.sleep(0)
    assert not closing.done()
    with pytest.raises(BridgeClosedError):
        lifecycle.enter()
    lifecycle.leave()
    await closing

    assert lifecycle.closed


async def test_closing_does_not_wait_for_ever() -> None:
    lifecycle = Lifecycle(lambda: None)
    lifecycle.enter()

    await lifecycle.close(0.01)
    assert lifecycle.closed


def test_a_second_event_loop_is_refused_while_the_first_lives() -> None:
    lifecycle = Lifecycle(lambda: None)
    first = asyncio.new_event_loop()

    async def enter() -> None:
        lifecycle.enter()

    first.run_until_complete(enter())
    with pytest.raises(BridgeLoopError, match="one bridge per event loop"):
        asyncio.run(enter())
    first.close()
    asyncio.run(enter())


# Stored answers ---------------------------------------------------------------------------------


def test_a_stored_answer_costs_nothing_when_it_is_used_again() -> None:
    asked = ("openai", None)
    answer = Answer(
        response={"a": [1]},
        provider="openai",
        model="m",
        asked=asked,
        usage=Usage(input_tokens=4, output_tokens=5),
        attempts=2,
        cost_usd=0.5,
    )
    hit = Answer.decoded(answer.encoded(), cache_hit=True)

    assert (answer.tokens, hit.tokens, hit.attempts) == (9, 0, 0)
    assert hit == Answer(
        response={"a": [1]}, provider="openai", model="m", asked=asked, cache_hit=True
    )
    assert hit.response is not answer.response
    assert Answer.decoded(answer.encoded(), cache_hit=False).coalesced


def test_an_answer_that_is_no_json_cannot_be_stored() -> None:
    with pytest.raises(UncacheableValueError):
        Answer(response=object()).encoded()
