"""One run for callers that want the same thing at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stratarouter_runtime.errors import BridgeClosedError, ExecutionTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

__all__ = ["SingleFlight"]

T = TypeVar("T")


class _Flight(Generic[T]):
    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiters = 0


class SingleFlight(Generic[T]):
    """Lets callers with equal keys share one run.

    A caller that is cancelled, or whose time is over, stops waiting; the run goes on for the
    others. When the last one has left the run is cancelled.

    Examples
    --------
    >>> calls: list[int] = []
    >>> async def fetch() -> str:
    ...     calls.append(1)
    ...     await asyncio.sleep(0)
    ...     return "paid on 3 March"
    >>> async def main() -> list[tuple[str, bool]]:
    ...     flights: SingleFlight[str] = SingleFlight()
    ...     return await asyncio.gather(*(flights.run("k", fetch) for _ in range(2)))
    >>> asyncio.run(main()), len(calls)
    ([('paid on 3 March', False), ('paid on 3 March', True)], 1)
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}
        # Also those that nobody waits for any more but that have not ended yet.
        self._tasks: set[asyncio.Task[T]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._flights)

    async def run(
        self,
        key: Hashable,
        start: Callable[[], Coroutine[Any, Any, T]],
        *,
        timeout_s: float | None = None,
        limit_s: float | None = None,
        what: str = "the shared execution",
    ) -> tuple[T, bool]:
        """Wait for the run of `key`, starting it if there is none.

        Parameters
        ----------
        key : hashable
            Equal keys share a run.
        start : callable
            Makes the coroutine to run; called in the caller's context, if at all.
        timeout_s : float, seconds, >= 0, optional
            Longest wait of this caller; None waits for ever.
        limit_s : float, seconds, > 0, optional
            The limit to name in the error; None names `timeout_s`.
        what : str
            Name of the run in error messages.

        Returns
        -------
        result : T
            What the run returned; the same object for all callers.
        shared : bool
            Whether the run was under way already.

        Raises
        ------
        ExecutionTimeoutError
            If this caller waited too long.
        BridgeClosedError
            If `close` was called before or meanwhile.
        Exception
            Whatever the run raised; every waiting caller gets it.
        """
        if self._closed:
            raise BridgeClosedError(f"closed before {what} began")
        flight = self._flights.get(key)
        shared = flight is not None
        if flight is None:
            flight = self._launch(key, start)
        flight.waiters += 1
        try:
            await asyncio.wait((flight.task,), timeout=timeout_s)
        finally:
            flight.waiters -= 1
            if flight.waiters == 0 and not flight.task.done():
                self._drop(key, flight)
                flight.task.cancel()
        if not flight.task.done():
            limit = timeout_s if limit_s is None else limit_s
            raise ExecutionTimeoutError(what, 0.0 if limit is None else limit)
        if flight.task.cancelled() and self._closed:
            raise BridgeClosedError(f"closed while {what} was under way")
        return flight.task.result(), shared

    def close(self) -> None:
        """Cancel all runs; their callers get `BridgeClosedError`."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    def _launch(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        flight = _Flight(asyncio.create_task(start()))
        self._flights[key] = flight
        self._tasks.add(flight.task)

        def end(task: asyncio.Task[T]) -> None:
            self._tasks.discard(task)
            self._drop(key, flight)
            if not task.cancelled():
                # Reading it tells asyncio that nobody is missing this error.
                task.exception()

        flight.task.add_done_callback(end)
        return flight

    def _drop(self, key: Hashable, flight: _Flight[T]) -> None:
        # By then another run may have begun under the same key.
        if self._flights.get(key) is flight:
            del self._flights[key]
