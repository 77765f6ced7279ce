"""Reading request bodies, the same for every wire format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter_runtime.fake_upstream.exchange import RequestError, Tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "entries",
    "last_text",
    "model_of",
    "natural",
    "pieces",
    "text_of",
    "texts_of_input",
    "tools_from",
]


def model_of(body: Mapping[str, Any], path_model: str) -> str:
    """Return the model that a request names.

    Parameters
    ----------
    body : mapping
        The parsed body.
    path_model : str
        The model in the path, "" if there is none.

    Returns
    -------
    str
        The one in the path, else the one in the body.

    Raises
    ------
    RequestError
        If there is neither.
    """
    model = path_model or body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError("you must provide a model parameter")
    return model


def entries(body: Mapping[str, Any], key: str, *, empty: bool = False) -> list[dict[str, Any]]:
    """Return the list of objects under a key.

    Parameters
    ----------
    body : mapping
        The parsed body.
    key : str
        The key.
    empty : bool
        Whether the list may be empty or missing.

    Returns
    -------
    list of dict
        The objects.

    Raises
    ------
    RequestError
        If it is no list of objects, or is empty and may not be.
    """
    value = body.get(key)
    if value is None and empty:
        return []
    if not isinstance(value, list) or not (value or empty):
        raise RequestError(f"{key} must be a list that is not empty")
    if not all(isinstance(entry, dict) for entry in value):
        raise RequestError(f"{key} must hold objects")
    return value


def text_of(content: object) -> str:
    """Return the text of a message's content.

    Parameters
    ----------
    content : object
        A text, or a list of texts and parts; parts without a text say nothing.

    Returns
    -------
    str
        All of its text.
    """
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        inner = content.get("text", content.get("content", ""))
        return text_of(inner) if inner is not content else ""
    if isinstance(content, list):
        return "".join(text_of(part) for part in content)
    return ""


def texts_of_input(value: object, key: str) -> tuple[str, ...]:
    """Return the texts of an input that may be one text or many, or lists of token numbers.

    Parameters
    ----------
    value : object
        What the request says.
    key : str
        Where it says so.

    Returns
    -------
    tuple of str
        One text per input.

    Raises
    ------
    RequestError
        If there is nothing to read.
    """
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value:
        if all(isinstance(entry, str) for entry in value):
            return tuple(value)
        if all(isinstance(entry, int) for entry in value):
            return (" ".join(map(str, value)),)
        if all(isinstance(entry, list) for entry in value):
            return tuple(" ".join(map(str, entry)) for entry in value)
    raise RequestError(f"{key} must be a text or a list that is not empty")


def last_text(
    messages: Sequence[Mapping[str, Any]], texts: Sequence[str], roles: tuple[str, ...]
) -> str:
    """Return the text that asks to be answered.

    Parameters
    ----------
    messages : sequence of mapping
        The conversation.
    texts : sequence of str
        Their texts.
    roles : tuple of str
        Who asks.

    Returns
    -------
    str
        The last text of these roles, else the last of all.
    """
    asked = [
        text
        for message, text in zip(messages, texts, strict=False)
        if message.get("role", "user") in roles
    ]
    return asked[-1] if asked else texts[-1]


def natural(value: object) -> int | None:
    """Return a number that is at least 1.

    Parameters
    ----------
    value : object
        What the request says.

    Returns
    -------
    int or None
        The number; None if it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    return None


def tools_from(functions: Iterable[object], schema_key: str) -> tuple[Tool, ...]:
    """Return the functions on offer.

    Parameters
    ----------
    functions : iterable of object
        Their descriptions; what has no name is left out.
    schema_key : str
        Where a description keeps the schema of the arguments.

    Returns
    -------
    tuple of Tool
        The functions.
    """
    found = []
    for function in functions:
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            schema = function.get(schema_key)
            found.append(Tool(function["name"], schema if isinstance(schema, dict) else {}))
    return tuple(found)


def pieces(text: str, characters: int) -> list[str]:
    """Return a text in pieces of equal length.

    Parameters
    ----------
    text : str
        The text.
    characters : int, >= 1
        Length of a piece.

    Returns
    -------
    list of str
        The pieces in order, none of them empty.
    """
    return [text[start : start + characters] for start in range(0, len(text), characters)]
