"""The wire format of Cohere, version 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter_runtime.fake_upstream.exchange import Ask, Event, RequestError
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
    from stratarouter_runtime.fake_upstream.exchange import Answer, Call, Part

__all__ = ["CohereFormat"]

_PLAN = "I will call a function."
_FINISH = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR",
}


class CohereFormat:
    """Chat, whole and streamed, and embeddings."""

    name = "cohere"
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
            If the body is unusable.
        """
        body = call.body
        model = model_of(body, call.model)
        if call.endpoint == "embed":
            given = body.get("texts")
            if given is None:
                given = [text_of(entry.get("content")) for entry in entries(body, "inputs")]
            return Ask(
                operation="embed",
                endpoint=call.endpoint,
                model=model,
                texts=texts_of_input(given, "texts"),
                dimension=natural(body.get("output_dimension")),
            )
        messages = entries(body, "messages")
        texts = tuple(text_of(message.get("content")) for message in messages)
        return Ask(
            operation="stream" if body.get("stream") is True else "complete",
            endpoint=call.endpoint,
            model=model,
            texts=texts,
            last_text=last_text(messages, texts, ("user", "tool")),
            after_tool=messages[-1].get("role") == "tool",
            tools=tools_from(
                (tool.get("function") for tool in entries(body, "tools", empty=True)), "parameters"
            ),
            schema=_schema(body.get("response_format")),
            max_tokens=natural(body.get("max_tokens")),
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
        message: dict[str, Any] = {"role": "assistant"}
        if answer.text or not answer.tool_calls:
            message["content"] = [{"type": "text", "text": answer.text}]
        if answer.tool_calls:
            message["tool_plan"] = _PLAN
            message["tool_calls"] = [
                _tool_call(answer, position, call.arguments)
                for position, call in enumerate(answer.tool_calls)
            ]
        return {"id": f"chat-{answer.number:08d}", "message": message, **_end(answer)}

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
            The start, the contents, the end with finish reason and usage.
        """
        del ask
        begun = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
        identifier = f"chat-{answer.number:08d}"
        events = [_event("start", "message-start", id=identifier, delta={"message": begun})]
        if answer.text or not answer.tool_calls:
            events.append(_content("frame", "content-start", {"type": "text", "text": ""}))
            events += [
                _content("content", "content-delta", {"text": piece})
                for piece in pieces(answer.text, answer.piece_characters)
            ]
            events.append(_event("frame", "content-end", index=0))
        if answer.tool_calls:
            planned = {"message": {"tool_plan": _PLAN}}
            events.append(_event("frame", "tool-plan-delta", delta=planned))
        for position, call in enumerate(answer.tool_calls):
            opened = _tool_call(answer, position, "")
            events.append(_tool("content", "tool-call-start", position, opened))
            events += [
                _tool("content", "tool-call-delta", position, {"function": {"arguments": piece}})
                for piece in pieces(call.arguments, answer.piece_characters)
            ]
            events.append(_event("frame", "tool-call-end", index=position))
        return [*events, _event("finish", "message-end", id=identifier, delta=_end(answer))]

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
        body: dict[str, Any] = {
            "id": f"embed-{answer.number:08d}",
            "embeddings": {"float": [list(vector) for vector in answer.vectors]},
            "texts": list(ask.texts),
            "response_type": "embeddings_by_type",
        }
        if answer.usage is not None:
            units = {"input_tokens": answer.usage.input_tokens}
            body["meta"] = {"api_version": {"version": "2"}, "billed_units": units}
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
            "context", "content" or "quota"; the message alone tells them apart here.

        Returns
        -------
        dict
            The body.
        """
        del status
        if reason == "context":
            message = "too many tokens: size limit exceeded by 1 tokens"
        return {"id": "error", "message": message}

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
            The end of the message, with the reason ERROR.
        """
        del status
        return _event("error", "message-end", delta={"finish_reason": "ERROR", "error": message})

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


def _content(part: Part, name: str, content: dict[str, Any]) -> Event:
    return _event(part, name, index=0, delta={"message": {"content": content}})


def _tool(part: Part, name: str, index: int, call: dict[str, Any]) -> Event:
    return _event(part, name, index=index, delta={"message": {"tool_calls": call}})


def _tool_call(answer: Answer, position: int, arguments: str) -> dict[str, Any]:
    return {
        "id": f"call_{answer.number:08d}_{position}",
        "type": "function",
        "function": {"name": answer.tool_calls[position].name, "arguments": arguments},
    }


def _schema(response_format: object) -> dict[str, Any] | None:
    if not isinstance(response_format, dict) or response_format.get("type") != "json_object":
        return None
    schema = response_format.get("json_schema", response_format.get("schema"))
    if schema is not None and not isinstance(schema, dict):
        raise RequestError("response_format.json_schema must be an object")
    return schema or {}


def _end(answer: Answer) -> dict[str, Any]:
    end: dict[str, Any] = {}
    if answer.finish is not None:
        end["finish_reason"] = _FINISH.get(answer.finish, answer.finish)
    if answer.usage is not None:
        counts = {
            "input_tokens": answer.usage.input_tokens,
            "output_tokens": answer.usage.output_tokens,
        }
        end["usage"] = {"billed_units": counts, "tokens": counts}
        if answer.usage.cached_tokens:
            end["usage"]["cached_tokens"] = answer.usage.cached_tokens
    return end
