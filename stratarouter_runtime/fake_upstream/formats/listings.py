"""Lists of models, in the words of each service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from stratarouter_runtime.fake_upstream.exchange import CREATED_S

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["listing"]

_CREATED_AT = "2026-01-15T10:30:45Z"
_MODELS = ("echo", "ok", "tool-call")
"""Scripts that are worth a place in a list; every other name works too."""


def listing(path: str, headers: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the answer to a GET.

    Parameters
    ----------
    path : str
        The path without its query.
    headers : mapping
        Headers in lower case: three services share a path, and their clients tell who they are.

    Returns
    -------
    dict or None
        The body; None if nothing is there.
    """
    if path == "/api/tags":
        return {"models": [_ollama(name) for name in _MODELS]}
    if path == "/api/version":
        return {"version": "0.9.0"}
    place, _, rest = path.removeprefix("/openai").partition("/models")
    if place not in {"/v1", "/v1beta"} or (rest and not rest.startswith("/")):
        return None
    name = unquote(rest[1:])
    if place == "/v1beta" or "x-goog-api-key" in headers:
        return _gemini_model(name) if name else _gemini()
    if "anthropic-version" in headers:
        return _anthropic_model(name) if name else _anthropic()
    return _openai_model(name) if name else _openai()


def _openai() -> dict[str, Any]:
    return {"object": "list", "data": [_openai_model(name) for name in _MODELS]}


def _openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED_S, "owned_by": "fake-upstream"}


def _anthropic() -> dict[str, Any]:
    return {
        "data": [_anthropic_model(name) for name in _MODELS],
        "has_more": False,
        "first_id": _MODELS[0],
        "last_id": _MODELS[-1],
    }


def _anthropic_model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED_AT}


def _gemini() -> dict[str, Any]:
    return {"models": [_gemini_model(name) for name in _MODELS]}


def _gemini_model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "displayName": name,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 8192,
        "supportedGenerationMethods": ["generateContent", "embedContent"],
    }


def _ollama(name: str) -> dict[str, Any]:
    details = {"format": "gguf", "family": "fake", "parameter_size": "0B"}
    return {
        "name": name,
        "model": name,
        "modified_at": _CREATED_AT,
        "size": 0,
        "digest": "0" * 64,
        "details": details,
    }
