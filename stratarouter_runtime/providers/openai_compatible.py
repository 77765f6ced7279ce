"""What every client of the wire format of OpenAI does, whoever carries the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.policies.carrying import carried
from stratarouter_runtime.providers.adapters import completion_events
from stratarouter_runtime.providers.limits import CallLimits
from stratarouter_runtime.providers.openai_answers import read_completion, read_embeddings
from stratarouter_runtime.providers.openai_reading import AnswerReader, EventReader
from stratarouter_runtime.providers.openai_wire import (
    CHAT_PATH,
    EMBEDDINGS_PATH,
    chat_body,
    embedding_body,
)
from stratarouter_runtime.providers.sse import DEFAULT_MAX_EVENT_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Literal, Self

    from stratarouter_runtime.conversation import Completion, CompletionRequest
    from stratarouter_runtime.embeddings import EmbeddingAnswer, EmbeddingRequest
    from stratarouter_runtime.protocols import Clock
    from stratarouter_runtime.provider_protocol import Capabilities
    from stratarouter_runtime.providers.limits import PhaseLimits
    from stratarouter_runtime.providers.transport import OpenAnswer, Transport
    from stratarouter_runtime.stream_events import StreamEvent

__all__ = ["DEFAULT_MAX_ANSWER_BYTES", "OpenAICompatibleClient"]

DEFAULT_MAX_ANSWER_BYTES = 40 * 2**20
"""Largest answer; 2,048 embeddings of 3,072 numbers in base64 fit."""


class OpenAICompatibleClient:
    """A `ModelClient` over any way to carry the bytes; subclasses choose it.

    Parameters
    ----------
    name : str
        Name of the provider, for errors and answers.
    transport : Transport
        Carries the bytes.
    clock : Clock
        For dates in headers.
    capabilities : Capabilities
        What can be carried over, with the default model.
    phases : PhaseLimits
        Time limits of the phases of a call.
    embedding_encoding : {"float", "base64"}
        How numbers of embeddings travel.
    stream_usage : bool
        Whether streams are asked to report their usage.
    max_answer_bytes : int, >= 1
        Largest answer, and largest event of a stream.

    Raises
    ------
    InvalidInputError
        If the name is empty or `max_answer_bytes` is < 1.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        *,
        clock: Clock,
        capabilities: Capabilities,
        phases: PhaseLimits,
        embedding_encoding: Literal["float", "base64"],
        stream_usage: bool = True,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
    ) -> None:
        if not name:
            raise InvalidInputError("name is empty; name the provider")
        if max_answer_bytes < 1:
            raise InvalidInputError(f"max_answer_bytes must be >= 1, got {max_answer_bytes!r}")
        self._name = name
        self._transport = transport
        self._clock = clock
        self._capabilities = capabilities
        self._phases = phases
        self._embedding_encoding = embedding_encoding
        self._stream_usage = stream_usage
        self._max_answer_bytes = max_answer_bytes

    def __repr__(self) -> str:
        model = self._capabilities.default_model
        return f"{type(self).__name__}(name={self._name!r}, model={model!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def name(self) -> str:
        """Name of the provider."""
        return self._name

    def capabilities(self, model: str | None = None) -> Capabilities:  # noqa: ARG002 -- the protocol asks for it
        """Return what can be carried over.

        Parameters
        ----------
        model : str, optional
            A model; all of them count as equal.

        Returns
        -------
        Capabilities
            What the client was made with.
        """
        return self._capabilities

    async def complete(
        self, request: CompletionRequest, *, timeout_s: float | None = None
    ) -> Completion:
        """Answer a conversation, with exactly one upstream call.

        Parameters
        ----------
        request : CompletionRequest
            The conversation, checked.
        timeout_s : float, seconds, > 0, optional
            Longest time for the whole call; None leaves only the limits of its phases.

        Returns
        -------
        Completion
            The answer.

        Raises
        ------
        ProviderError
            If there is none.
        InvalidInputError
            If no model is named.
        """
        model = self._model(request.model)
        body, warnings = self._chat_body(request, model, stream=False)
        limits = CallLimits(self._name, model, self._phases, timeout_s)
        answer = await limits.first(self._transport.send(CHAT_PATH, body))
        try:
            reader = self._reader(answer, limits, model)
            await reader.require_success()
            payload = await reader.json_object()
        finally:
            await answer.aclose()
        return read_completion(
            payload,
            provider=self._name,
            model=model,
            request=request,
            request_id=reader.request_id,
            warnings=warnings,
        )

    async def stream(
        self, request: CompletionRequest, *, timeout_s: float | None = None
    ) -> AsyncGenerator[StreamEvent, None]:
        """Answer a conversation piece by piece, with exactly one upstream call.

        Parameters
        ----------
        request : CompletionRequest
            The conversation, checked.
        timeout_s : float, seconds, > 0, optional
            Longest time for the whole stream, pauses of the reader included.

        Yields
        ------
        StreamEvent
            The events; `Finish` is the last.

        Raises
        ------
        ProviderError
            If the stream fails or ends too early.
        InvalidInputError
            If no model is named.
        """
        model = self._model(request.model)
        body, warnings = self._chat_body(request, model, stream=True)
        limits = CallLimits(self._name, model, self._phases, timeout_s)
        answer = await limits.first(self._transport.send(CHAT_PATH, body))
        try:
            reader = self._reader(answer, limits, model)
            await reader.require_success()
            if reader.media_type not in {"text/event-stream", ""}:
                whole = await self._in_one(reader, request, model, warnings)
                for event in completion_events(whole):
                    yield event
                return
            events = EventReader(
                answer,
                limits,
                reader,
                provider=self._name,
                model=model,
                max_event_bytes=min(DEFAULT_MAX_EVENT_BYTES, self._max_answer_bytes),
                warnings=warnings,
            )
            while (some := await events.next()) is not None:
                for event in some:
                    yield event
            await events.drain()
        finally:
            await answer.aclose()

    async def embed(
        self, request: EmbeddingRequest, *, timeout_s: float | None = None
    ) -> EmbeddingAnswer:
        """Embed texts, with exactly one upstream call.

        Parameters
        ----------
        request : EmbeddingRequest
            The texts, checked.
        timeout_s : float, seconds, > 0, optional
            Longest time for the whole call.

        Returns
        -------
        EmbeddingAnswer
            One row for each text, in order.

        Raises
        ------
        ProviderError
            If there is no answer.
        InvalidInputError
            If no model is named.
        """
        model = self._model(request.model)
        body = embedding_body(request, model, self._embedding_encoding)
        limits = CallLimits(self._name, model, self._phases, timeout_s)
        answer = await limits.first(self._transport.send(EMBEDDINGS_PATH, body))
        try:
            reader = self._reader(answer, limits, model)
            await reader.require_success()
            payload = await reader.json_object()
        finally:
            await answer.aclose()
        return read_embeddings(
            payload,
            provider=self._name,
            model=model,
            request=request,
            request_id=reader.request_id,
        )

    async def aclose(self) -> None:
        """Close the connections that were opened in this event loop; may be called again.

        A later call opens new ones.
        """
        await self._transport.aclose()

    def _model(self, name: str | None) -> str:
        model = self._capabilities.default_model if name is None else name
        if model is None:
            raise InvalidInputError(
                f"provider {self._name!r} does not know which model to ask; "
                "name one in the request, or pass model= to the client"
            )
        return model

    def _chat_body(
        self, request: CompletionRequest, model: str, *, stream: bool
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        sent, left_out = carried(request, self._capabilities)
        body, more = chat_body(sent, model, stream=stream, stream_usage=self._stream_usage)
        return body, left_out + more

    def _reader(self, answer: OpenAnswer, limits: CallLimits, model: str) -> AnswerReader:
        return AnswerReader(
            answer,
            limits,
            provider=self._name,
            model=model,
            secrets=self._transport.secrets,
            wall_s=self._clock.wall_s(),
            max_bytes=self._max_answer_bytes,
        )

    async def _in_one(
        self,
        reader: AnswerReader,
        request: CompletionRequest,
        model: str,
        warnings: tuple[str, ...],
    ) -> Completion:
        """Read the answer of a server that does not stream, or its error."""
        payload = await reader.json_object()
        return read_completion(
            payload,
            provider=self._name,
            model=model,
            request=request,
            request_id=reader.request_id,
            warnings=(*warnings, "the provider does not stream; the answer came in one piece"),
        )
