"""The one door by which blocking work leaves the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from stratarouter_runtime.errors import BridgeClosedError, ExecutionTimeoutError, SaturatedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BlockingPool", "PoolStats"]

T = TypeVar("T")

_Outcome: TypeAlias = tuple[Any, BaseException | None]

_IDLE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """State of a pool at one moment."""

    threads: int
    """Threads that exist."""
    running: int
    """Calls that occupy a thread."""
    abandoned: int
    """Calls among them whose caller has given up."""
    waiting: int
    """Calls that wait for a thread."""


class _Job:
    __slots__ = ("abandoned", "context", "fn", "future", "loop")

    def __init__(self, fn: Callable[[], Any], context: Context) -> None:
        self.fn = fn
        self.context = context
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[_Outcome] = self.loop.create_future()
        self.abandoned = False

    def settle(self, outcome: _Outcome) -> None:
        """Hand the outcome to the waiter; callable from any thread."""
        try:
            self.loop.call_soon_threadsafe(self._set, outcome)
        except RuntimeError:
            # The loop was closed meanwhile: nobody waits any more.
            return

    def _set(self, outcome: _Outcome) -> None:
        if not self.future.done():
            self.future.set_result(outcome)


class BlockingPool:
    """A bounded pool of daemon threads.

    A caller that gives up gets its error at once. Its call cannot be stopped: it goes on occupying
    its thread, and is counted as abandoned, until it returns. When all threads are occupied and the
    queue is full the pool says so instead of growing. The threads do not keep the process alive.

    Parameters
    ----------
    max_threads : int, >= 1
        Most threads; they are started when needed and end after ten idle seconds.
    max_waiting : int, >= 0
        Most calls that wait for a thread.

    Examples
    --------
    >>> async def main() -> int:
    ...     pool = BlockingPool(max_threads=1)
    ...     try:
    ...         return await pool.run(sum, [1, 2, 3])
    ...     finally:
    ...         pool.close()
    >>> asyncio.run(main())
    6
    """

    def __init__(self, max_threads: int = 16, max_waiting: int = 256) -> None:
        self._max_threads = max_threads
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._running: set[_Job] = set()
        self._threads = 0
        self._abandoned = 0
        self._closed = False

    @property
    def stats(self) -> PoolStats:
        """State of the pool now."""
        with self._changed:
            return PoolStats(
                threads=self._threads,
                running=len(self._running),
                abandoned=self._abandoned,
                waiting=len(self._waiting),
            )

    async def run(
        self,
        fn: Callable[..., T],
        *args: Any,
        timeout_s: float | None = None,
        what: str = "blocking work",
    ) -> T:
        """Call `fn` in a thread, in the caller's context variables, and wait for it.

        Parameters
        ----------
        fn : callable
            What to call.
        *args : Any
            Its arguments.
        timeout_s : float, seconds, >= 0, optional
            Longest wait, queueing included; None waits for ever.
        what : str
            Name of the work in error messages.

        Returns
        -------
        T
            What `fn` returned.

        Raises
        ------
        SaturatedError
            If no thread is free and the queue is full.
        ExecutionTimeoutError
            If the time is over; a call that was still queued will not be made.
        BridgeClosedError
            If the pool is closed.
        BaseException
            Whatever `fn` raised.
        """
        job = _Job(partial(fn, *args), copy_context())
        self._submit(job)
        try:
            async with asyncio.timeout(timeout_s):
                value, error = await job.future
        except TimeoutError:
            self._give_up(job)
            limit_s = 0.0 if timeout_s is None else timeout_s
            raise ExecutionTimeoutError(what, limit_s) from None
        except asyncio.CancelledError:
            self._give_up(job)
            raise
        if error is not None:
            raise error
        return cast("T", value)

    def close(self) -> None:
        """Take no more calls, and tell those who wait; running calls cannot be stopped."""
        with self._changed:
            self._closed = True
            unanswered = [*self._waiting, *self._running]
            self._waiting.clear()
            self._changed.notify_all()
        for job in unanswered:
            job.settle((None, BridgeClosedError("closed while blocking work was under way")))

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise BridgeClosedError("the pool for blocking work is closed")
            free = self._max_threads - len(self._running)
            if len(self._waiting) >= free + self._max_waiting:
                raise SaturatedError(len(self._running), len(self._waiting), self._abandoned)
            self._waiting.append(job)
            # Whoever runs nothing looks at the queue before it goes to sleep.
            if self._threads - len(self._running) >= len(self._waiting):
                self._changed.notify()
            elif self._threads < self._max_threads:
                self._start_thread(job)

    def _start_thread(self, job: _Job) -> None:
        thread = threading.Thread(target=self._work, name="stratarouter-door", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except RuntimeError as error:
            # The system has no more; threads that exist can still do it.
            self._threads -= 1
            if self._threads == 0:
                self._waiting.remove(job)
                raise SaturatedError(0, len(self._waiting), 0) from error

    def _give_up(self, job: _Job) -> None:
        with self._changed:
            if job in self._running:
                job.abandoned = True
                self._abandoned += 1
            elif job in self._waiting:
                self._waiting.remove(job)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            outcome: _Outcome
            try:
                outcome = (job.context.run(job.fn), None)
            except BaseException as error:  # noqa: BLE001 -- it is delivered to the waiter.
                outcome = (None, error)
            with self._changed:
                self._running.discard(job)
                self._abandoned -= job.abandoned
            job.settle(outcome)
            # An idle thread must not keep the last arguments and result alive.
            del job, outcome

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    self._threads -= 1
                    return None
                woken = self._changed.wait(_IDLE_S)
                if not woken and not self._waiting:
                    self._threads -= 1
                    return None
            job = self._waiting.popleft()
            self._running.add(job)
            return job
