"""Requests from plain data: dictionaries of the shape that the OpenAI interface made common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import (
    CompletionRequest,
    ContentPart,
    ImagePart,
    Message,
    ResponseFormat,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolSpec,
)

__all__ = ["parse_message", "parse_messages", "parse_request"]

_KNOWN = {"messages", "model", "tools", "tool_choice", "response_format"}


def parse_request(data: object) -> CompletionRequest:
    """Return a request from a dictionary.

    Parameters
    ----------
    data : CompletionRequest or mapping
        ``messages``, ``model``, ``tools``, ``tool_choice``, ``response_format``; every other entry
        is a sampling parameter, but for ``"stream": False``, which says nothing. A finished request
        is returned as it is.

    Returns
    -------
    CompletionRequest
        The request, its values not checked yet: see `request_checks.check_request`.

    Raises
    ------
    InvalidInputError
        If the data have another shape.

    Examples
    --------
    >>> request = parse_request(
    ...     {"messages": [{"role": "user", "content": "Hi"}], "model": "m", "temperature": 0.2}
    ... )
    >>> request.messages[0].text, request.params
    ('Hi', {'temperature': 0.2})
    """
    if isinstance(data, CompletionRequest):
        return data
    given = _mapping("a request", data)
    if "messages" not in given:
        raise InvalidInputError("a request needs messages")
    choice, form = given.get("tool_choice"), given.get("response_format")
    return CompletionRequest(
        messages=parse_messages(given["messages"]),
        model=given.get("model"),
        params={
            name: value
            for name, value in given.items()
            if name not in _KNOWN and not (name == "stream" and value is False)
        },
        tools=tuple(_tool(entry) for entry in _sequence("tools", given.get("tools") or ())),
        tool_choice=None if choice is None else _choice(choice),
        response_format=None if form is None else _format(form),
    )


def parse_messages(data: object) -> tuple[Message, ...]:
    """Return messages from a list.

    Parameters
    ----------
    data : str or sequence of Message or mapping
        The messages, oldest first; one text is one message of the user.

    Returns
    -------
    tuple of Message
        The messages.

    Raises
    ------
    InvalidInputError
        If the data have another shape.
    """
    if isinstance(data, str):
        return (Message("user", data),)
    return tuple(parse_message(entry) for entry in _sequence("messages", data))


def parse_message(data: object) -> Message:
    """Return a message from a dictionary.

    Parameters
    ----------
    data : Message or mapping
        ``role`` and ``content``, and as the case may be ``tool_calls``, ``tool_call_id``, ``name``.
        The role "developer" is read as "system", which it replaced.

    Returns
    -------
    Message
        The message.

    Raises
    ------
    InvalidInputError
        If the data have another shape.
    """
    if isinstance(data, Message):
        return data
    given = _mapping("a message", data)
    role = given.get("role")
    if not isinstance(role, str):
        raise InvalidInputError(f"a message needs a role, got {data!r:.80}")
    calls = _sequence("tool_calls", given.get("tool_calls") or ())
    return Message(
        role="system" if role == "developer" else role,
        content=_content(given.get("content")),
        tool_calls=tuple(_call(entry) for entry in calls),
        tool_call_id=given.get("tool_call_id"),
        name=given.get("name"),
    )


def _content(content: object) -> str | tuple[ContentPart, ...]:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return tuple(_part(entry) for entry in _sequence("content", content))


def _part(data: object) -> ContentPart:
    if isinstance(data, (TextPart, ImagePart)):
        return data
    given = _mapping("a part of a message", data)
    kind = given.get("type")
    if kind == "text":
        return TextPart(given.get("text", ""))
    if kind != "image_url":
        raise InvalidInputError(
            f"a part of a message has the type {kind!r}; the types are 'text' and 'image_url'"
        )
    image = given.get("image_url")
    image = {"url": image} if isinstance(image, str) else _mapping("image_url", image)
    url, detail = image.get("url"), image.get("detail")
    if isinstance(url, str) and url.startswith("data:"):
        head, _, encoded = url.removeprefix("data:").partition(",")
        mime, _, encoding = head.partition(";")
        if encoding != "base64":
            raise InvalidInputError("an image in an address must be in base64")
        return ImagePart(data=encoded, mime=mime, detail=detail)
    return ImagePart(url=url, detail=detail)


def _call(data: object) -> ToolCall:
    if isinstance(data, ToolCall):
        return data
    given = _mapping("a tool call", data)
    function = _mapping("the function of a tool call", given.get("function"))
    return ToolCall(
        id=given.get("id", ""),
        name=function.get("name", ""),
        arguments=function.get("arguments", "{}"),
    )


def _tool(data: object) -> ToolSpec:
    if isinstance(data, ToolSpec):
        return data
    given = _mapping("a tool", data)
    if given.get("type", "function") != "function":
        raise InvalidInputError(f"a tool has the type {given['type']!r}; only functions are known")
    function = _mapping("the function of a tool", given.get("function"))
    return ToolSpec(
        name=function.get("name", ""),
        description=function.get("description") or "",
        parameters=_mapping("the parameters of a tool", function.get("parameters") or {}),
        strict=function.get("strict"),
    )


def _choice(data: object) -> ToolChoice:
    if isinstance(data, ToolChoice):
        return data
    if isinstance(data, str):
        if data not in {"auto", "none", "required"}:
            raise InvalidInputError(
                f"tool_choice is 'auto', 'none', 'required' or a function, got {data!r}"
            )
        return ToolChoice(cast("Any", data))
    function = _mapping(
        "the function of tool_choice", _mapping("tool_choice", data).get("function")
    )
    return ToolChoice("tool", function.get("name"))


def _format(data: object) -> ResponseFormat:
    if isinstance(data, ResponseFormat):
        return data
    given = _mapping("response_format", data)
    kind = given.get("type")
    if kind == "text":
        return ResponseFormat()
    if kind == "json_object":
        return ResponseFormat("json")
    if kind != "json_schema":
        raise InvalidInputError(
            f"response_format has the type {kind!r}; "
            "the types are 'text', 'json_object' and 'json_schema'"
        )
    schema = _mapping("json_schema", given.get("json_schema"))
    return ResponseFormat(
        "json_schema",
        schema=_mapping("the schema of response_format", schema.get("schema")),
        name=schema.get("name", "answer"),
        strict=bool(schema.get("strict", False)),
    )


def _mapping(what: str, data: object) -> Mapping[str, Any]:
    # Asking an abstract class takes longer than everything else here.
    if type(data) is dict:
        return data
    if not isinstance(data, Mapping):
        raise InvalidInputError(f"{what} must be a dictionary, got a {type(data).__name__}")
    return data


def _sequence(what: str, data: object) -> Sequence[Any]:
    if type(data) is list or type(data) is tuple:
        return data
    if isinstance(data, (str, bytes)) or not isinstance(data, Sequence):
        raise InvalidInputError(f"{what} must be a list, got a {type(data).__name__}")
    return data
