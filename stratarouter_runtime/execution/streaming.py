"""Streams: exchangeable until the first piece is here, and never silently cut after it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from stratarouter.errors import StrataError
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.provider_errors import (
    InvalidAnswerError,
    ProviderTimeoutError,
    StreamInterruptedError,
)
from stratarouter_runtime.stream_events import (
    Finish,
    StreamError,
    StreamStart,
    StreamWarning,
    UsageDelta,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from stratarouter_runtime.conversation import Completion
    from stratarouter_runtime.execution.attempt import Attempt
    from stratarouter_runtime.execution.attempts import AttemptDesk
    from stratarouter_runtime.execution.operations import Bill, StreamOperation
    from stratarouter_runtime.policies.stream_assembly import StreamAssembler
    from stratarouter_runtime.provider_errors import TimeoutPhase
    from stratarouter_runtime.provider_protocol import EventStream
    from stratarouter_runtime.stream_events import StreamEvent

__all__ = ["OpenStream", "open_stream"]

_LEAST_S = 1e-3
# Events before the first piece of an answer are few, but a broken server may send any number.
_MAX_HELD = 1000


class OpenStream:
    """A stream that has begun, whose attempt is closed when it ends in whatever way.

    Parameters
    ----------
    desk : AttemptDesk
        Where the attempt is closed.
    attempt : Attempt
        The attempt, written down.
    operation : StreamOperation
        What is done.
    source : EventStream
        The client's events.
    idle_s : float, seconds, > 0
        Longest pause.
    """

    __slots__ = (
        "_assembler",
        "_attempt",
        "_desk",
        "_finish",
        "_held",
        "_idle_s",
        "_operation",
        "_source",
    )

    def __init__(
        self,
        desk: AttemptDesk,
        attempt: Attempt,
        operation: StreamOperation,
        source: EventStream,
        idle_s: float,
    ) -> None:
        self._desk = desk
        self._attempt = attempt
        self._operation = operation
        self._source = source
        self._idle_s = idle_s
        self._assembler: StreamAssembler = operation.assembler(attempt.target)
        self._held: list[StreamEvent] = []
        self._finish: Finish | None = None

    async def begin(self) -> None:
        """Read until the first piece of the answer, or its end.

        Raises
        ------
        StrataError
            If the stream fails before; nothing of it was passed on.
        """
        while not self._assembler.has_content:
            event = await self._next()
            if event is None:
                return
            if len(self._held) >= _MAX_HELD:
                raise InvalidAnswerError(
                    self._attempt.target.provider, f"{_MAX_HELD} events, and nothing of an answer"
                )
            self._held.append(event)

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Yield everything, `Finish` last; nothing is read ahead of the reader.

        Yields
        ------
        StreamEvent
            The events.

        Raises
        ------
        StreamInterruptedError
            If the stream breaks off.
        """
        try:
            for held in self._held:
                yield held
            self._held.clear()
            while (event := await self._next_in_time()) is not None:
                self._desk.emit("stream.chunk", self._attempt)
                yield event
            answer = self._assembler.completion()
            bill = self._operation.bill(self._attempt.target, answer)
        except BaseException as error:
            closing = self._interrupted(error)
            await self.abandon(error)
            if closing is error:
                raise
            raise closing from error
        # The source has ended, so there is nothing to close.
        await self._desk.answered(self._attempt, bill)
        self._desk.emit("stream.complete", self._attempt, finish_reason=answer.finish_reason)
        for event in _last_events(answer, bill):
            yield event

    async def abandon(self, error: BaseException) -> None:
        """End the upstream call, and close the attempt.

        Parameters
        ----------
        error : BaseException
            Why.
        """
        self._desk.emit(
            "stream.error",
            self._attempt,
            error=error.code if isinstance(error, StrataError) else "CANCELLED",
        )
        try:
            await self._close_source()
        finally:
            await self._desk.failed(self._attempt, error, has_content=self._assembler.has_content)

    async def _next_in_time(self) -> StreamEvent | None:
        attempt = self._attempt
        remaining_s = attempt.execution.deadline.remaining_s(self._desk.now_s())
        limit_s = max(_LEAST_S, min(self._idle_s, remaining_s))
        limit = asyncio.timeout(limit_s)
        phase: TimeoutPhase = "idle" if self._idle_s <= remaining_s else "total"
        try:
            async with limit:
                return await self._next()
        except TimeoutError as error:
            if not limit.expired() or isinstance(error, StrataError):
                raise
            target = attempt.target
            raise ProviderTimeoutError(
                target.provider, limit_s, phase, model=target.model
            ) from error

    async def _next(self) -> StreamEvent | None:
        """Return the next event but for the last one, which is held back; None at the end."""
        provider = self._attempt.target.provider
        async for event in self._source:
            if isinstance(event, StreamError):
                raise event.error
            self._assembler.feed(event)
            if isinstance(event, Finish):
                self._finish = event
                continue
            if isinstance(event, StreamStart) and event.provider is None:
                return replace(event, provider=provider)
            return event
        if self._finish is None:
            raise InvalidAnswerError(
                provider, "the stream ended without saying so", model=self._attempt.target.model
            )
        return None

    def _interrupted(self, error: BaseException) -> BaseException:
        # A part was passed on, so what the provider did is told as what it means for the reader.
        if not isinstance(error, StrataError) or isinstance(error, StreamInterruptedError):
            return error
        known = error if isinstance(error, ProviderError) else None
        target = self._attempt.target
        return StreamInterruptedError(
            target.provider,
            str(error),
            self._assembler.text,
            model=target.model,
            status=None if known is None else known.status,
            request_id=None if known is None else known.request_id,
        )

    async def _close_source(self) -> None:
        # A plain iterator, which a simple client may have, has nothing to close.
        close = getattr(self._source, "aclose", None)
        if close is not None:
            # The answer, or the reason for ending, is known by now.
            with suppress(StrataError):
                await close()


async def open_stream(
    desk: AttemptDesk,
    attempt: Attempt,
    operation: StreamOperation,
    limit_s: float,
    idle_s: float,
) -> OpenStream:
    """Begin a stream; a failure before its first piece leaves nothing open.

    Parameters
    ----------
    desk : AttemptDesk
        Where the attempt is closed.
    attempt : Attempt
        The attempt, let pass by the breaker.
    operation : StreamOperation
        What is done.
    limit_s : float, seconds, > 0
        Longest time until the first piece.
    idle_s : float, seconds, > 0
        Longest pause after it.

    Returns
    -------
    OpenStream
        The stream.

    Raises
    ------
    StrataError
        If it fails before its first piece.
    """
    target, execution = attempt.target, attempt.execution
    limit = asyncio.timeout(limit_s)
    opened: OpenStream | None = None
    try:
        async with limit:
            await desk.announce(attempt)
            whole_s = max(_LEAST_S, execution.deadline.remaining_s(desk.now_s()))
            source = operation.open(target, whole_s)
            opened = OpenStream(desk, attempt, operation, source, idle_s)
            await opened.begin()
    except BaseException as error:
        late = desk.late(target, limit_s, error, is_late=limit.expired(), phase="first_byte")
        if opened is None:
            await desk.failed(attempt, late)
        else:
            await opened.abandon(late)
        if late is error:
            raise
        raise late from error
    return opened


def _last_events(answer: Completion, bill: Bill) -> list[StreamEvent]:
    cost_usd = None if bill.cost_usd is None else float(bill.cost_usd)
    warnings = [StreamWarning(text) for text in bill.warnings]
    return [*warnings, UsageDelta(bill.usage, cost_usd), Finish(answer.finish_reason)]
