"""Single flight: one run, its waiters, and every way in which they leave."""

from __future__ import annotations

import asyncio

import pytest

from stratarouter_runtime.cache.flight import SingleFlight
from stratarouter_runtime.errors import BridgeClosedError, ExecutionTimeoutError


class Run:
    """A run that ends when it is told to, and knows what happened to it."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.started = 0
        self.cancelled = 0

    async def __call__(self) -> str:
        self.started += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "done"


async def turns(count: int = 5) -> None:
    """Let the other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_equal_keys_share_and_others_do_not() -> None:
    flights: SingleFlight[str] = SingleFlight()
    run = Run()
    waits = [asyncio.create_task(flights.run(key, run)) for key in ("a", "a", "b", "a")]
    await turns()
    assert (run.started, len(flights)) == (2, 2)
    run.gate.set()

    assert [shared for _, shared in await asyncio.gather(*waits)] == [False, True, False, True]
    assert len(flights) == 0


async def test_a_finished_run_is_not_shared() -> None:
    flights: SingleFlight[str] = SingleFlight()
    run = Run()
    run.gate.set()
    await flights.run("a", run)

    assert await flights.run("a", run) == ("done", False)
    assert run.started == 2


@pytest.mark.parametrize("who", [0, 1], ids=["leader", "follower"])
async def test_a_cancelled_waiter_does_not_disturb_the_others(who: int) -> None:
    flights: SingleFlight[str] = SingleFlight()
    run = Run()
    waits = [asyncio.create_task(flights.run("a", run)) for _ in range(2)]
    await turns()
    waits[who].cancel()
    await turns()
    run.gate.set()

    assert (await waits[1 - who])[0] == "done"
    assert (run.started, run.cancelled) == (1, 0)
    assert waits[who].cancelled()


async def test_the_last_waiter_takes_the_run_with_it() -> None:
    flights: SingleFlight[str] = SingleFlight()
    run = Run()
    waits = [asyncio.create_task(flights.run("a", run)) for _ in range(3)]
    await turns()
    for wait in waits:
        wait.cancel()
    await turns()

    assert run.cancelled == 1
    assert len(flights) == 0


async def test_who_comes_after_the_last_has_left_starts_anew() -> None:
    flights: SingleFlight[str] = SingleFlight()
    first, second = Run(), Run()
    wait = asyncio.create_task(flights.run("a", first))
    await turns()
    wait.cancel()
    late = asyncio.create_task(flights.run("a", second))
    await turns()
    later = asyncio.create_task(flights.run("a", second))
    await turns()
    second.gate.set()

    assert (await late, await later) == (("done", False), ("done", True))
    assert (first.cancelled, second.started) == (1, 1)


async def test_each_waiter_has_its_own_time_limit() -> None:
    flights: SingleFlight[str] = SingleFlight()
    run = Run()
    patient = asyncio.create_task(flights.run("a", run, timeout_s=30.0))
    await turns()
    with pytest.raises(ExecutionTimeoutError, match="the work did not finish within 60 s"):
        await flights.run("a", run, timeout_s=0.01, limit_s=60.0, what="the work")
    run.gate.set()

    assert await patient == ("done", False)
    assert run.cancelled == 0


async def test_when_the_only_waiters_time_is_over_the_run_ends() -> None:
    flights: SingleFlight[str] = SingleFlight()
    run = Run()
    with pytest.raises(ExecutionTimeoutError):
        await flights.run("a", run, timeout_s=0.01)
    await turns()

    assert run.cancelled == 1


async def test_every_waiter_gets_the_error_and_the_next_caller_a_new_run() -> None:
    flights: SingleFlight[str] = SingleFlight()
    starts = []

    async def fail() -> str:
        starts.append(1)
        await asyncio.sleep(0)
        raise ValueError("no")

    answers = await asyncio.gather(
        *(flights.run("a", fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [ValueError] * 3
    assert len(starts) == 1
    with pytest.raises(ValueError, match="no"):
        await flights.run("a", fail)
    assert len(starts) == 2


async def test_closing_tells_the_waiters() -> None:
    flights: SingleFlight[str] = SingleFlight()
    run = Run()
    waits = [asyncio.create_task(flights.run("a", run, what="the call")) for _ in range(2)]
    await turns()
    flights.close()

    answers = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(answer) for answer in answers] == [BridgeClosedError] * 2
    assert run.cancelled == 1
    with pytest.raises(BridgeClosedError, match="before"):
        await flights.run("a", run)
    assert run.started == 1


async def test_an_error_that_nobody_waits_for_is_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flights: SingleFlight[str] = SingleFlight()

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("cleaning up failed") from None
        return ""

    wait = asyncio.create_task(flights.run("a", stubborn))
    await turns()
    wait.cancel()
    await turns()

    assert wait.cancelled()
    assert caplog.records == []
