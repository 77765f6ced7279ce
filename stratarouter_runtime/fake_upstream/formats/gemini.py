"""The wire format of Gemini, on Google AI and on Vertex."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.fake_upstream.exchange import Ask, Event, RequestError, encode
from stratarouter_runtime.fake_upstream.formats.reading import (
    entries,
    last_text,
    model_of,
    natural,
    pieces,
    tools_from,
)
from stratarouter_runtime.fake_upstream.formats.sse import EVENT_STREAM, frame_event

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.exchange import Answer, Call, Part, Tool

__all__ = ["GeminiFormat"]

_CAPITAL = re.compile(r"[A-Z]")
_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
_ERROR_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GeminiFormat:
    """Answers, whole and streamed, and embeddings, one or many."""

    name = "gemini"
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
        if call.endpoint == "embedContent":
            return _embedding(call, model, [body])
        if call.endpoint == "batchEmbedContents":
            return _embedding(call, model, entries(body, "requests"))
        contents = entries(body, "contents")
        config = _table(body, "generationConfig")
        texts = [_text(content) for content in contents]
        system = _text(_table(body, "systemInstruction"))
        functions = [
            function
            for tool in entries(body, "tools", empty=True)
            for function in _list(tool, "functionDeclarations")
        ]
        return Ask(
            operation="stream" if call.endpoint == "streamGenerateContent" else "complete",
            endpoint=call.endpoint,
            model=model,
            texts=(*([system] if system else []), *texts),
            last_text=last_text(contents, texts, ("user", "function", "tool")),
            after_tool=_has(_list(contents[-1], "parts"), "functionResponse"),
            tools=_tools(functions),
            schema=_schema(config),
            max_tokens=natural(_value(config, "maxOutputTokens")),
            choices=min(8, natural(_value(config, "candidateCount")) or 1),
            wants_usage=True,
            sse=call.sse,
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
        parts: list[dict[str, Any]] = []
        if answer.text or not answer.tool_calls:
            parts.append({"text": answer.text})
        parts += [_function_call(call.name, call.arguments) for call in answer.tool_calls]
        candidates = [_candidate(parts, index, _finish(answer)) for index in range(answer.choices)]
        return _body(answer, candidates, with_usage=True)

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
            Pieces of content; the last event carries finish reason and usage. Functions are
            called in one piece.
        """
        del ask
        numbers = range(answer.choices)
        parts: list[dict[str, Any]] = [
            {"text": piece} for piece in pieces(answer.text, answer.piece_characters)
        ]
        parts += [_function_call(call.name, call.arguments) for call in answer.tool_calls]
        events = [
            _event("content", answer, [_candidate([part], index, None)])
            for part in parts
            for index in numbers
        ]
        last = [_candidate([{"text": ""}], index, _finish(answer)) for index in numbers]
        return [*events, _event("finish", answer, last)]

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
        vectors = [{"values": list(vector)} for vector in answer.vectors]
        if ask.endpoint == "embedContent":
            return {"embedding": vectors[0]}
        return {"embeddings": vectors}

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
        if reason == "context":
            message = "The input token count (1048577) exceeds the maximum number of tokens allowed"
        kind = _ERROR_STATUS.get(status, "UNKNOWN")
        return {"error": {"code": status, "message": message, "status": kind}}

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


def _embedding(call: Call, model: str, requests: list[Any]) -> Ask:
    texts = tuple(_text(_table(request, "content")) for request in requests)
    first = requests[0]
    dimension = natural(_value(first, "outputDimensionality"))
    if dimension is None:
        dimension = natural(_value(_table(first, "embedContentConfig"), "outputDimensionality"))
    return Ask(
        operation="embed", endpoint=call.endpoint, model=model, texts=texts, dimension=dimension
    )


def _value(body: Any, key: str) -> Any:
    """Return what stands under a key, which the service takes in camel case and in snake case."""
    return body.get(key, body.get(_CAPITAL.sub(lambda found: f"_{found[0].lower()}", key)))


def _table(body: Any, key: str) -> dict[str, Any]:
    value = _value(body, key)
    return value if isinstance(value, dict) else {}


def _list(body: Any, key: str) -> list[Any]:
    value = _value(body, key)
    return value if isinstance(value, list) else []


def _has(parts: Any, key: str) -> bool:
    return any(isinstance(part, dict) and _value(part, key) is not None for part in parts)


def _tools(functions: list[Any]) -> tuple[Tool, ...]:
    described = []
    for function in functions:
        if isinstance(function, dict):
            schema = _table(function, "parametersJsonSchema") or _table(function, "parameters")
            described.append({"name": function.get("name"), "schema": schema})
    return tools_from(described, "schema")


def _text(content: dict[str, Any]) -> str:
    parts = content.get("parts", ())
    if not isinstance(parts, list | tuple):
        raise RequestError("parts must be a list")
    found = []
    for part in parts:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            found.append(part["text"])
        elif _has([part], "functionResponse"):
            found.append(encode(_table(part, "functionResponse").get("response")).decode())
    return "".join(found)


def _schema(config: dict[str, Any]) -> dict[str, Any] | None:
    if _value(config, "responseMimeType") != "application/json":
        return None
    return _table(config, "responseJsonSchema") or _table(config, "responseSchema")


def _function_call(name: str, arguments: str) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": json.loads(arguments)}}


def _finish(answer: Answer) -> str | None:
    return None if answer.finish is None else _FINISH.get(answer.finish, answer.finish)


def _candidate(parts: list[dict[str, Any]], index: int, finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": index}
    return candidate if finish is None else {**candidate, "finishReason": finish}


def _event(part: Part, answer: Answer, candidates: list[dict[str, Any]]) -> Event:
    return Event(_body(answer, candidates, with_usage=part == "finish"), part)


def _body(answer: Answer, candidates: list[dict[str, Any]], *, with_usage: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"candidates": candidates}
    usage = answer.usage
    if with_usage and usage is not None:
        body["usageMetadata"] = {
            "promptTokenCount": usage.input_tokens,
            # Thoughts are counted apart from what is said.
            "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
            "totalTokenCount": usage.total_tokens,
        }
        further = {
            "cachedContentTokenCount": usage.cached_tokens,
            "thoughtsTokenCount": usage.reasoning_tokens,
        }
        body["usageMetadata"] |= {name: count for name, count in further.items() if count}
    return {**body, "modelVersion": answer.model, "responseId": f"gen-{answer.number:08d}"}
