"""What a client of language models has to do, and how it says what it can.

The least is one coroutine function ``complete(request)``: see `protocols.LLMClient`. The runtime
makes a whole `ModelClient` of such a client through `providers.adapters.model_client`, so that
everything above sees one kind. A new provider is one new file with one class that has these
methods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from stratarouter_runtime.conversation import Completion, CompletionRequest
    from stratarouter_runtime.embeddings import EmbeddingAnswer, EmbeddingRequest
    from stratarouter_runtime.stream_events import StreamEvent

__all__ = ["Capabilities", "EventStream", "ModelClient"]

EventStream: TypeAlias = "AsyncGenerator[StreamEvent, None]"
"""Events of one answer as they arrive; its ``aclose`` ends the upstream call, if it still runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a client can carry over to its provider.

    What a request asks for beyond it becomes a warning on the answer (`policies.carrying`), but for
    whole operations, which are refused.
    """

    streaming: bool = True
    """Whether answers arrive piece by piece; otherwise a stream has one piece."""
    embeddings: bool = False
    """Whether there are embeddings at all."""
    images: bool = False
    """Whether messages may show images."""
    tools: bool = False
    """Whether the model may ask for tools."""
    tool_choice: bool = False
    """Whether it can be told which."""
    json: bool = False
    """Whether any JSON object can be asked for."""
    json_schema: bool = False
    """Whether JSON of a given form can be asked for."""
    params: frozenset[str] | None = None
    """Names of the parameters that are carried over; None: all."""
    default_model: str | None = None
    """Model of requests that name none; None if the client does not know it."""
    max_output_tokens: int = 4096
    """Longest answer of a request without a limit, for reservations, >= 1."""


class ModelClient(Protocol):
    """A provider's models behind one face.

    All methods are cancellable: when the caller is cancelled, or gives up after `timeout_s`, the
    upstream call ends and its socket is closed before control returns. They make exactly one
    upstream call, never repeat it, and raise `ProviderError` of the kind that fits
    (`stratarouter_runtime.provider_errors`), with the name of the client as provider. They do not
    know prices: `cost_usd` stays None unless the provider states it. Keys never appear in a repr,
    an error or a log.
    """

    @property
    def name(self) -> str:
        """Name of the provider, for errors and answers."""
        ...

    def capabilities(self, model: str | None = None) -> Capabilities:
        """Return what can be carried over; makes no call.

        Parameters
        ----------
        model : str, optional
            A model; None means the client's own.

        Returns
        -------
        Capabilities
            What it can; what nobody knows of a model counts as possible.
        """
        ...

    async def complete(
        self, request: CompletionRequest, *, timeout_s: float | None = None
    ) -> Completion:
        """Answer a conversation.

        Parameters
        ----------
        request : CompletionRequest
            The conversation, checked.
        timeout_s : float, seconds, > 0, optional
            Longest time for the whole call; None has no limit.

        Returns
        -------
        Completion
            The answer; its warnings name what was not carried over.

        Raises
        ------
        ProviderError
            If there is none.
        """
        ...

    def stream(self, request: CompletionRequest, *, timeout_s: float | None = None) -> EventStream:
        """Answer a conversation piece by piece.

        Nothing happens before the first event is asked for. The reader sets the pace: while nobody
        asks, nothing more is read from the provider than its buffers hold. A stream that ends
        without having said so, by a cut or by a pause, raises `ConnectionFailedError`,
        `ProviderTimeoutError` or `InvalidAnswerError` and does not end as if it were complete; the
        caller, who knows what it passed on, makes a `StreamInterruptedError` of it.

        Parameters
        ----------
        request : CompletionRequest
            The conversation, checked.
        timeout_s : float, seconds, > 0, optional
            Longest time for the whole stream, pauses of the reader included; None has no limit.

        Returns
        -------
        EventStream
            The events; at the end `Finish`, and `UsageDelta` where the provider reports its usage.
        """
        ...

    async def embed(
        self, request: EmbeddingRequest, *, timeout_s: float | None = None
    ) -> EmbeddingAnswer:
        """Embed texts.

        Parameters
        ----------
        request : EmbeddingRequest
            The texts, checked.
        timeout_s : float, seconds, > 0, optional
            Longest time for the whole call; None has no limit.

        Returns
        -------
        EmbeddingAnswer
            One row for each text, in order.

        Raises
        ------
        ProviderError
            If there is no answer.
        UnsupportedOperationError
            If the provider has no embeddings.
        """
        ...

    async def aclose(self) -> None:
        """Close connections that the client opened itself; may be called again."""
        ...
