"""Streamed answers in the wire format of OpenAI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stratarouter_runtime.policies.finish_reasons import finish_reason
from stratarouter_runtime.provider_errors import InvalidAnswerError
from stratarouter_runtime.providers.openai_answers import (
    MORE_CHOICES_WARNING,
    REFUSAL_WARNING,
    USAGE_WARNING,
    left_out,
)
from stratarouter_runtime.providers.openai_wire import read_text, read_usage
from stratarouter_runtime.stream_events import (
    Finish,
    StreamStart,
    StreamWarning,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)

if TYPE_CHECKING:
    from stratarouter_runtime.conversation import FinishReason, Usage
    from stratarouter_runtime.stream_events import StreamEvent

__all__ = ["ChunkReader"]


class ChunkReader:
    """Makes events of the chunks of one stream.

    Chunks bear no numbers, so one that comes twice or too late cannot be told from one that is
    meant. `Finish` is held back until the end, because usage and, from some servers, more text
    follow the chunk that says why the answer ends.

    Parameters
    ----------
    provider : str
        Name of the provider.
    model : str
        Model that was asked.
    request_id : str, optional
        The provider's name for the call, from the headers.
    warnings : tuple of str
        What is known already; said after the start.

    Examples
    --------
    >>> reader = ChunkReader("p", "m")
    >>> events = reader.feed({"id": "1", "choices": [{"index": 0, "delta": {"content": "Hi"}}]})
    >>> events[1]
    TextDelta(text='Hi')
    """

    __slots__ = (
        "_has_refusal",
        "_is_started",
        "_latest_call",
        "_model",
        "_provider",
        "_request_id",
        "_said",
        "_usage",
        "_warned",
        "_warnings",
        "_word",
    )

    def __init__(
        self,
        provider: str,
        model: str,
        *,
        request_id: str | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._provider = provider
        self._model = model
        self._request_id = request_id
        self._is_started = False
        self._said = False
        self._has_refusal = False
        self._latest_call = -1
        self._word: object = None
        self._usage: Usage | None = None
        self._warned: set[str] = set()
        self._warnings = warnings

    @property
    def is_finished(self) -> bool:
        """Whether the model has said why it ended."""
        return self._word is not None

    def feed(self, payload: dict[str, Any]) -> list[StreamEvent]:
        """Take the next chunk.

        Parameters
        ----------
        payload : dict
            The chunk; no error.

        Returns
        -------
        list of StreamEvent
            What it says.

        Raises
        ------
        InvalidAnswerError
            If it is malformed.
        """
        events: list[StreamEvent] = []
        if not self._is_started:
            events.append(self._start(payload))
            for text in self._warnings:
                self._warn(text, events)
        choices = payload.get("choices")
        if choices is not None:
            if not isinstance(choices, list):
                raise self._invalid("choices is no list")
            for choice in choices:
                self._feed_choice(choice, events)
        report = payload.get("usage")
        if report is not None:
            self._feed_usage(report, events)
        return events

    def end(self) -> list[StreamEvent]:
        """Say that the stream has ended in good order.

        Returns
        -------
        list of StreamEvent
            The last events.

        Raises
        ------
        InvalidAnswerError
            If there was no answer in it at all.
        """
        if not self._said:
            raise self._invalid("the stream held no answer")
        events: list[StreamEvent] = []
        if self._word is None:
            self._warn("the provider did not say why the answer ended", events)
        events.append(Finish(self._reason()))
        return events

    def _reason(self) -> FinishReason:
        if self._has_refusal:
            return "content_filter"
        return finish_reason(self._word, has_tool_calls=self._latest_call >= 0)

    def _start(self, payload: dict[str, Any]) -> StreamStart:
        self._is_started = True
        model, name = payload.get("model"), payload.get("id")
        if self._request_id is None and isinstance(name, str) and name:
            self._request_id = name
        return StreamStart(
            model=model if isinstance(model, str) and model else self._model,
            provider=self._provider,
            request_id=self._request_id,
        )

    def _feed_choice(self, choice: object, events: list[StreamEvent]) -> None:
        if not isinstance(choice, dict):
            raise self._invalid("a choice is no object")
        if choice.get("index") not in (0, None):
            self._warn(MORE_CHOICES_WARNING, events)
            return
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._said = True
            self._feed_delta(choice, delta, events)
        elif delta is not None:
            raise self._invalid("a delta is no object")
        word = choice.get("finish_reason")
        if word is not None:
            self._said = True
            self._word = word

    def _feed_delta(
        self, choice: dict[str, Any], delta: dict[str, Any], events: list[StreamEvent]
    ) -> None:
        content = delta.get("content")
        if content:
            text, is_whole = read_text(self._provider, content)
            if text:
                self._go_on(events)
                events.append(TextDelta(text))
            if not is_whole:
                self._warn("parts of the answer that are no text were left out", events)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self._has_refusal = True
            self._warn(REFUSAL_WARNING, events)
            events.append(TextDelta(refusal))
        calls = delta.get("tool_calls")
        if calls is not None:
            if not isinstance(calls, list):
                raise self._invalid("tool_calls is no list")
            for entry in calls:
                self._go_on(events)
                events.append(self._call(entry))
        for text in left_out(choice, delta):
            self._warn(text, events)

    def _call(self, entry: object) -> ToolCallDelta:
        if not isinstance(entry, dict):
            raise self._invalid("a tool call is no object")
        function = entry.get("function")
        if function is None:
            function = {}
        elif not isinstance(function, dict):
            raise self._invalid("the function of a tool call is no object")
        name, call_id = function.get("name"), entry.get("id")
        return ToolCallDelta(
            index=self._index(entry.get("index"), is_new=bool(call_id)),
            id=call_id if isinstance(call_id, str) and call_id else None,
            name=name if isinstance(name, str) and name else None,
            arguments=self._arguments(function.get("arguments")),
        )

    def _index(self, index: object, *, is_new: bool) -> int:
        if type(index) is not int:
            # Servers that send each call whole leave the number out.
            index = self._latest_call + 1 if is_new else max(self._latest_call, 0)
        if index < 0:
            raise self._invalid("a tool call has a negative index")
        self._latest_call = max(self._latest_call, index)
        return index

    def _arguments(self, arguments: object) -> str:
        if arguments is None:
            return ""
        if isinstance(arguments, dict):
            return msgspec.json.encode(arguments).decode()
        if not isinstance(arguments, str):
            raise self._invalid("the arguments of a tool call are no text")
        return arguments

    def _feed_usage(self, report: object, events: list[StreamEvent]) -> None:
        usage = read_usage(report)
        if usage is None:
            self._warn(USAGE_WARNING, events)
        elif usage != self._usage:
            self._usage = usage
            events.append(UsageDelta(usage))

    def _go_on(self, events: list[StreamEvent]) -> None:
        if self._word is not None:
            self._warn("the provider went on after it had said why it ended", events)

    def _warn(self, text: str, events: list[StreamEvent]) -> None:
        if text not in self._warned:
            self._warned.add(text)
            events.append(StreamWarning(text))

    def _invalid(self, problem: str) -> InvalidAnswerError:
        return InvalidAnswerError(self._provider, problem, model=self._model)
