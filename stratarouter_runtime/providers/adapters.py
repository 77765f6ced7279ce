"""Making a whole client of one that can only complete."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.provider_errors import ProviderTimeoutError, UnsupportedOperationError
from stratarouter_runtime.provider_protocol import Capabilities
from stratarouter_runtime.providers.base import complete
from stratarouter_runtime.stream_events import (
    Finish,
    StreamStart,
    StreamWarning,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from stratarouter_runtime.conversation import Completion, CompletionRequest
    from stratarouter_runtime.embeddings import EmbeddingAnswer, EmbeddingRequest
    from stratarouter_runtime.protocols import LLMClient
    from stratarouter_runtime.provider_protocol import EventStream, ModelClient
    from stratarouter_runtime.stream_events import StreamEvent

__all__ = ["SimpleClient", "completion_events", "model_client"]

_METHODS = ("capabilities", "complete", "stream", "embed", "aclose")


class SimpleClient:
    """A `ModelClient` over an object with ``async def complete(request)``.

    Its ``stream``, ``embed`` and ``capabilities`` are used if it has them; otherwise a stream has
    the whole answer in one piece, there are no embeddings, and the object gets everything that it
    is asked for.

    Parameters
    ----------
    client : LLMClient
        The object; closing it stays its owner's business.
    name : str
        Name of the provider.
    """

    def __init__(self, client: LLMClient, name: str) -> None:
        self._client = client
        # Of these, only the methods that are there are called.
        self._whole = cast("ModelClient", client)
        self._name = name

    @property
    def name(self) -> str:
        """Name of the provider."""
        return self._name

    def capabilities(self, model: str | None = None) -> Capabilities:
        """Return what can be carried over.

        Parameters
        ----------
        model : str, optional
            A model.

        Returns
        -------
        Capabilities
            What the object says; otherwise everything that a conversation may hold.
        """
        if self._has("capabilities"):
            return self._whole.capabilities(model)
        return Capabilities(
            streaming=self._has("stream"),
            embeddings=self._has("embed"),
            images=True,
            tools=True,
            tool_choice=True,
            json=True,
            json_schema=True,
        )

    async def complete(
        self, request: CompletionRequest, *, timeout_s: float | None = None
    ) -> Completion:
        """Answer a conversation.

        Parameters
        ----------
        request : CompletionRequest
            The conversation.
        timeout_s : float, seconds, > 0, optional
            Longest time.

        Returns
        -------
        Completion
            What the object answered.

        Raises
        ------
        ProviderError
            If it raised, cancelled itself, took too long or returned something else.
        """
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                return await complete(self._client, self._name, request)
        except TimeoutError as error:
            if timeout_s is None or not limit.expired():
                raise
            raise ProviderTimeoutError(self._name, timeout_s, model=request.model) from error

    def stream(self, request: CompletionRequest, *, timeout_s: float | None = None) -> EventStream:
        """Answer a conversation piece by piece, or in one.

        Parameters
        ----------
        request : CompletionRequest
            The conversation.
        timeout_s : float, seconds, > 0, optional
            Longest time.

        Returns
        -------
        EventStream
            The answer as events.
        """
        if self._has("stream"):
            return self._whole.stream(request, timeout_s=timeout_s)
        return self._in_one_piece(request, timeout_s)

    async def embed(
        self, request: EmbeddingRequest, *, timeout_s: float | None = None
    ) -> EmbeddingAnswer:
        """Embed texts, if the object can.

        Parameters
        ----------
        request : EmbeddingRequest
            The texts.
        timeout_s : float, seconds, > 0, optional
            Longest time.

        Returns
        -------
        EmbeddingAnswer
            What the object answered.

        Raises
        ------
        UnsupportedOperationError
            If it has no ``embed``.
        """
        if not self._has("embed"):
            raise UnsupportedOperationError(self._name, "embeddings")
        return await self._whole.embed(request, timeout_s=timeout_s)

    async def aclose(self) -> None:
        """Do nothing: who made the object closes it."""

    def _has(self, method: str) -> bool:
        return callable(getattr(self._client, method, None))

    async def _in_one_piece(
        self, request: CompletionRequest, timeout_s: float | None
    ) -> AsyncGenerator[StreamEvent, None]:
        answer = await self.complete(request, timeout_s=timeout_s)
        for event in completion_events(answer):
            yield event


def model_client(client: object, name: str | None = None) -> ModelClient:
    """Return a whole client.

    Parameters
    ----------
    client : ModelClient or LLMClient
        A client that is whole already, which is returned as it is, or one with a ``complete``.
    name : str, optional
        Name of the provider; None takes the client's own ``name``, or that of its class.

    Returns
    -------
    ModelClient
        The client.

    Raises
    ------
    InvalidInputError
        If it has no ``complete``.

    Examples
    --------
    >>> from stratarouter_runtime.providers.scripted import EchoClient
    >>> model_client(EchoClient()).capabilities().embeddings
    False
    """
    if isinstance(client, type) or not callable(getattr(client, "complete", None)):
        raise InvalidInputError(
            f"a client needs 'async def complete(self, request) -> Completion', got {client!r}"
        )
    own = getattr(client, "name", None)
    has_name = isinstance(own, str) and bool(own)
    if has_name and all(callable(getattr(client, method, None)) for method in _METHODS):
        return cast("ModelClient", client)
    if name is None:
        name = str(own) if has_name else type(client).__name__
    return SimpleClient(cast("LLMClient", client), name)


def completion_events(answer: Completion) -> Iterator[StreamEvent]:
    """Yield a finished answer as the events of a stream.

    Parameters
    ----------
    answer : Completion
        The answer.

    Yields
    ------
    StreamEvent
        Events that make up the same answer.
    """
    yield StreamStart(model=answer.model, provider=answer.provider, request_id=answer.request_id)
    for warning in answer.warnings:
        yield StreamWarning(warning)
    if answer.content:
        yield TextDelta(answer.content)
    for index, call in enumerate(answer.tool_calls):
        yield ToolCallDelta(index=index, id=call.id, name=call.name, arguments=call.arguments)
    yield UsageDelta(answer.usage, answer.cost_usd)
    yield Finish(answer.finish_reason)
