"""The wire format of OpenAI: what is sent, and what both kinds of answers have in common.

OpenAI, Azure and most local servers speak it. Nothing here knows how the bytes travel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import TextPart, Usage
from stratarouter_runtime.policies.usage import token_count
from stratarouter_runtime.provider_errors import InvalidAnswerError

if TYPE_CHECKING:
    from stratarouter_runtime.conversation import CompletionRequest, Message
    from stratarouter_runtime.embeddings import EmbeddingRequest

__all__ = [
    "CHAT_PATH",
    "DONE",
    "EMBEDDINGS_PATH",
    "OPENAI_PARAMS",
    "chat_body",
    "decode_object",
    "embedding_body",
    "encode_body",
    "read_text",
    "read_usage",
]

CHAT_PATH = "chat/completions"
"""Where conversations go, below the base address."""
EMBEDDINGS_PATH = "embeddings"
"""Where texts to be embedded go."""
DONE = b"[DONE]"
"""Data of the event that ends a stream."""

OPENAI_PARAMS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "temperature",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""Parameters that OpenAI takes; it refuses requests with any other."""

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


def chat_body(
    request: CompletionRequest, model: str, *, stream: bool, stream_usage: bool = True
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body of a request for an answer.

    Parameters
    ----------
    request : CompletionRequest
        The conversation, checked.
    model : str
        The model.
    stream : bool
        Whether the answer shall come piece by piece.
    stream_usage : bool
        Whether a stream is asked to report its usage.

    Returns
    -------
    body : dict
        JSON data.
    warnings : tuple of str
        What the format has no place for, in sentences.
    """
    warnings: tuple[str, ...] = ()
    messages = []
    for message in request.messages:
        entry = message.to_dict()
        if message.role == "tool" and message.images:
            entry["content"] = _texts_only(message)
            warnings = ("tools cannot show images in this format; they were left out",)
        messages.append(entry)
    body: dict[str, Any] = {"model": model, "messages": messages}
    if request.params:
        body.update((key, value) for key, value in request.params.items() if value is not None)
    if request.tools:
        body["tools"] = [tool.to_dict() for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = request.tool_choice.to_wire()
    if request.response_format is not None:
        body["response_format"] = request.response_format.to_dict()
    if stream:
        body["stream"] = True
        if stream_usage:
            body["stream_options"] = {"include_usage": True}
    return body, warnings


def embedding_body(request: EmbeddingRequest, model: str, encoding: str) -> dict[str, Any]:
    """Return the body of a request for embeddings.

    Parameters
    ----------
    request : EmbeddingRequest
        The texts, checked.
    model : str
        The model.
    encoding : {"float", "base64"}
        How the numbers shall come, where the request's own parameters do not say.

    Returns
    -------
    dict
        JSON data.
    """
    body: dict[str, Any] = {
        "model": model,
        "input": list(request.texts),
        "encoding_format": encoding,
    }
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    body.update((key, value) for key, value in request.params.items() if value is not None)
    return body


def encode_body(body: dict[str, Any]) -> bytes:
    """Return the bytes of a body.

    Parameters
    ----------
    body : dict
        JSON data.

    Returns
    -------
    bytes
        UTF-8.

    Raises
    ------
    InvalidInputError
        If it holds what JSON cannot express.
    """
    try:
        return _ENCODER.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"the request has no JSON form: {error}") from error


def decode_object(provider: str, data: bytes, what: str = "the answer") -> dict[str, Any]:
    """Read a JSON object.

    Where a key comes twice, the last one counts, as with most readers of JSON.

    Parameters
    ----------
    provider : str
        Name of the provider, for errors.
    data : bytes
        What came.
    what : str
        What it is, for errors.

    Returns
    -------
    dict
        JSON data.

    Raises
    ------
    InvalidAnswerError
        If the bytes are empty, no UTF-8, no JSON (NaN is none), or no object.
    """
    if not data.strip():
        raise InvalidAnswerError(provider, f"{what} is empty")
    try:
        # Texts that nobody reads are not decoded otherwise, so errors in them would pass.
        if not data.isascii():
            data.decode("utf-8")
        value = _DECODER.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidAnswerError(provider, f"{what} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidAnswerError(provider, f"{what} is no JSON object but a {_kind(value)}")
    return value


def read_text(provider: str, content: object) -> tuple[str, bool]:
    """Read the content of a message, or of a piece of one.

    Parameters
    ----------
    provider : str
        Name of the provider, for errors.
    content : object
        A text, null, or a list of parts.

    Returns
    -------
    text : str
        The text, of all parts together.
    is_whole : bool
        Whether there was nothing but text.

    Raises
    ------
    InvalidAnswerError
        If it is anything else.
    """
    if isinstance(content, str):
        return content, True
    if content is None:
        return "", True
    if not isinstance(content, list):
        raise InvalidAnswerError(provider, f"the content is no text but a {_kind(content)}")
    texts = [part["text"] for part in content if _is_text_part(part)]
    return "".join(texts), len(texts) == len(content)


def read_usage(report: object) -> Usage | None:
    """Read what a call has used.

    Parameters
    ----------
    report : object
        The report.

    Returns
    -------
    Usage or None
        The figures; None if there are none, or they cannot be true.

    Examples
    --------
    >>> read_usage({"prompt_tokens": 5, "total_tokens": 7}).output_tokens
    2
    >>> read_usage({"prompt_tokens": -1, "completion_tokens": 2}) is None
    True
    """
    if not isinstance(report, dict):
        return None
    read = token_count(report, "prompt_tokens")
    written = token_count(report, "completion_tokens")
    if read is None:
        return None
    if written is None:
        total = token_count(report, "total_tokens")
        if total is None or total < read:
            return None
        written = total - read
    cached = _part(report, read, "prompt_tokens_details", "cached_tokens")
    return Usage(
        input_tokens=read,
        output_tokens=written,
        cached_tokens=cached,
        cache_write_tokens=_part(
            report, read - cached, "prompt_tokens_details", "cache_write_tokens"
        ),
        reasoning_tokens=_part(report, written, "completion_tokens_details", "reasoning_tokens"),
    )


def _part(report: dict[str, Any], whole: int, *path: str) -> int:
    # A part is never more than its whole, whatever a server says.
    found = token_count(report, *path)
    return 0 if found is None else min(found, whole)


def _texts_only(message: Message) -> list[dict[str, Any]]:
    return [part.to_dict() for part in message.content if isinstance(part, TextPart)]


def _is_text_part(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and type(part.get("text")) is str


def _kind(value: object) -> str:
    return {dict: "object", list: "list", type(None): "null"}.get(type(value), "single value")
