"""Refusing requests that no provider can answer, before any byte leaves."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from stratarouter.errors import InvalidInputError, nearest_name_hint
from stratarouter_runtime.conversation import (
    ImagePart,
    Message,
    ResponseFormat,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolSpec,
)
from stratarouter_runtime.policies.plain_json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratarouter_runtime.conversation import CompletionRequest
    from stratarouter_runtime.embeddings import EmbeddingRequest

__all__ = ["check_embedding_request", "check_params", "check_request"]

_ROLES = ("system", "user", "assistant", "tool")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_MIME = re.compile(r"image/[a-z0-9.+-]+")

# What is said by a field of the request is not said by a parameter as well.
_FIELDS = {
    "messages": "messages=",
    "model": "model=",
    "tools": "tools=",
    "tool_choice": "tool_choice=",
    "response_format": "response_format=",
    "stream": "stream() instead of complete()",
    "stream_options": "stream(), which asks for the usage itself",
}
# Values that have a JSON form for certain.
_PLAIN = frozenset({str, int, bool, type(None)})
# (least, greatest) of what every provider limits in the same way.
_WHOLE = {
    "max_tokens": (1, math.inf),
    "max_completion_tokens": (1, math.inf),
    "top_k": (0, math.inf),
    "n": (1, 1),
    "seed": (-math.inf, math.inf),
}
_REAL = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}


def check_request(request: CompletionRequest) -> None:
    """Refuse a request that cannot be answered.

    Parameters
    ----------
    request : CompletionRequest
        The request.

    Raises
    ------
    InvalidInputError
        If it has no messages, a message is malformed, or a parameter, a tool or the form of the
        answer is impossible; the message names it.
    """
    _require_tuple("messages", request.messages, Message)
    if not request.messages:
        raise InvalidInputError("messages is empty; pass at least one Message")
    for number, message in enumerate(request.messages):
        _check_message(f"messages[{number}]", message)
    _check_model(request.model)
    check_params(request.params)
    _check_tools(request.tools, request.tool_choice)
    _check_format(request.response_format)


def check_embedding_request(request: EmbeddingRequest) -> None:
    """Refuse a request for embeddings that cannot be answered.

    Parameters
    ----------
    request : EmbeddingRequest
        The request.

    Raises
    ------
    InvalidInputError
        If there are no texts, one is empty or no text, or the width is not >= 1.
    """
    _require_tuple("texts", request.texts, str)
    if not request.texts:
        raise InvalidInputError("texts is empty; pass at least one text")
    for number, text in enumerate(request.texts):
        if not text:
            raise InvalidInputError(f"texts[{number}] is empty; no model embeds nothing")
        _require_text(f"texts[{number}]", text)
    _check_model(request.model)
    if request.dimensions is not None:
        _check_number("dimensions", request.dimensions, (1, math.inf), is_whole=True)
    canonical_json(dict(request.params))


def check_params(params: Mapping[str, Any]) -> None:
    """Refuse parameters that no provider takes.

    Parameters
    ----------
    params : mapping
        Parameters by their usual names; unknown ones pass.

    Raises
    ------
    InvalidInputError
        If a known one is out of its range, or one is a field of the request.
    UncacheableValueError
        If a value is no JSON data.
    """
    if not all(type(value) in _PLAIN for value in params.values()):
        canonical_json(dict(params))
    for name, value in params.items():
        _require_name("the names of params", name)
        if name in _FIELDS:
            raise InvalidInputError(f"params may not hold {name!r}; use {_FIELDS[name]}")
        if value is None:
            continue
        if name in _WHOLE:
            _check_number(name, value, _WHOLE[name], is_whole=True)
        elif name in _REAL:
            _check_number(name, value, _REAL[name], is_whole=False)
        elif name == "stop":
            _check_stop(value)


def _check_number(name: str, value: object, bounds: tuple[float, float], *, is_whole: bool) -> None:
    low, high = bounds
    kinds = int if is_whole else (int, float)
    valid = isinstance(value, kinds) and not isinstance(value, bool)
    # Written so that NaN fails.
    if valid and low <= value <= high:  # type: ignore[operator]
        return
    kind = "a whole number" if is_whole else "a number"
    span = f" >= {low:g}" if math.isinf(high) else f" from {low:g} to {high:g}"
    limits = "" if math.isinf(low) else span
    reason = "; only one answer is returned" if name == "n" else ""
    raise InvalidInputError(f"{name} must be {kind}{limits}, got {value!r}{reason}")


def _check_stop(value: object) -> None:
    entries = [value] if isinstance(value, str) else value
    valid = isinstance(entries, (list, tuple)) and all(
        isinstance(entry, str) and entry for entry in entries
    )
    if not valid:
        raise InvalidInputError(f"stop must be a non-empty text or a list of them, got {value!r}")


def _check_model(model: object) -> None:
    if model is not None and (not isinstance(model, str) or not model.strip()):
        raise InvalidInputError(f"model must be a non-empty name or None, got {model!r}")


def _check_message(where: str, message: Message) -> None:
    role = message.role
    if role not in _ROLES:
        hint = nearest_name_hint(str(role), _ROLES)
        raise InvalidInputError(
            f"{where} has the role {role!r}{hint}; the roles are {', '.join(_ROLES)}"
        )
    _check_content(where, message)
    if message.tool_calls and role != "assistant":
        raise InvalidInputError(f"{where} has tool calls; only the assistant's messages do")
    _require_tuple(f"{where}.tool_calls", message.tool_calls, ToolCall)
    for call in message.tool_calls:
        if not call.id or not call.name or not isinstance(call.arguments, str):
            raise InvalidInputError(
                f"{where} has a tool call without id, name or arguments text: {call!r}"
            )
    if role == "tool" and not message.tool_call_id:
        raise InvalidInputError(f"{where} answers a tool call; pass tool_call_id= to say which one")
    if role != "tool" and message.tool_call_id is not None:
        raise InvalidInputError(f"{where} has a tool_call_id; only messages of tools do")


def _check_content(where: str, message: Message) -> None:
    content: object = message.content
    if isinstance(content, str):
        _require_text(where, content)
        return
    if not isinstance(content, tuple) or not content:
        raise InvalidInputError(
            f"the content of {where} is a text or a non-empty tuple of parts, got {content!r:.80}"
        )
    for part in content:
        if isinstance(part, TextPart):
            _require_text(where, part.text)
        elif not isinstance(part, ImagePart):
            raise InvalidInputError(
                f"{where} has a part that is no TextPart or ImagePart: {type(part).__name__}"
            )
        elif message.role not in ("user", "tool"):
            raise InvalidInputError(f"{where} has an image; only users and tools show images")
        else:
            _check_image(where, part)


def _check_image(where: str, image: ImagePart) -> None:
    if (image.url is None) == (image.data is None):
        raise InvalidInputError(f"an image of {where} needs either url= or data=, one of them")
    if image.url is not None and not image.url.startswith(("https://", "http://")):
        raise InvalidInputError(
            f"an image of {where} has an address that is no http address; "
            "pass bytes as data= in base64 with mime="
        )
    if image.data is not None:
        if image.mime is None or not _MIME.fullmatch(image.mime):
            raise InvalidInputError(f"an image of {where} needs mime=, such as 'image/png'")
        if len(image.data) % 4 or not _BASE64.fullmatch(image.data):
            raise InvalidInputError(f"an image of {where} has data= that is no base64")


def _check_tools(tools: Sequence[ToolSpec], choice: ToolChoice | None) -> None:
    _require_tuple("tools", tools, ToolSpec)
    names: set[str] = set()
    for tool in tools:
        _require_name("the name of a tool", tool.name)
        if not _TOOL_NAME.fullmatch(tool.name):
            raise InvalidInputError(
                f"a tool is named {tool.name!r}; "
                "a name has 1 to 64 letters, digits, underscores and hyphens"
            )
        if tool.name in names:
            raise InvalidInputError(f"two tools are named {tool.name!r}")
        names.add(tool.name)
        canonical_json(dict(tool.parameters))
    if choice is None:
        return
    _require_known("tool_choice", choice, ToolChoice, "mode", ("auto", "none", "required", "tool"))
    if choice.mode == "tool" and choice.name not in names:
        hint = nearest_name_hint(str(choice.name), names)
        raise InvalidInputError(f"tool_choice names {choice.name!r}, which is no tool{hint}")
    if choice.mode == "required" and not names:
        raise InvalidInputError("tool_choice requires a tool, and there are none; pass tools=")


def _check_format(form: ResponseFormat | None) -> None:
    if form is None:
        return
    _require_known("response_format", form, ResponseFormat, "kind", ("text", "json", "json_schema"))
    if (form.kind == "json_schema") != (form.schema is not None):
        raise InvalidInputError("response_format has a schema exactly if its kind is 'json_schema'")
    if form.schema is not None:
        canonical_json(dict(form.schema))


def _require_known(
    what: str, value: object, kind: type, attribute: str, words: Sequence[str]
) -> None:
    if not isinstance(value, kind) or getattr(value, attribute) not in words:
        raise InvalidInputError(
            f"{what} must be a {kind.__name__} whose {attribute} is one of {', '.join(words)}, "
            f"got {value!r:.80}"
        )


def _require_name(what: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"{what} must be a non-empty text, got {value!r}")


def _require_tuple(what: str, value: object, kind: type) -> None:
    if not isinstance(value, tuple) or not all(isinstance(entry, kind) for entry in value):
        raise InvalidInputError(f"{what} must be a tuple of {kind.__name__}, got {value!r:.80}")


def _require_text(where: str, text: object) -> None:
    if not isinstance(text, str):
        raise InvalidInputError(f"{where} holds a {type(text).__name__} where text belongs")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{where} holds half a surrogate pair at {error.start}, which cannot be sent"
        ) from error
