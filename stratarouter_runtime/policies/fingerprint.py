"""Names of answers: equal only if everything that can change the answer is equal."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.policies.plain_json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratarouter_runtime.conversation import (
        CompletionRequest,
        ResponseFormat,
        ToolChoice,
        ToolSpec,
    )

__all__ = [
    "FINGERPRINT_VERSION",
    "FingerprintPrefix",
    "form_parts",
    "request_fingerprint",
    "request_parts",
    "text_key",
]

FINGERPRINT_VERSION = 1
"""Part of every fingerprint; a change of its recipe must change it."""

_DIGEST_BYTES = 32


class FingerprintPrefix:
    """The part of a fingerprint that many requests share, hashed once.

    Parameters
    ----------
    parts : mapping
        Plain JSON data: route, target, model, system text, sampling, policy version, encoder.

    Raises
    ------
    UncacheableValueError
        If a part has no JSON form.

    Examples
    --------
    >>> prefix = FingerprintPrefix({"route": "billing", "model": "m"})
    >>> prefix.of("hello") == FingerprintPrefix({"model": "m", "route": "billing"}).of("hello")
    True
    >>> prefix.of("hello") == prefix.of("hello", {"locale": "de"})
    False
    """

    __slots__ = ("_hash",)

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._hash = blake2b(
            canonical_json({"version": FINGERPRINT_VERSION, "parts": dict(parts)}),
            digest_size=_DIGEST_BYTES,
        )

    def of(self, query: str, context: Mapping[str, Any] | None = None) -> str:
        """Return the fingerprint of one request.

        Parameters
        ----------
        query : str
            The text, taken exactly.
        context : mapping, optional
            What else the target sees; None and empty are the same.

        Returns
        -------
        str
            64 hexadecimal digits.

        Raises
        ------
        UncacheableValueError
            If the context has no JSON form.
        """
        text = query.encode("utf-8", "surrogatepass")
        digest = self._hash.copy()
        # The length keeps query and context apart.
        digest.update(len(text).to_bytes(8, "big"))
        digest.update(text)
        if context:
            digest.update(canonical_json(context))
        return digest.hexdigest()


def request_parts(request: CompletionRequest) -> dict[str, Any]:
    """Return everything in a request that can change its answer.

    Parameters
    ----------
    request : CompletionRequest
        The request.

    Returns
    -------
    dict
        Plain JSON data.
    """
    return {
        "messages": [message.to_dict() for message in request.messages],
        "model": request.model,
        "params": dict(request.params),
        **form_parts(request.tools, request.tool_choice, request.response_format),
    }


def form_parts(
    tools: Iterable[ToolSpec], choice: ToolChoice | None, form: ResponseFormat | None
) -> dict[str, Any]:
    """Return what says which form an answer has.

    Parameters
    ----------
    tools : iterable of ToolSpec
        Tools that the model may ask for.
    choice : ToolChoice or None
        Which of them it has to ask for.
    form : ResponseFormat or None
        Form of the text.

    Returns
    -------
    dict
        Plain JSON data.
    """
    return {
        "tools": [tool.to_dict() for tool in tools],
        "tool_choice": None if choice is None else choice.to_wire(),
        "response_format": None if form is None else form.to_dict(),
    }


def request_fingerprint(request: CompletionRequest, **others: Any) -> str:
    """Return the fingerprint of a whole request.

    Parameters
    ----------
    request : CompletionRequest
        The request.
    **others : Any
        What else changes the answer, such as the provider: plain JSON data.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    UncacheableValueError
        If something in it has no JSON form.
    """
    return FingerprintPrefix({"request": request_parts(request), "others": others}).of("")


def text_key(text: object) -> str:
    """Return the key of an answer that is known by its query alone.

    Parameters
    ----------
    text : str
        The query, taken exactly.

    Returns
    -------
    str
        "q:" and 64 hexadecimal digits.

    Raises
    ------
    InvalidInputError
        If it is no text.
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"a cache is asked with a query text, got a {type(text).__name__}")
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES)
    return f"q:{digest.hexdigest()}"
