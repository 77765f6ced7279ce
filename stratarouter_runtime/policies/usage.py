"""Tokens where the provider does not say: a guess for the bill, a bound for the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter_runtime.conversation import Usage
from stratarouter_runtime.policies.plain_json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratarouter_runtime.conversation import CompletionRequest, ToolCall
    from stratarouter_runtime.embeddings import EmbeddingRequest

__all__ = [
    "ceiling_embedding_usage",
    "ceiling_usage",
    "estimate_embedding_usage",
    "estimate_tokens",
    "estimate_usage",
    "token_count",
]

_CHARACTERS_PER_TOKEN = 4
# Marks of the chat template around each message and each tool.
_FRAME_TOKENS = 16
# More than any current model charges for one image at full detail.
_IMAGE_TOKENS = 4096


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    int
        A token for four characters, at least 1.

    Examples
    --------
    >>> estimate_tokens("Where is my invoice?"), estimate_tokens("")
    (5, 1)
    """
    return max(1, -(-len(text) // _CHARACTERS_PER_TOKEN))


def estimate_usage(
    request: CompletionRequest | None, text: str, tool_calls: Iterable[ToolCall] = ()
) -> Usage:
    """Return about what an answer used, where the provider does not say.

    Parameters
    ----------
    request : CompletionRequest, optional
        What was asked; None if it is not known.
    text : str
        What was answered.
    tool_calls : iterable of ToolCall
        Tools that were asked for.

    Returns
    -------
    Usage
        The guess, marked as one.
    """
    texts = () if request is None else _texts(request)
    said = estimate_tokens(text)
    said += sum(estimate_tokens(call.name + call.arguments) for call in tool_calls)
    asked = sum(estimate_tokens(entry) for entry in texts)
    return Usage(input_tokens=asked, output_tokens=said, estimated=True)


def ceiling_usage(request: CompletionRequest, default_output_tokens: int) -> Usage:
    """Return the most that an answer can use, for reservations.

    Tokenizers start from bytes and join them, so a text never has more tokens than bytes.

    Parameters
    ----------
    request : CompletionRequest
        What is asked.
    default_output_tokens : int, >= 0
        Longest answer of the model, for requests that set no limit of their own.

    Returns
    -------
    Usage
        The bound, marked as estimated.
    """
    limit = request.max_output_tokens
    images = sum(len(message.images) for message in request.messages)
    frames = 1 + len(request.messages) + len(request.tools)
    return Usage(
        input_tokens=_bytes_in(_texts(request)) + frames * _FRAME_TOKENS + images * _IMAGE_TOKENS,
        output_tokens=default_output_tokens if limit is None else limit,
        estimated=True,
    )


def estimate_embedding_usage(request: EmbeddingRequest) -> Usage:
    """Return about what embedding texts used, where the provider does not say.

    Parameters
    ----------
    request : EmbeddingRequest
        The texts.

    Returns
    -------
    Usage
        The guess, marked as one.
    """
    tokens = sum(estimate_tokens(text) for text in request.texts)
    return Usage(input_tokens=tokens, estimated=True)


def ceiling_embedding_usage(request: EmbeddingRequest) -> Usage:
    """Return the most that embedding texts can use, for reservations.

    Parameters
    ----------
    request : EmbeddingRequest
        The texts.

    Returns
    -------
    Usage
        The bound, marked as estimated.
    """
    frames = len(request.texts) * _FRAME_TOKENS
    return Usage(input_tokens=_bytes_in(request.texts) + frames, estimated=True)


def token_count(counts: Mapping[str, Any] | None, *path: str) -> int | None:
    """Read a figure of a provider's report.

    Parameters
    ----------
    counts : mapping, optional
        The report, parsed.
    *path : str
        Keys to the figure, outermost first.

    Returns
    -------
    int or None
        The figure, >= 0; None if it is missing or is no number of tokens.

    Examples
    --------
    >>> report = {"prompt_tokens": 5, "completion_tokens": -1, "details": {"cached": 2}}
    >>> token_count(report, "prompt_tokens"), token_count(report, "details", "cached")
    (5, 2)
    >>> token_count(report, "completion_tokens") is None
    True
    """
    value: Any = counts
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    valid = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if valid else None


def _texts(request: CompletionRequest) -> list[str]:
    texts = [message.text for message in request.messages]
    for message in request.messages:
        texts += [call.name + call.arguments for call in message.tool_calls]
        texts += [name for name in (message.name, message.tool_call_id) if name is not None]
    texts += [canonical_json(tool.to_dict()).decode("ascii") for tool in request.tools]
    if request.response_format is not None and request.response_format.schema is not None:
        texts.append(canonical_json(request.response_format.to_dict()).decode("ascii"))
    return texts


def _bytes_in(texts: Iterable[str]) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
