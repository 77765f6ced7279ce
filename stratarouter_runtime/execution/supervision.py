"""Awaiting other people's coroutines under a time limit, whatever they do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from stratarouter.errors import StrataError
from stratarouter_runtime.errors import BridgeClosedError, ExecutionTimeoutError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from stratarouter_runtime.execution.deadline import Deadline
    from stratarouter_runtime.protocols import Clock

__all__ = ["Supervisor"]

T = TypeVar("T")

_GRACE_S = 0.05


class Supervisor:
    """Runs foreign coroutines as tasks, so that one that ignores its cancellation holds nobody up.

    A task that does not end soon after it was cancelled is left to itself and counted.

    Parameters
    ----------
    clock : Clock
        By which deadlines are read.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stray: set[asyncio.Task[Any]] = set()
        self._limits: set[asyncio.Timeout] = set()
        self._closed = False

    @property
    def strays(self) -> int:
        """Tasks that were cancelled and still run."""
        return len(self._stray)

    async def run(self, work: Coroutine[Any, Any, T], deadline: Deadline, what: str) -> T:
        """Await `work`.

        If the caller is cancelled, so is the work, which then has a moment to clean up.

        Parameters
        ----------
        work : coroutine
            What to await.
        deadline : Deadline
            When to give up.
        what : str
            Name of the work in error messages.

        Returns
        -------
        T
            What `work` returned.

        Raises
        ------
        ExecutionTimeoutError
            If the time is over; the work is cancelled.
        BridgeClosedError
            If the supervisor was closed meanwhile; the work is cancelled.
        Exception
            Whatever `work` raised.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        try:
            done, _ = await asyncio.wait((task,), timeout=deadline.remaining_s(self._clock.now_s()))
        except asyncio.CancelledError:
            await self._cancel(task)
            raise
        finally:
            self._tasks.discard(task)
        if not done:
            await self._cancel(task)
            raise ExecutionTimeoutError(what, deadline.timeout_s)
        if task.cancelled() and self._closed:
            raise BridgeClosedError(f"closed while {what} was under way")
        return task.result()

    async def run_here(self, work: Coroutine[Any, Any, T], deadline: Deadline, what: str) -> T:
        """Await `work` in the caller's own task, which is cheaper.

        For work that heeds its cancellation; other work holds its caller up.

        Parameters
        ----------
        work : coroutine
            What to await.
        deadline : Deadline
            When to give up.
        what : str
            Name of the work in error messages.

        Returns
        -------
        T
            What `work` returned.

        Raises
        ------
        ExecutionTimeoutError
            If the time is over.
        BridgeClosedError
            If the supervisor was closed meanwhile.
        Exception
            Whatever `work` raised.
        """
        limit = asyncio.timeout(deadline.remaining_s(self._clock.now_s()))
        self._limits.add(limit)
        try:
            async with limit:
                return await work
        except TimeoutError as error:
            if not limit.expired() or isinstance(error, StrataError):
                raise
            if self._closed:
                raise BridgeClosedError(f"closed while {what} was under way") from error
            raise ExecutionTimeoutError(what, deadline.timeout_s) from error
        finally:
            self._limits.discard(limit)

    def close(self) -> None:
        """Cancel whatever is under way; those who wait for it get `BridgeClosedError`."""
        self._closed = True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())
        for task in self._tasks:
            task.cancel()

    async def _cancel(self, task: asyncio.Task[Any]) -> None:
        self._stray.add(task)
        task.add_done_callback(self._forget)
        task.cancel()
        await asyncio.wait((task,), timeout=_GRACE_S)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._stray.discard(task)
        if not task.cancelled():
            # Reading it tells asyncio that nobody is missing this error.
            task.exception()
