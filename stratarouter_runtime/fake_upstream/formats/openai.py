"""The wire format of OpenAI, which Azure and most local servers speak too."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.fake_upstream.exchange import CREATED_S, Ask, Event, RequestError
from stratarouter_runtime.fake_upstream.formats.reading import (
    entries,
    last_text,
    model_of,
    natural,
    pieces,
    text_of,
    texts_of_input,
    tools_from,
)
from stratarouter_runtime.fake_upstream.formats.sse import EVENT_STREAM, frame_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratarouter_runtime.fake_upstream.exchange import Answer, Call

__all__ = ["OpenAIFormat"]

_MOST_CHOICES = 8
_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "insufficient_permissions"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
_REASON_CODES = {
    "context": "context_length_exceeded",
    "content": "content_policy_violation",
    "quota": "insufficient_quota",
}


class OpenAIFormat:
    """Chat, legacy completions and embeddings.

    Parameters
    ----------
    name : str
        "openai" or "azure"; the bodies are the same.
    """

    stream_type = EVENT_STREAM

    def __init__(self, name: str = "openai") -> None:
        self.name = name
        """Name of the format."""

    def read(self, call: Call) -> Ask:
        """Understand a request.

        Parameters
        ----------
        call : Call
            The request.

        Returns
        -------
        Ask
            What it wants.

        Raises
        ------
        RequestError
            If the body is unusable.
        """
        body = call.body
        model = model_of(body, call.model)
        if call.endpoint == "embeddings":
            return Ask(
                operation="embed",
                endpoint=call.endpoint,
                model=model,
                texts=texts_of_input(body.get("input"), "input"),
                dimension=natural(body.get("dimensions")),
                base64=body.get("encoding_format") == "base64",
            )
        if call.endpoint == "completions":
            texts = texts_of_input(body.get("prompt"), "prompt")
            messages: list[dict[str, Any]] = []
        else:
            messages = entries(body, "messages")
            texts = tuple(text_of(message.get("content")) for message in messages)
        options = body.get("stream_options")
        choices = natural(body.get("n")) or 1
        if choices > _MOST_CHOICES:
            raise RequestError(f"n must be at most {_MOST_CHOICES}")
        return Ask(
            operation="stream" if body.get("stream") is True else "complete",
            endpoint=call.endpoint,
            model=model,
            texts=texts,
            last_text=last_text(messages, texts, ("user", "tool")),
            after_tool=bool(messages) and messages[-1].get("role") == "tool",
            tools=tools_from(
                (tool.get("function") for tool in entries(body, "tools", empty=True)), "parameters"
            ),
            schema=_schema(body.get("response_format")),
            max_tokens=natural(body.get("max_completion_tokens"))
            or natural(body.get("max_tokens")),
            choices=choices,
            wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        )

    def complete(self, ask: Ask, answer: Answer) -> dict[str, Any]:
        """Word a whole answer.

        Parameters
        ----------
        ask : Ask
            The request.
        answer : Answer
            The answer.

        Returns
        -------
        dict
            The body.
        """
        legacy = ask.endpoint == "completions"
        choices = []
        for index in range(answer.choices):
            content: dict[str, Any] = {"text": answer.text}
            if not legacy:
                content = {"message": _message(answer)}
            choices.append(
                {"index": index, **content, "logprobs": None, "finish_reason": answer.finish}
            )
        body = {**_envelope(ask, answer, streamed=False), "choices": choices}
        if answer.usage is not None:
            body["usage"] = _usage(answer)
        return body

    def events(self, ask: Ask, answer: Answer) -> list[Event]:
        """Word an answer in pieces.

        Parameters
        ----------
        ask : Ask
            The request.
        answer : Answer
            The answer.

        Returns
        -------
        list of Event
            The events; choices take turns.
        """
        envelope = _envelope(ask, answer, streamed=True)
        legacy = ask.endpoint == "completions"
        numbers = range(answer.choices)

        def event(part: Any, index: int, delta: dict[str, Any], finish: str | None = None) -> Event:
            content = {"text": delta.get("content", "")} if legacy else {"delta": delta}
            choice = {"index": index, **content, "logprobs": None, "finish_reason": finish}
            return Event({**envelope, "choices": [choice]}, part)

        start = {"role": "assistant", "content": None if answer.tool_calls else ""}
        events = [] if legacy else [event("start", index, start) for index in numbers]
        for delta in _deltas(answer):
            events += [event("content", index, delta) for index in numbers]
        events += [event("finish", index, {}, answer.finish) for index in numbers]
        if ask.wants_usage and answer.usage is not None:
            events.append(Event({**envelope, "choices": [], "usage": _usage(answer)}, "usage"))
        return [*events, Event("[DONE]", "done")]

    def embed(self, ask: Ask, answer: Answer) -> dict[str, Any]:
        """Word embeddings.

        Parameters
        ----------
        ask : Ask
            The request.
        answer : Answer
            The answer.

        Returns
        -------
        dict
            The body.
        """
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _as_base64(vector) if ask.base64 else list(vector),
            }
            for index, vector in enumerate(answer.vectors)
        ]
        body: dict[str, Any] = {"object": "list", "data": data, "model": answer.model}
        if answer.usage is not None:
            usage = answer.usage
            body["usage"] = {
                "prompt_tokens": usage.input_tokens,
                "total_tokens": usage.total_tokens,
            }
        return body

    def error(self, status: int, message: str, reason: str = "") -> dict[str, Any]:
        """Word an error.

        Parameters
        ----------
        status : int
            HTTP status.
        message : str
            What is wrong.
        reason : str
            "context", "content" or "quota" where the status alone does not say it.

        Returns
        -------
        dict
            The body.
        """
        kind, code = _ERROR_TYPES.get(
            status, ("server_error" if status >= 500 else "invalid_request_error", None)
        )
        if reason == "quota":
            kind = "insufficient_quota"
        code = _REASON_CODES.get(reason, code)
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def error_event(self, status: int, message: str) -> Event:
        """Word an error within a stream.

        Parameters
        ----------
        status : int
            The HTTP status that fits.
        message : str
            What is wrong.

        Returns
        -------
        Event
            The event.
        """
        return Event(self.error(status, message), "error")

    def frame(self, event: Event) -> bytes:
        """Put an event on the wire.

        Parameters
        ----------
        event : Event
            The event.

        Returns
        -------
        bytes
            A server-sent event.
        """
        return frame_event(event)


def _schema(response_format: object) -> dict[str, Any] | None:
    if not isinstance(response_format, dict):
        return None
    if response_format.get("type") == "json_schema":
        described = response_format.get("json_schema")
        schema = described.get("schema") if isinstance(described, dict) else None
        return schema if isinstance(schema, dict) else {}
    return {} if response_format.get("type") == "json_object" else None


def _envelope(ask: Ask, answer: Answer, *, streamed: bool) -> dict[str, Any]:
    if ask.endpoint == "completions":
        prefix, kind = "cmpl", "text_completion"
    else:
        prefix, kind = "chatcmpl", "chat.completion.chunk" if streamed else "chat.completion"
    return {
        "id": f"{prefix}-{answer.number:08d}",
        "object": kind,
        "created": CREATED_S,
        "model": answer.model,
    }


def _message(answer: Answer) -> dict[str, Any]:
    if not answer.tool_calls:
        return {"role": "assistant", "content": answer.text, "refusal": None}
    calls = [
        {
            "id": f"call_{answer.number:08d}_{position}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for position, call in enumerate(answer.tool_calls)
    ]
    text = answer.text or None
    return {"role": "assistant", "content": text, "refusal": None, "tool_calls": calls}


def _deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    for piece in pieces(answer.text, answer.piece_characters):
        yield {"content": piece}
    for position, call in enumerate(answer.tool_calls):
        cut = max(1, len(call.name) // 2) if answer.split_names else len(call.name)
        first = {
            "index": position,
            "id": f"call_{answer.number:08d}_{position}",
            "type": "function",
            "function": {"name": call.name[:cut], "arguments": ""},
        }
        yield {"tool_calls": [first]}
        if call.name[cut:]:
            yield {"tool_calls": [{"index": position, "function": {"name": call.name[cut:]}}]}
        for piece in pieces(call.arguments, answer.piece_characters):
            yield {"tool_calls": [{"index": position, "function": {"arguments": piece}}]}


def _usage(answer: Answer) -> dict[str, Any]:
    usage = answer.usage
    if usage is None:
        return {}
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _as_base64(vector: tuple[float, ...]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
