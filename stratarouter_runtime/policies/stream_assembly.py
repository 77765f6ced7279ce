"""Putting the pieces of a stream together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stratarouter_runtime.conversation import Completion, ToolCall, Usage
from stratarouter_runtime.policies.finish_reasons import finish_reason
from stratarouter_runtime.policies.usage import estimate_usage
from stratarouter_runtime.provider_errors import InvalidAnswerError
from stratarouter_runtime.stream_events import (
    Finish,
    StreamError,
    StreamStart,
    StreamWarning,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)

if TYPE_CHECKING:
    from stratarouter.errors import StrataError
    from stratarouter_runtime.conversation import CompletionRequest, FinishReason
    from stratarouter_runtime.stream_events import StreamEvent

__all__ = ["DEFAULT_MAX_CHARACTERS", "StreamAssembler"]

DEFAULT_MAX_CHARACTERS = 16 * 2**20
"""Longest answer that is put together: no model writes as much, but a broken server may."""

_MAX_TOOL_CALLS = 1024


@dataclass(slots=True)
class _PartialCall:
    index: int
    number: int
    id: str | None = None
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class StreamAssembler:
    """Folds the events of one stream into the answer that they make up.

    Parameters
    ----------
    provider : str
        Name of the provider, for errors and for the answer.
    request : CompletionRequest, optional
        What was asked; from it the usage is estimated where the provider does not say.
    max_characters : int, >= 1
        Longest answer, text and tool calls together.

    Examples
    --------
    >>> assembler = StreamAssembler("openai")
    >>> for event in (TextDelta("Hel"), TextDelta("lo"), Finish("stop")):
    ...     assembler.feed(event)
    >>> assembler.completion().content
    'Hello'
    """

    __slots__ = (
        "_calls",
        "_characters",
        "_cost_usd",
        "_current",
        "_error",
        "_max_characters",
        "_provider",
        "_reason",
        "_request",
        "_start",
        "_text",
        "_usage",
        "_warnings",
    )

    def __init__(
        self,
        provider: str,
        request: CompletionRequest | None = None,
        *,
        max_characters: int = DEFAULT_MAX_CHARACTERS,
    ) -> None:
        self._provider = provider
        self._request = request
        self._max_characters = max_characters
        self._characters = 0
        self._text: list[str] = []
        self._calls: list[_PartialCall] = []
        self._current: dict[int, _PartialCall] = {}
        self._start = StreamStart()
        self._usage: Usage | None = None
        self._cost_usd: float | None = None
        self._reason: FinishReason | None = None
        self._error: StrataError | None = None
        self._warnings: dict[str, None] = {}

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def has_content(self) -> bool:
        """Whether anything of the answer itself has come: text, or a piece of a tool call."""
        return bool(self._text or self._calls)

    @property
    def is_finished(self) -> bool:
        """Whether the model said that it ended."""
        return self._reason is not None

    @property
    def usage(self) -> Usage | None:
        """The latest report of usage; None if there was none."""
        return self._usage

    @property
    def error(self) -> StrataError | None:
        """What the stream failed with; None if it did not."""
        return self._error

    def feed(self, event: StreamEvent) -> None:
        """Take the next event.

        Parameters
        ----------
        event : StreamEvent
            The event.

        Raises
        ------
        InvalidAnswerError
            If the answer is longer than anything a model writes.
        """
        match event:
            case TextDelta(text):
                if text:
                    self._grow(len(text))
                    self._text.append(text)
            case ToolCallDelta():
                self._grow(len(event.arguments) + len(event.name or "") + len(event.id or ""))
                self._feed_call(event)
            case UsageDelta(usage):
                self._usage = usage
                self._cost_usd = event.cost_usd
            case Finish(reason):
                self._reason = reason
            case StreamStart():
                self._start = event
            case StreamWarning(text):
                self._warnings[text] = None
            case StreamError(error):
                self._error = error
                self._reason = "error"

    def completion(self) -> Completion:
        """Return the answer as far as it has come.

        Returns
        -------
        Completion
            The answer; its finish reason is "unknown" if the model never said that it ended.

        Raises
        ------
        InvalidAnswerError
            If a tool call has no name.
        """
        text = self.text
        calls = tuple(self._finished(call) for call in sorted(self._calls, key=_by_index))
        usage = self._usage
        if usage is None:
            usage = estimate_usage(self._request, text, calls)
        start = self._start
        return Completion(
            content=text,
            tool_calls=calls,
            model=start.model,
            provider=self._provider if start.provider is None else start.provider,
            request_id=start.request_id,
            usage=usage,
            cost_usd=self._cost_usd,
            finish_reason=finish_reason(self._reason, has_tool_calls=bool(calls)),
            warnings=tuple(self._warnings),
        )

    def _grow(self, characters: int) -> None:
        self._characters += characters
        if self._characters > self._max_characters:
            raise InvalidAnswerError(
                self._provider, f"the stream exceeds {self._max_characters} characters"
            )
        if self._reason is not None:
            self._warnings["the provider went on after it had said that it ended"] = None

    def _feed_call(self, event: ToolCallDelta) -> None:
        call = self._current.get(event.index)
        # Some servers number every call 0; then a new id begins a new call.
        if call is None or (event.id and call.id and event.id != call.id):
            if len(self._calls) >= _MAX_TOOL_CALLS:
                raise InvalidAnswerError(self._provider, f"more than {_MAX_TOOL_CALLS} tool calls")
            call = _PartialCall(event.index, len(self._calls), event.id or None, event.name or "")
            self._calls.append(call)
            self._current[event.index] = call
        else:
            # Other servers repeat id and name with every piece of the arguments.
            is_repeated = bool(event.id) and event.id == call.id and event.name == call.name
            if event.name and not is_repeated:
                call.name += event.name
            call.id = call.id or event.id or None
        if event.arguments:
            call.arguments.append(event.arguments)

    def _finished(self, call: _PartialCall) -> ToolCall:
        if not call.name:
            raise InvalidAnswerError(self._provider, f"tool call {call.index} has no name")
        return ToolCall(
            id=f"call_{call.number}" if call.id is None else call.id,
            name=call.name,
            arguments="".join(call.arguments) or "{}",
        )


def _by_index(call: _PartialCall) -> int:
    return call.index
