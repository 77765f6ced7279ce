"""Reading one open answer in the wire format of OpenAI: all of it, or event by event."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.policies.classification import error_from_response
from stratarouter_runtime.provider_errors import (
    ConnectionFailedError,
    InvalidAnswerError,
    ProviderTimeoutError,
)
from stratarouter_runtime.providers.openai_stream import ChunkReader
from stratarouter_runtime.providers.openai_wire import DONE, decode_object
from stratarouter_runtime.providers.sse import DEFAULT_MAX_EVENT_BYTES, ServerEventParser
from stratarouter_runtime.stream_events import StreamWarning

if TYPE_CHECKING:
    from stratarouter_runtime.providers.limits import CallLimits
    from stratarouter_runtime.providers.sse import ServerEvent
    from stratarouter_runtime.providers.transport import OpenAnswer
    from stratarouter_runtime.stream_events import StreamEvent

__all__ = ["AnswerReader", "EventReader"]

_MAX_REFUSAL_BYTES = 64 * 1024
# Long enough for what is on its way already, too short to be felt.
_DRAIN_S = 0.1
_MAX_DRAINED_BYTES = 64 * 1024
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id")
_MIN_SECRET_CHARACTERS = 4


class AnswerReader:
    """Reads one answer.

    Parameters
    ----------
    answer : OpenAnswer
        The answer; closing it stays the caller's business.
    limits : CallLimits
        Time limits of the call.
    provider : str
        Name of the provider.
    model : str
        Model that was asked.
    secrets : tuple of str
        Keys, which are masked in what errors say.
    wall_s : float
        Time of day at the head of the answer, seconds since 1970 UTC.
    max_bytes : int, >= 1
        Largest body.
    """

    __slots__ = (
        "_answer",
        "_limits",
        "_max_bytes",
        "_model",
        "_provider",
        "_secrets",
        "_wall_s",
    )

    def __init__(
        self,
        answer: OpenAnswer,
        limits: CallLimits,
        *,
        provider: str,
        model: str,
        secrets: tuple[str, ...],
        wall_s: float,
        max_bytes: int,
    ) -> None:
        self._answer = answer
        self._limits = limits
        self._provider = provider
        self._model = model
        self._secrets = secrets
        self._wall_s = wall_s
        self._max_bytes = max_bytes

    @property
    def request_id(self) -> str | None:
        """The provider's name for the call, if the headers have one."""
        headers = self._answer.headers
        for name in _REQUEST_ID_HEADERS:
            value = headers.get(name)
            if value:
                return value
        return None

    @property
    def media_type(self) -> str:
        """What kind of body it says it has, "" if it does not say."""
        stated = self._answer.headers.get("content-type", "")
        return stated.partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        """Whether the body may be JSON; a few small servers do not say what it is."""
        kind = self.media_type
        return kind in {"application/json", ""} or kind.endswith("+json")

    async def require_success(self) -> None:
        """Refuse anything but a status of 200.

        Raises
        ------
        ProviderError
            The kind that fits the status and the body.
        """
        if self._answer.status == 200:
            return
        try:
            body = await self._limits.next(self._collect(_MAX_REFUSAL_BYTES))
        except ProviderError:
            # The status alone says enough.
            body = b""
        raise self.refusal(body)

    async def json_object(self) -> dict[str, Any]:
        """Read the whole body.

        Returns
        -------
        dict
            JSON data, no error.

        Raises
        ------
        InvalidAnswerError
            If it is too large, no JSON object, or not even meant to be one.
        ProviderError
            If it is an error after all, or does not come.
        """
        if not self.is_json:
            raise self.invalid(f"expected JSON, got {self.media_type!r}")
        rest = self._answer.rest()
        if rest is None:
            rest = await self._read_all()
        elif len(rest) > self._max_bytes:
            raise self._too_large()
        payload = decode_object(self._provider, rest)
        self.require_no_error(payload)
        return payload

    def require_no_error(self, payload: dict[str, Any]) -> None:
        """Refuse an error under a status of 200.

        Parameters
        ----------
        payload : dict
            The body, or one chunk of a stream.

        Raises
        ------
        ProviderError
            The kind that fits.
        """
        if payload.get("error") is not None or payload.get("object") == "error":
            raise self.refusal(msgspec.json.encode(payload))

    def refusal(self, body: bytes) -> ProviderError:
        """Return the error that a refusal means.

        Parameters
        ----------
        body : bytes
            What was said.

        Returns
        -------
        ProviderError
            The error.
        """
        for secret in self._secrets:
            if len(secret) >= _MIN_SECRET_CHARACTERS:
                body = body.replace(secret.encode(), b"***")
        return error_from_response(
            self._provider,
            self._answer.status,
            body,
            self._answer.headers,
            wall_s=self._wall_s,
            model=self._model,
            timeout_s=self._limits.longest_s,
        )

    def invalid(self, problem: str) -> InvalidAnswerError:
        """Return the error for an answer that is none.

        Parameters
        ----------
        problem : str
            What is wrong.

        Returns
        -------
        InvalidAnswerError
            The error.
        """
        return InvalidAnswerError(
            self._provider,
            problem,
            model=self._model,
            status=self._answer.status,
            request_id=self.request_id,
        )

    async def _read_all(self) -> bytes:
        stated = self._answer.headers.get("content-length", "")
        if stated.isascii() and stated.isdigit() and int(stated) > self._max_bytes:
            raise self._too_large()
        pieces: list[bytes] = []
        size = 0
        while piece := await self._limits.next(self._answer.read()):
            pieces.append(piece)
            size += len(piece)
            if size > self._max_bytes:
                raise self._too_large()
        return b"".join(pieces)

    async def _collect(self, max_bytes: int) -> bytes:
        """Read so much at most; what is longer says no more."""
        pieces: list[bytes] = []
        size = 0
        while size < max_bytes and (piece := await self._answer.read()):
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)[:max_bytes]

    def _too_large(self) -> InvalidAnswerError:
        return self.invalid(f"the answer exceeds {self._max_bytes} bytes")


class EventReader:
    """Reads one streamed answer.

    Parameters
    ----------
    answer : OpenAnswer
        The answer.
    limits : CallLimits
        Time limits of the call.
    reader : AnswerReader
        Reader of the same answer.
    provider : str
        Name of the provider.
    model : str
        Model that was asked.
    max_event_bytes : int, >= 1
        Largest event.
    warnings : tuple of str
        What is known already.
    """

    __slots__ = (
        "_answer",
        "_chunks",
        "_failure",
        "_has_begun",
        "_is_over",
        "_limits",
        "_parser",
        "_provider",
        "_reader",
    )

    def __init__(
        self,
        answer: OpenAnswer,
        limits: CallLimits,
        reader: AnswerReader,
        *,
        provider: str,
        model: str,
        max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._answer = answer
        self._limits = limits
        self._reader = reader
        self._provider = provider
        self._parser = ServerEventParser(provider, max_event_bytes=max_event_bytes)
        self._chunks = ChunkReader(provider, model, request_id=reader.request_id, warnings=warnings)
        self._failure: ProviderError | None = None
        self._has_begun = False
        self._is_over = False

    async def next(self) -> list[StreamEvent] | None:
        """Wait for the next events.

        Returns
        -------
        list of StreamEvent or None
            Events, perhaps none yet; None at the end.

        Raises
        ------
        ProviderError
            If the stream fails; what came before the failure has been returned by then.
        """
        if self._failure is not None:
            raise self._failure
        if self._is_over:
            return None
        events: list[StreamEvent] = []
        try:
            await self._advance(events)
        except ProviderError as error:
            # Where the bytes happened to be cut must not decide what is passed on.
            self._is_over = True
            if self._may_be_forgiven(error):
                events.append(
                    StreamWarning("the stream broke off after the model had said why it ended")
                )
                events += self._chunks.end()
            elif events:
                self._failure = error
            else:
                raise
        return events

    async def drain(self) -> None:
        """Let the end of the body come, so that the connection can be used again."""
        if self._answer.rest() is not None:
            return
        drained = 0
        try:
            async with asyncio.timeout(_DRAIN_S):
                while drained < _MAX_DRAINED_BYTES and (piece := await self._answer.read()):
                    drained += len(piece)
        except (TimeoutError, ProviderError):
            # Then the connection is closed.
            return

    async def _advance(self, events: list[StreamEvent]) -> None:
        self._limits.require_time()
        wait = self._limits.next if self._has_begun else self._limits.first
        piece = await wait(self._answer.read())
        self._has_begun = True
        for event in self._parser.feed(piece) if piece else self._parser.end():
            if event.data == DONE:
                break
            events += self._chunks.feed(self._payload(event))
        else:
            if piece:
                return
            if not self._chunks.is_finished:
                raise self._reader.invalid("the stream ended before the model had said so")
        self._is_over = True
        events += self._chunks.end()

    def _payload(self, event: ServerEvent) -> dict[str, Any]:
        payload = decode_object(self._provider, event.data, "an event of the stream")
        if event.name == b"error":
            raise self._reader.refusal(event.data)
        self._reader.require_no_error(payload)
        return payload

    def _may_be_forgiven(self, error: ProviderError) -> bool:
        is_broken = isinstance(error, (ConnectionFailedError, ProviderTimeoutError))
        return is_broken and self._chunks.is_finished
