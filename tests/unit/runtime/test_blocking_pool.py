"""The pool for blocking work: bounds, deadlines, abandoned threads, the end of the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest

from stratarouter_runtime.errors import BridgeClosedError, ExecutionTimeoutError, SaturatedError
from stratarouter_runtime.execution.pool import BlockingPool

if TYPE_CHECKING:
    from collections.abc import Iterator

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Return an event that blocked threads wait for; it is set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


async def eventually(pool: BlockingPool, **expected: int) -> None:
    """Wait until the pool has these figures."""
    async with asyncio.timeout(10):
        # A thread's progress has no event to wait for.
        while any(  # noqa: ASYNC110
            getattr(pool.stats, name) != value for name, value in expected.items()
        ):
            await asyncio.sleep(0.001)


async def test_work_runs_in_another_thread_with_the_callers_variables() -> None:
    pool = BlockingPool()
    WHO.set("ann")

    assert await pool.run(lambda: (WHO.get(), threading.current_thread().daemon)) == ("ann", True)
    assert await pool.run(threading.get_ident) != threading.get_ident()
    pool.close()


async def test_changes_of_variables_stay_in_the_thread() -> None:
    pool = BlockingPool()
    await pool.run(WHO.set, "somebody else")

    assert WHO.get() == "nobody"
    pool.close()


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyError("x"), TimeoutError("own"), SystemExit(3)]
)
async def test_errors_come_back_as_they_are(error: BaseException) -> None:
    pool = BlockingPool()

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        await pool.run(fail)
    assert await pool.run(int, "7") == 7, "the thread is still good"
    pool.close()


async def test_stop_iteration_does_not_hang() -> None:
    pool = BlockingPool()

    with pytest.raises(RuntimeError, match="StopIteration"):
        await pool.run(next, iter(()), timeout_s=5.0)
    pool.close()


async def test_a_full_pool_says_so(gate: threading.Event) -> None:
    pool = BlockingPool(max_threads=2, max_waiting=1)
    calls = [asyncio.create_task(pool.run(gate.wait)) for _ in range(3)]
    await eventually(pool, running=2, waiting=1)

    with pytest.raises(SaturatedError) as caught:
        await pool.run(int)
    assert (caught.value.running, caught.value.waiting, caught.value.abandoned) == (2, 1, 0)
    gate.set()
    assert await asyncio.gather(*calls) == [True] * 3
    assert await pool.run(int) == 0
    pool.close()


async def test_a_pool_without_a_queue_takes_as_many_as_it_has_threads(
    gate: threading.Event,
) -> None:
    pool = BlockingPool(max_threads=2, max_waiting=0)
    calls = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(SaturatedError):
        await pool.run(int)
    gate.set()
    await asyncio.gather(*calls)
    pool.close()


async def test_a_caller_gives_up_at_its_deadline_and_the_thread_stays_counted(
    gate: threading.Event,
) -> None:
    pool = BlockingPool(max_threads=1, max_waiting=0)
    with pytest.raises(ExecutionTimeoutError, match="the handler"):
        await pool.run(gate.wait, timeout_s=0.02, what="the handler")

    assert (pool.stats.running, pool.stats.abandoned) == (1, 1)
    with pytest.raises(SaturatedError, match="1 of them abandoned"):
        await pool.run(int)
    gate.set()
    await eventually(pool, running=0, abandoned=0)
    assert await pool.run(int) == 0
    pool.close()


async def test_a_cancelled_caller_counts_as_having_given_up(gate: threading.Event) -> None:
    pool = BlockingPool(max_threads=1)
    call = asyncio.create_task(pool.run(gate.wait))
    await eventually(pool, running=1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert pool.stats.abandoned == 1


async def test_work_that_did_not_start_in_time_never_starts(gate: threading.Event) -> None:
    pool = BlockingPool(max_threads=1, max_waiting=5)
    first = asyncio.create_task(pool.run(gate.wait))
    await eventually(pool, running=1)
    late: list[int] = []
    with pytest.raises(ExecutionTimeoutError):
        await pool.run(late.append, 1, timeout_s=0.01)

    assert pool.stats.waiting == 0
    gate.set()
    await first
    await pool.run(int)
    assert late == []
    pool.close()


async def test_giving_up_on_queued_work_makes_room(gate: threading.Event) -> None:
    pool = BlockingPool(max_threads=1, max_waiting=1)
    first = asyncio.create_task(pool.run(gate.wait))
    await eventually(pool, running=1)
    for _ in range(3):
        with pytest.raises(ExecutionTimeoutError):
            await pool.run(int, timeout_s=0.005)

    assert pool.stats.waiting == 0
    gate.set()
    await first
    pool.close()


async def test_never_more_threads_than_allowed() -> None:
    pool = BlockingPool(max_threads=3)
    running = 0
    most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    await asyncio.gather(*(pool.run(work) for _ in range(200)))

    assert most <= 3
    assert pool.stats.threads <= 3
    pool.close()


async def test_threads_are_made_when_needed_only() -> None:
    pool = BlockingPool(max_threads=8)
    assert pool.stats.threads == 0
    for _ in range(20):
        await pool.run(int)
        await eventually(pool, running=0)

    assert pool.stats.threads <= 2
    pool.close()


async def test_closing_tells_those_who_wait_and_those_who_come(gate: threading.Event) -> None:
    pool = BlockingPool(max_threads=1)
    calls = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
    await eventually(pool, running=1, waiting=1)
    pool.close()

    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [BridgeClosedError] * 2
    with pytest.raises(BridgeClosedError):
        await pool.run(int)
    gate.set()
    await eventually(pool, threads=0)


async def test_closing_twice_and_giving_up_afterwards_is_harmless(gate: threading.Event) -> None:
    pool = BlockingPool(max_threads=1)
    calls = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
    await eventually(pool, running=1, waiting=1)
    pool.close()
    pool.close()
    for call in calls:
        call.cancel()

    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {BridgeClosedError, asyncio.CancelledError}


def test_one_pool_serves_one_event_loop_after_the_other() -> None:
    pool = BlockingPool(max_threads=1)

    assert [asyncio.run(pool.run(int, text)) for text in ("1", "2")] == [1, 2]
    pool.close()


def test_a_result_for_a_closed_loop_is_dropped() -> None:
    pool = BlockingPool(max_threads=1)
    gate = threading.Event()

    async def leave() -> None:
        with pytest.raises(ExecutionTimeoutError):
            await pool.run(gate.wait, timeout_s=0.01)

    asyncio.run(leave())
    gate.set()

    assert asyncio.run(pool.run(int, "3")) == 3
    pool.close()


async def test_a_system_without_more_threads_is_a_full_pool(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = BlockingPool(max_threads=4)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(SaturatedError):
            await pool.run(int)
    assert (pool.stats.threads, pool.stats.waiting) == (0, 0)

    first = asyncio.create_task(pool.run(gate.wait))
    await eventually(pool, running=1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        second = asyncio.create_task(pool.run(int))
        await asyncio.sleep(0)
    gate.set()
    assert await second == 0, "the thread that exists did it"
    await first
    pool.close()


STUCK = """
import asyncio, threading
from stratarouter_runtime.errors import ExecutionTimeoutError
from stratarouter_runtime.execution.pool import BlockingPool

async def main():
    pool = BlockingPool()
    try:
        await pool.run(threading.Event().wait, timeout_s=0.01)
    except ExecutionTimeoutError:
        print("gave up")

asyncio.run(main())
"""


def test_a_stuck_thread_does_not_keep_the_process_alive() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=30, check=True
    )

    assert answer.stdout == "gave up\n"
    assert answer.stderr == ""
