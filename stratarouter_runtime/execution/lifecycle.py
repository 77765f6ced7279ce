"""From the first await to the end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from stratarouter_runtime.errors import BridgeClosedError, BridgeLoopError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

__all__ = ["Lifecycle"]

T = TypeVar("T")


class Lifecycle:
    """Counts what is under way, in one event loop at a time.

    Parameters
    ----------
    start : callable
        Called before the first entry; until it returns without an error nothing gets in.
    """

    def __init__(self, start: Callable[[], None]) -> None:
        self._start = start
        self._started = False
        self._closed = False
        self._active = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drained: asyncio.Event | None = None

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def enter(self) -> None:
        """Let one execution in; `leave` must follow.

        Raises
        ------
        BridgeClosedError
            If nothing is let in any more.
        BridgeLoopError
            If another event loop is in use and not closed.
        """
        if self._closed:
            raise BridgeClosedError("this bridge is closed; make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                raise BridgeLoopError(
                    "this bridge works in another event loop; make one bridge per event loop"
                )
            self._loop = loop
            self._active = 0
        if not self._started:
            self._start()
            self._started = True
        self._active += 1

    def leave(self) -> None:
        """Let one execution out."""
        self._active -= 1
        if self._active == 0 and self._drained is not None:
            self._drained.set()

    async def guarded(self, events: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Count a stream as under way from its first event to its end.

        Parameters
        ----------
        events : AsyncGenerator
            The stream.

        Yields
        ------
        T
            Its events.

        Raises
        ------
        BridgeClosedError
            If nothing is let in any more.
        BridgeLoopError
            If another event loop is in use and not closed.
        """
        self.enter()
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            self.leave()

    async def close(self, grace_s: float) -> None:
        """Let nothing in any more, and wait until the last is out.

        Parameters
        ----------
        grace_s : float, seconds, >= 0
            Longest wait.
        """
        self._closed = True
        if self._active == 0 or self._loop is not asyncio.get_running_loop():
            return
        if self._drained is None:
            self._drained = asyncio.Event()
        try:
            async with asyncio.timeout(grace_s):
                await self._drained.wait()
        except TimeoutError:
            return
