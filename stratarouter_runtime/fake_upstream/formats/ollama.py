"""Ollama's own wire format: one JSON object per line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.fake_upstream.exchange import Ask, Event, RequestError, encode
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

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratarouter_runtime.fake_upstream.exchange import Answer, Call

__all__ = ["OllamaFormat"]

_CREATED_AT = "2026-01-15T10:30:45Z"
_FINISH = {"tool_calls": "stop"}
_EMBEDDING_ENDPOINTS = {"embed", "embeddings"}


class OllamaFormat:
    """/api/chat, /api/generate, /api/embed and the older /api/embeddings."""

    name = "ollama"
    stream_type = "application/x-ndjson"

    def read(self, call: Call) -> Ask:
        """Understand a request.

        Parameters
        ----------
        call : Call
            The request.

        Returns
        -------
        Ask
            What it wants; unlike elsewhere, answers are streamed unless that is declined.

        Raises
        ------
        RequestError
            If the body is unusable.
        """
        body = call.body
        model = model_of(body, call.model)
        if call.endpoint in _EMBEDDING_ENDPOINTS:
            key = "input" if call.endpoint == "embed" else "prompt"
            return Ask(
                operation="embed",
                endpoint=call.endpoint,
                model=model,
                texts=texts_of_input(body.get(key), key),
                dimension=natural(body.get("dimensions")),
            )
        messages: list[dict[str, Any]] = []
        if call.endpoint == "chat":
            messages = entries(body, "messages")
            texts = tuple(text_of(message.get("content")) for message in messages)
        else:
            prompt, system = text_of(body.get("prompt")), text_of(body.get("system"))
            texts = (system, prompt) if system else (prompt,)
        options = body.get("options")
        return Ask(
            operation="complete" if body.get("stream") is False else "stream",
            endpoint=call.endpoint,
            model=model,
            texts=texts,
            last_text=last_text(messages, texts, ("user", "tool")),
            after_tool=bool(messages) and messages[-1].get("role") == "tool",
            tools=tools_from(
                (tool.get("function") for tool in entries(body, "tools", empty=True)), "parameters"
            ),
            schema=_schema(body),
            max_tokens=natural(options.get("num_predict")) if isinstance(options, dict) else None,
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
        return {**_said(ask, answer, answer.text, calls=True), **_end(answer)}

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
            Pieces of text; functions in one piece; the last event carries the counts.
        """
        events = [
            Event({**_said(ask, answer, piece), "done": False}, "content")
            for piece in pieces(answer.text, answer.piece_characters)
        ]
        if answer.tool_calls:
            called = {**_said(ask, answer, "", calls=True), "done": False}
            events.append(Event(called, "content"))
        return [*events, Event({**_said(ask, answer, ""), **_end(answer)}, "finish")]

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
        vectors = [list(vector) for vector in answer.vectors]
        if ask.endpoint == "embeddings":
            return {"embedding": vectors[0]}
        body: dict[str, Any] = {"model": answer.model, "embeddings": vectors}
        if answer.usage is not None:
            body["prompt_eval_count"] = answer.usage.input_tokens
        return {**body, "total_duration": 1_000_000, "load_duration": 1_000}

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
        return {
            "error": "the input length exceeds the context length"
            if reason == "context"
            else message
        }

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
            A line.
        """
        data = event.data.encode() if isinstance(event.data, str) else encode(event.data)
        return data + b"\n"


def _schema(body: Mapping[str, Any]) -> dict[str, Any] | None:
    wanted = body.get("format")
    if wanted == "json":
        return {}
    if wanted is not None and wanted != "" and not isinstance(wanted, dict):
        raise RequestError('format must be "json" or a JSON schema')
    return wanted or None


def _said(ask: Ask, answer: Answer, text: str, *, calls: bool = False) -> dict[str, Any]:
    said: dict[str, Any] = {"model": answer.model, "created_at": _CREATED_AT}
    if ask.endpoint == "generate":
        return {**said, "response": text}
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls and answer.tool_calls:
        message["tool_calls"] = [
            {"function": {"name": call.name, "arguments": json.loads(call.arguments)}}
            for call in answer.tool_calls
        ]
    return {**said, "message": message}


def _end(answer: Answer) -> dict[str, Any]:
    end: dict[str, Any] = {"done": True}
    if answer.finish is not None:
        end["done_reason"] = _FINISH.get(answer.finish, answer.finish)
    end |= {"total_duration": 2_000_000, "load_duration": 1_000}
    if answer.usage is not None:
        end |= {
            "prompt_eval_count": answer.usage.input_tokens,
            "prompt_eval_duration": 1_000_000,
            "eval_count": answer.usage.output_tokens,
            "eval_duration": 1_000_000,
        }
    return end
