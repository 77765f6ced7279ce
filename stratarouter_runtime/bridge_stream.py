"""What the bridge hands to readers of an answer that is still being made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from stratarouter_runtime.errors import BridgeClosedError
from stratarouter_runtime.stream_events import ExecutionFinished

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from stratarouter_runtime.stream_events import ExecutionEvent
    from stratarouter_runtime.types import ExecutionResult

__all__ = ["ExecutionStream"]


class ExecutionStream:
    """The events of one execution, for one reader.

    Nothing is read ahead of the reader. Leaving early is fine; ``async with`` or `aclose` then ends
    the upstream call at once, otherwise it ends when the stream is no longer referred to.

    Parameters
    ----------
    execution_id : str
        Unique name of the execution.
    events : AsyncGenerator
        Where the events come from.
    """

    def __init__(self, execution_id: str, events: AsyncGenerator[ExecutionEvent, None]) -> None:
        self.execution_id = execution_id
        """Unique name of the execution."""
        self._events = events
        self._result: ExecutionResult | None = None
        self._limit: asyncio.Timeout | None = None
        self._interrupted = False
        self._is_closing = False

    @property
    def result(self) -> ExecutionResult | None:
        """The outcome; None before the last event."""
        return self._result

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ExecutionEvent:
        if self._interrupted and self._result is None:
            raise BridgeClosedError("closed while a stream was being read")
        self._limit = limit = asyncio.timeout(None)
        try:
            async with limit:
                event = await anext(self._events)
        except TimeoutError as error:
            if not self._interrupted:
                raise
            raise BridgeClosedError("closed while a stream was being read") from error
        finally:
            self._limit = None
        if isinstance(event, ExecutionFinished):
            self._result = event.result
        return event

    async def aclose(self) -> None:
        """End the execution, and the upstream call with it."""
        self._is_closing = True
        await self._events.aclose()

    async def interrupt(self) -> None:
        """End it from outside: the reader gets `BridgeClosedError`."""
        self._interrupted = True
        if self._limit is not None:
            # The reader waits inside, and only its own task can be where the call ends.
            self._limit.reschedule(asyncio.get_running_loop().time())
        elif not self._is_closing:
            await self.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
