"""Lists of models, in the words of each service."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from stratarouter_runtime.fake_upstream.exchange import CREATED_S

__all__ = ["listing"]

_CREATED_AT = "2026-01-15T10:30:45Z"
_MODELS = ("echo", "ok", "tool-call")
"""Scripts that are worth a place in a list; every other name works too."""


def listing(path: str, *, anthropic: bool = False) -> dict[str, Any] | None:
    """Return the answer to a GET.

    Parameters
    ----------
    path : str
        The path without its query.
    anthropic : bool
        Whether the caller speaks the format of Anthropic, which shares its path with OpenAI's.

    Returns
    -------
    dict or None
        The body; None if nothing is there.
    """
    lists: dict[str, dict[str, Any]] = {
        "/v1/models": _anthropic() if anthropic else _openai(),
        "/openai/v1/models": _openai(),
        "/v1beta/models": _gemini(),
        "/api/tags": {"models": [_ollama(name) for name in _MODELS]},
        "/api/version": {"version": "0.9.0"},
    }
    found = lists.get(path)
    if found is not None:
        return found
    parent, _, name = path.rpartition("/")
    name = unquote(name)
    if parent in {"/v1/models", "/openai/v1/models"} and name:
        return _anthropic_model(name) if anthropic else _openai_model(name)
    return _gemini_model(name) if parent == "/v1beta/models" and name else None


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
