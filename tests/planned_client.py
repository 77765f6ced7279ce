"""A client whose every call is planned, and which knows what is still open."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter_runtime.conversation import Completion, Usage
from stratarouter_runtime.embeddings import EmbeddingAnswer
from stratarouter_runtime.provider_errors import UnsupportedOperationError
from stratarouter_runtime.provider_protocol import Capabilities
from stratarouter_runtime.stream_events import Finish, StreamStart, TextDelta, UsageDelta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from stratarouter_runtime.conversation import CompletionRequest
    from stratarouter_runtime.embeddings import EmbeddingRequest
    from stratarouter_runtime.stream_events import StreamEvent

__all__ = ["HANG_S", "USAGE", "PlannedClient", "answer", "events"]

HANG_S = 1e6
USAGE = Usage(input_tokens=10, output_tokens=5)


def answer(text: str = "yes", **fields: Any) -> Completion:
    """Return a completion that used 10 and 5 tokens."""
    return Completion(content=text, usage=fields.pop("usage", USAGE), **fields)


def events(*texts: str, usage: Usage | None = USAGE) -> list[StreamEvent]:
    """Return the events of a whole stream."""
    known = [] if usage is None else [UsageDelta(usage)]
    return [StreamStart(), *map(TextDelta, texts), *known, Finish()]


class PlannedClient:
    """Follows a plan, one entry for each call; the last is repeated for ever.

    Parameters
    ----------
    *plan : object
        A number waits so many seconds first; an exception is raised; a text or a completion is the
        answer; a list holds these and events, one after the other.
    default_model : str, optional
        Its own model.
    embeddings : bool
        Whether it has embeddings.
    closing_s : float, seconds, >= 0
        How long it takes to close a stream.
    """

    name = "planned"

    def __init__(
        self,
        *plan: Any,
        default_model: str | None = None,
        embeddings: bool = True,
        closing_s: float | None = None,
    ) -> None:
        self._plan = deque(plan or ["yes"])
        self._capabilities = Capabilities(
            embeddings=embeddings, default_model=default_model, max_output_tokens=100
        )
        self._closing_s = closing_s
        self.calls = 0
        self.open = 0
        self.read = 0
        self.models: list[str | None] = []
        self.limits: list[float | None] = []
        self.closed = 0

    def capabilities(self, model: str | None = None) -> Capabilities:
        return self._capabilities

    async def complete(
        self, request: CompletionRequest, *, timeout_s: float | None = None
    ) -> Completion:
        self._begin(request.model, timeout_s)
        try:
            found = await self._follow(self._next())
        finally:
            self.open -= 1
        return answer(found, model=request.model) if isinstance(found, str) else found

    async def stream(
        self, request: CompletionRequest, *, timeout_s: float | None = None
    ) -> AsyncGenerator[StreamEvent, None]:
        self._begin(request.model, timeout_s)
        try:
            entry = self._next()
            steps = entry if isinstance(entry, list) else [entry]
            for step in steps:
                event = await self._follow(step)
                self.read += 1
                if isinstance(event, str):
                    for piece in events(event):
                        yield piece
                elif event is not None:
                    yield event
        finally:
            self.open -= 1
            if self._closing_s is not None:
                await asyncio.sleep(self._closing_s)

    async def embed(
        self, request: EmbeddingRequest, *, timeout_s: float | None = None
    ) -> EmbeddingAnswer:
        if not self._capabilities.embeddings:
            raise UnsupportedOperationError(self.name, "embeddings")
        self._begin(request.model, timeout_s)
        try:
            await self._follow(self._next())
        finally:
            self.open -= 1
        vectors = np.ones((len(request.texts), 3), dtype=np.float32)
        return EmbeddingAnswer(vectors=vectors, model=request.model, usage=Usage(input_tokens=10))

    async def aclose(self) -> None:
        self.closed += 1

    def _begin(self, model: str | None, timeout_s: float | None) -> None:
        self.calls += 1
        self.open += 1
        self.models.append(model)
        self.limits.append(timeout_s)

    def _next(self) -> Any:
        return self._plan.popleft() if len(self._plan) > 1 else self._plan[0]

    async def _follow(self, entry: Any) -> Any:
        steps: Iterable[Any] = entry if isinstance(entry, list) else [entry]
        found: Any = None
        for step in steps:
            await asyncio.sleep(step if isinstance(step, (int, float)) else 0)
            if isinstance(step, BaseException):
                raise step
            found = None if isinstance(step, (int, float)) else step
        return found
