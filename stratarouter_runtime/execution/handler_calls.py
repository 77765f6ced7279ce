"""Calling handlers for an engine: in time, and again only if they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter_runtime.errors import HandlerError
from stratarouter_runtime.execution.pool import BlockingPool
from stratarouter_runtime.execution.repeating import repeat
from stratarouter_runtime.execution.supervision import Supervisor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from stratarouter_runtime.execution.deadline import Deadline
    from stratarouter_runtime.execution.handlers import Handler
    from stratarouter_runtime.policies.backoff import Backoff
    from stratarouter_runtime.protocols import BlockingDoor, Clock

__all__ = ["HandlerCalls"]


class HandlerCalls:
    """Runs handlers under a deadline.

    Parameters
    ----------
    backoff : Backoff
        How long to wait before a repetition.
    clock : Clock
        Where the time comes from.
    sleep : callable
        Waits for seconds.
    random : callable
        Returns a random number, uniform in [0, 1).
    """

    def __init__(
        self,
        backoff: Backoff,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        self._backoff = backoff
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._door = BlockingPool()
        self._supervisor = Supervisor(clock)

    async def run(
        self,
        handler: Handler,
        query: str,
        context: Mapping[str, Any],
        deadline: Deadline,
        retries: int,
        *,
        door: BlockingDoor | None = None,
    ) -> Any:
        """Call a handler.

        Parameters
        ----------
        handler : Handler
            The handler.
        query : str
            The query.
        context : mapping
            The context.
        deadline : Deadline
            When to give up.
        retries : int, >= 0
            How often it may be called again after it raised.
        door : BlockingDoor, optional
            Where a sync handler runs; None takes threads of this object's own.

        Returns
        -------
        Any
            What it returned.

        Raises
        ------
        HandlerError
            If it raised, for the last time.
        ExecutionTimeoutError
            If the time is over.
        SaturatedError
            If it is sync and no thread is free.
        """
        failures = 0

        async def once() -> Any:
            work = handler.run(query, context, self._door if door is None else door)
            return await self._supervisor.run(work, deadline, handler.what)

        def delay_after(error: BaseException) -> float | None:
            nonlocal failures
            failures += 1
            if failures > retries or not isinstance(error, HandlerError):
                return None
            delay_s = self._backoff.delay_s(failures, self._random())
            return delay_s if delay_s < deadline.remaining_s(self._clock.now_s()) else None

        try:
            return await once()
        except HandlerError as error:
            if retries == 0:
                raise
            return await repeat(error, once, delay_after, self._sleep)

    def close(self) -> None:
        """Let the threads go."""
        self._supervisor.close()
        self._door.close()
