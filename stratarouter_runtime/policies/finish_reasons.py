"""Why an answer ended, from the words of each provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratarouter_runtime.conversation import FinishReason

__all__ = ["finish_reason"]

_REASONS: dict[str, FinishReason] = {
    # OpenAI and compatible servers.
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "abort": "error",
    "error": "error",
    # Anthropic.
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    # Google.
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
    "malformed_function_call": "error",
    # Cohere.
    "complete": "stop",
    "tool_call": "tool_calls",
    "error_toxic": "content_filter",
    "error_limit": "length",
    "timeout": "error",
    # Text generation inference.
    "eos_token": "stop",
}


def finish_reason(word: object, *, has_tool_calls: bool = False) -> FinishReason:
    """Return the reason in our words.

    Parameters
    ----------
    word : object
        What the provider said; anything but a known word is "unknown".
    has_tool_calls : bool
        Whether the answer asks for tools. Several servers say "stop" then as well.

    Returns
    -------
    FinishReason
        The reason.

    Examples
    --------
    >>> finish_reason("MAX_TOKENS"), finish_reason("stop", has_tool_calls=True), finish_reason(None)
    ('length', 'tool_calls', 'unknown')
    """
    reason = _REASONS.get(word.lower(), "unknown") if isinstance(word, str) else "unknown"
    return "tool_calls" if has_tool_calls and reason == "stop" else reason
