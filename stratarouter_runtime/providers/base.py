"""Calling a client so that only our errors come out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from stratarouter.errors import StrataError
from stratarouter_runtime.conversation import Completion
from stratarouter_runtime.embeddings import EmbeddingAnswer
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.provider_errors import InvalidAnswerError
from stratarouter_runtime.stream_events import StreamEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from stratarouter_runtime.conversation import CompletionRequest
    from stratarouter_runtime.embeddings import EmbeddingRequest
    from stratarouter_runtime.protocols import LLMClient
    from stratarouter_runtime.provider_protocol import ModelClient

__all__ = ["complete", "complete_within", "embed_within", "events_within"]

T = TypeVar("T")

_END = object()


async def complete(client: LLMClient, provider: str, request: CompletionRequest) -> Completion:
    """Ask any client, however simple.

    Parameters
    ----------
    client : LLMClient
        Whom to ask.
    provider : str
        Its name in errors.
    request : CompletionRequest
        What to ask.

    Returns
    -------
    Completion
        The answer.

    Raises
    ------
    ProviderError
        If the client raised, cancelled itself, or returned something else.
    StrataError
        If the client raised one itself.
    """
    return _checked(provider, await _called(provider, lambda: client.complete(request)), Completion)


async def complete_within(
    client: ModelClient, provider: str, request: CompletionRequest, timeout_s: float | None
) -> Completion:
    """Ask a client, for so long.

    Parameters
    ----------
    client : ModelClient
        Whom to ask.
    provider : str
        Its name in errors.
    request : CompletionRequest
        What to ask.
    timeout_s : float, seconds, > 0, or None
        Longest time; the client keeps it itself.

    Returns
    -------
    Completion
        The answer.

    Raises
    ------
    StrataError
        As `complete`.
    """
    answer = await _called(provider, lambda: client.complete(request, timeout_s=timeout_s))
    return _checked(provider, answer, Completion)


async def embed_within(
    client: ModelClient, provider: str, request: EmbeddingRequest, timeout_s: float | None
) -> EmbeddingAnswer:
    """Ask a client for embeddings, for so long.

    Parameters
    ----------
    client : ModelClient
        Whom to ask.
    provider : str
        Its name in errors.
    request : EmbeddingRequest
        What to ask.
    timeout_s : float, seconds, > 0, or None
        Longest time; the client keeps it itself.

    Returns
    -------
    EmbeddingAnswer
        The answer.

    Raises
    ------
    InvalidAnswerError
        If the number of rows is not that of the texts.
    StrataError
        As `complete`.
    """
    answer = _checked(
        provider,
        await _called(provider, lambda: client.embed(request, timeout_s=timeout_s)),
        EmbeddingAnswer,
    )
    shape = answer.vectors.shape
    if len(shape) != 2 or shape[0] != len(request.texts):
        raise InvalidAnswerError(
            provider,
            f"expected {len(request.texts)} embeddings, got an array of shape {shape}",
            model=answer.model,
            request_id=answer.request_id,
        )
    return answer


async def events_within(
    client: ModelClient, provider: str, request: CompletionRequest, timeout_s: float | None
) -> AsyncGenerator[StreamEvent, None]:
    """Ask a client for a stream, for so long; whoever stops reading ends the upstream call.

    Parameters
    ----------
    client : ModelClient
        Whom to ask.
    provider : str
        Its name in errors.
    request : CompletionRequest
        What to ask.
    timeout_s : float, seconds, > 0, or None
        Longest time; the client keeps it itself.

    Yields
    ------
    StreamEvent
        The events, as they are.

    Raises
    ------
    StrataError
        As `complete`.
    """
    stream = client.stream(request, timeout_s=timeout_s)
    try:
        while True:
            event = await _called(provider, lambda: anext(stream, _END))
            if event is _END:
                return
            if not isinstance(event, StreamEvent):
                raise InvalidAnswerError(
                    provider, f"expected a stream event, got a {type(event).__name__}"
                )
            yield event
    finally:
        # A plain iterator, which a simple client may have, has nothing to close.
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


def _checked(provider: str, answer: object, kind: type[T]) -> T:
    if not isinstance(answer, kind):
        raise ProviderError(provider, f"expected a {kind.__name__}, got a {type(answer).__name__}")
    return answer


async def _called(provider: str, call: Callable[[], Awaitable[object]]) -> object:
    try:
        return await call()
    except StrataError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Nobody cancelled this task, so the client did it to itself.
        raise ProviderError(provider, "the call cancelled itself") from error
    except (Exception, SystemExit) as error:
        raise ProviderError(provider, f"{type(error).__name__}: {error}") from error
