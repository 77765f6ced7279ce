"""Whole answers in the wire format of OpenAI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from stratarouter_runtime.conversation import Completion, ToolCall
from stratarouter_runtime.embeddings import EmbeddingAnswer
from stratarouter_runtime.policies.finish_reasons import finish_reason
from stratarouter_runtime.policies.usage import estimate_embedding_usage, estimate_usage
from stratarouter_runtime.policies.vectors import read_vectors
from stratarouter_runtime.provider_errors import InvalidAnswerError
from stratarouter_runtime.providers.openai_wire import read_text, read_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter_runtime.conversation import CompletionRequest
    from stratarouter_runtime.embeddings import EmbeddingRequest

__all__ = [
    "LOGPROBS_WARNING",
    "MORE_CHOICES_WARNING",
    "REASONING_WARNING",
    "REFUSAL_WARNING",
    "USAGE_WARNING",
    "left_out",
    "read_completion",
    "read_embeddings",
]

MORE_CHOICES_WARNING = "the provider gave more than one answer; the first counts"
"""Said where there are several choices."""
REFUSAL_WARNING = "the model refused; the text is its refusal"
"""Said where the model refuses in the field that is meant for it."""
REASONING_WARNING = "the provider sent its reasoning as well; it was left out"
"""Said where thoughts come beside the answer."""
LOGPROBS_WARNING = "the provider sent probabilities of tokens; they were left out"
"""Said where they come."""
USAGE_WARNING = "the provider did not report its usage legibly; it is estimated"
"""Said where there is a report that cannot be true."""

D = TypeVar("D", str, None)

_REASONING = ("reasoning_content", "reasoning")
# Of no use without the places in the text that they refer to, or not for this runtime.
_OTHERS = ("audio", "function_call", "annotations", "images")


def read_completion(
    payload: dict[str, Any],
    *,
    provider: str,
    model: str,
    request: CompletionRequest,
    request_id: str | None = None,
    warnings: Sequence[str] = (),
) -> Completion:
    """Read an answer.

    Parameters
    ----------
    payload : dict
        The body; no error.
    provider : str
        Name of the provider.
    model : str
        Model that was asked.
    request : CompletionRequest
        What was asked; usage is estimated from it where the provider does not report any.
    request_id : str, optional
        The provider's name for the call, from the headers.
    warnings : sequence of str
        What is known already.

    Returns
    -------
    Completion
        The answer.

    Raises
    ------
    InvalidAnswerError
        If there is no choice, or it is malformed.
    """
    choice, said = _choice(payload, provider, model)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise InvalidAnswerError(provider, "the answer has no message", model=model)
    notes = [*warnings, *said, *left_out(choice, message)]
    text, is_whole = read_text(provider, message.get("content"))
    if not is_whole:
        notes.append("parts of the answer that are no text were left out")
    calls = _tool_calls(message.get("tool_calls"), provider, model)
    reason = finish_reason(choice.get("finish_reason"), has_tool_calls=bool(calls))
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        text, reason = text or refusal, "content_filter"
        notes.append(REFUSAL_WARNING)
    report = payload.get("usage")
    usage = read_usage(report)
    if usage is None:
        usage = estimate_usage(request, text, calls)
        if report is not None:
            notes.append(USAGE_WARNING)
    return Completion(
        content=text,
        model=_name(payload.get("model"), model),
        usage=usage,
        finish_reason=reason,
        tool_calls=calls,
        provider=provider,
        request_id=_name(payload.get("id"), None) if request_id is None else request_id,
        warnings=tuple(notes),
    )


def read_embeddings(
    payload: dict[str, Any],
    *,
    provider: str,
    model: str,
    request: EmbeddingRequest,
    request_id: str | None = None,
) -> EmbeddingAnswer:
    """Read embeddings, whatever order they come in.

    Parameters
    ----------
    payload : dict
        The body; no error.
    provider : str
        Name of the provider.
    model : str
        Model that was asked.
    request : EmbeddingRequest
        The texts.
    request_id : str, optional
        The provider's name for the call, from the headers.

    Returns
    -------
    EmbeddingAnswer
        A row for each text.

    Raises
    ------
    InvalidAnswerError
        If there are too few or too many, or one is malformed.
    """
    data = payload.get("data")
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise InvalidAnswerError(provider, "the answer has no list of embeddings", model=model)
    indices = [entry.get("index", place) for place, entry in enumerate(data)]
    if indices != list(range(len(data))):
        if sorted(i for i in indices if type(i) is int) != list(range(len(data))):
            raise InvalidAnswerError(provider, "embeddings are missing or repeated", model=model)
        data = sorted(data, key=lambda entry: entry["index"])
    rows = [entry.get("embedding") for entry in data]
    vectors = read_vectors(provider, rows, len(request.texts), model=model)
    report = payload.get("usage")
    usage = read_usage(_as_input(report))
    return EmbeddingAnswer(
        vectors=vectors,
        model=_name(payload.get("model"), model),
        usage=estimate_embedding_usage(request) if usage is None else usage,
        provider=provider,
        request_id=_name(payload.get("id"), None) if request_id is None else request_id,
        warnings=(USAGE_WARNING,) if usage is None and report is not None else (),
    )


def left_out(choice: dict[str, Any], message: dict[str, Any]) -> list[str]:
    """Say what of an answer, or of a piece of one, has no place here.

    Parameters
    ----------
    choice : dict
        The choice.
    message : dict
        Its message or difference.

    Returns
    -------
    list of str
        Sentences.
    """
    notes = [REASONING_WARNING] if any(message.get(name) for name in _REASONING) else []
    if choice.get("logprobs") is not None:
        notes.append(LOGPROBS_WARNING)
    notes += [f"the answer's {name} was left out" for name in _OTHERS if message.get(name)]
    return notes


def _choice(
    payload: dict[str, Any], provider: str, model: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    choices = payload.get("choices")
    if not isinstance(choices, list) or not choices:
        raise InvalidAnswerError(provider, "the answer has no choices", model=model)
    if not all(isinstance(choice, dict) for choice in choices):
        raise InvalidAnswerError(provider, "a choice is no object", model=model)
    if len(choices) == 1:
        return choices[0], ()
    first = next((choice for choice in choices if choice.get("index") == 0), choices[0])
    return first, (MORE_CHOICES_WARNING,)


def _tool_calls(entries: object, provider: str, model: str) -> tuple[ToolCall, ...]:
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise InvalidAnswerError(provider, "tool_calls is no list", model=model)
    return tuple(_tool_call(entry, place, provider, model) for place, entry in enumerate(entries))


def _tool_call(entry: object, place: int, provider: str, model: str) -> ToolCall:
    function = entry.get("function") if isinstance(entry, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(entry, dict) or not isinstance(function, dict) or not _is_name(name):
        raise InvalidAnswerError(provider, f"tool call {place} names no function", model=model)
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        # Several local servers send the object itself and not its text.
        arguments = msgspec.json.encode(arguments).decode()
    elif arguments is not None and not isinstance(arguments, str):
        raise InvalidAnswerError(provider, f"tool call {place} has no arguments", model=model)
    return ToolCall(
        id=_name(entry.get("id"), f"call_{place}"), name=str(name), arguments=arguments or "{}"
    )


def _as_input(report: object) -> object:
    """Embedding costs nothing but reading; some servers give the total alone."""
    if not isinstance(report, dict):
        return None
    read = report.get("prompt_tokens")
    return {"prompt_tokens": report.get("total_tokens") if read is None else read, **_NO_OUTPUT}


_NO_OUTPUT = {"completion_tokens": 0}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _name(value: object, default: D) -> str | D:
    return value if isinstance(value, str) and value else default
