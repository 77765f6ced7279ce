"""The wire format of Anthropic's messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.fake_upstream.exchange import Ask, Event, RequestError
from stratarouter_runtime.fake_upstream.formats.reading import (
    entries,
    last_text,
    model_of,
    natural,
    pieces,
    text_of,
    tools_from,
)
from stratarouter_runtime.fake_upstream.formats.sse import EVENT_STREAM, frame_event

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.exchange import Answer, Call, Part

__all__ = ["AnthropicFormat"]

_FINISH = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicFormat:
    """Messages, whole and streamed; there are no embeddings."""

    name = "anthropic"
    stream_type = EVENT_STREAM

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
            If the body is unusable; unlike elsewhere, max_tokens has to be given.
        """
        body = call.body
        model = model_of(body, call.model)
        messages = entries(body, "messages")
        max_tokens = natural(body.get("max_tokens"))
        if max_tokens is None:
            raise RequestError("max_tokens: Field required")
        texts = [text_of(message.get("content")) for message in messages]
        system = text_of(body.get("system"))
        return Ask(
            operation="stream" if body.get("stream") is True else "complete",
            endpoint=call.endpoint,
            model=model,
            texts=(*([system] if system else []), *texts),
            last_text=last_text(messages, texts, ("user",)),
            after_tool=_is_tool_result(messages[-1].get("content")),
            tools=tools_from(entries(body, "tools", empty=True), "input_schema"),
            max_tokens=max_tokens,
            wants_usage=True,
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
        del ask
        content: list[dict[str, Any]] = []
        if answer.text or not answer.tool_calls:
            content.append({"type": "text", "text": answer.text})
        content += [
            {**_tool_block(answer, position), "input": json.loads(call.arguments)}
            for position, call in enumerate(answer.tool_calls)
        ]
        return _message(answer, content, _finish(answer), _usage(answer))

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
            The start, the blocks of content, the usage, the stop.
        """
        del ask
        usage = _usage(answer)
        begun = None if usage is None else {**usage, "output_tokens": 1}
        events = [_event("start", "message_start", message=_message(answer, [], None, begun))]
        blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        if answer.text or not answer.tool_calls:
            said = pieces(answer.text, answer.piece_characters)
            deltas = [{"type": "text_delta", "text": piece} for piece in said]
            blocks.append(({"type": "text", "text": ""}, deltas))
        for position, call in enumerate(answer.tool_calls):
            said = pieces(call.arguments, answer.piece_characters)
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in said]
            blocks.append(({**_tool_block(answer, position), "input": {}}, deltas))
        for index, (block, deltas) in enumerate(blocks):
            opened = _event("frame", "content_block_start", index=index, content_block=block)
            events.append(opened)
            events += [
                _event("content", "content_block_delta", index=index, delta=delta)
                for delta in deltas
            ]
            events.append(_event("frame", "content_block_stop", index=index))
        ended: dict[str, Any] = {"delta": {"stop_reason": _finish(answer), "stop_sequence": None}}
        if usage is not None:
            ended["usage"] = {"output_tokens": usage["output_tokens"]}
        events.append(_event("finish", "message_delta", **ended))
        return [*events, _event("done", "message_stop")]

    def embed(self, ask: Ask, answer: Answer) -> dict[str, Any]:
        """Refuse: this service has no embeddings.

        Parameters
        ----------
        ask : Ask
            The request.
        answer : Answer
            The answer.

        Returns
        -------
        dict
            Never.

        Raises
        ------
        RequestError
            Always.
        """
        del ask, answer
        raise RequestError("there are no embeddings", 404)

    def error(self, status: int, message: str, reason: str = "") -> dict[str, Any]:
        """Word an error.

        Parameters
        ----------
        status : int
            HTTP status.
        message : str
            What is wrong.
        reason : str
            "context", "content" or "quota"; the message alone tells them apart here.

        Returns
        -------
        dict
            The body.
        """
        said = (
            "prompt is too long: 200001 tokens > 200000 maximum" if reason == "context" else message
        )
        fallback = "api_error" if status >= 500 else "invalid_request_error"
        kind = _ERROR_TYPES.get(status, fallback)
        return {"type": "error", "error": {"type": kind, "message": said}}

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
        return Event(self.error(status, message), "error", "error")

    def frame(self, event: Event) -> bytes:
        """Put an event on the wire.

        Parameters
        ----------
        event : Event
            The event.

        Returns
        -------
        bytes
            A server-sent event with its name.
        """
        return frame_event(event)


def _event(part: Part, name: str, **data: Any) -> Event:
    return Event({"type": name, **data}, part, name)


def _is_tool_result(content: object) -> bool:
    return isinstance(content, list) and any(
        isinstance(block, dict) and block.get("type") == "tool_result" for block in content
    )


def _finish(answer: Answer) -> str | None:
    return None if answer.finish is None else _FINISH.get(answer.finish, answer.finish)


def _tool_block(answer: Answer, position: int) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": f"toolu_{answer.number:08d}_{position}",
        "name": answer.tool_calls[position].name,
    }


def _usage(answer: Answer) -> dict[str, Any] | None:
    if answer.usage is None:
        return None
    usage = answer.usage
    return {
        # This service counts what came from a cache, or went into one, apart.
        "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": answer.usage.output_tokens,
    }


def _message(
    answer: Answer,
    content: list[dict[str, Any]],
    stop_reason: str | None,
    usage: dict[str, Any] | None,
) -> dict[str, Any]:
    message = {
        "id": f"msg_{answer.number:08d}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }
    return message if usage is None else {**message, "usage": usage}
