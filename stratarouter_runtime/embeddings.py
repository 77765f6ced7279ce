"""Texts to be embedded by a provider, and their embeddings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.conversation import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratarouter.types import FloatArray

__all__ = ["EmbeddingAnswer", "EmbeddingRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """Texts to be embedded."""

    texts: tuple[str, ...]
    """The texts."""
    model: str | None = None
    """Model name; None takes the client's own."""
    dimensions: int | None = None
    """Width that is asked for, >= 1; None takes the model's."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters by the provider's names, plain JSON data."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EmbeddingAnswer:
    """Embeddings of the texts of one request."""

    vectors: FloatArray
    """float32, shape (n, d), one row per text, of the length that the provider gave it."""
    model: str | None = None
    """Model that answered."""
    usage: Usage = field(default_factory=Usage)
    """Tokens used."""
    cost_usd: float | None = None
    """Price of the call, US dollars; None if nobody knows it."""
    provider: str | None = None
    """Provider that answered."""
    request_id: str | None = None
    """The provider's name for the call."""
    warnings: tuple[str, ...] = ()
    """What of the request could not be carried over, in sentences."""
