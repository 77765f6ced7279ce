"""What a target answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.errors import CacheBackendError
from stratarouter_runtime.policies.plain_json import decode_plain, encode_plain

if TYPE_CHECKING:
    from stratarouter_runtime.conversation import ToolCall, Usage

__all__ = ["Answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a target answered, and how it came about."""

    response: Any
    """The answer."""
    provider: str | None = None
    """Provider that gave it; None for a handler."""
    model: str | None = None
    """Model that gave it."""
    asked: tuple[str, str | None] | None = None
    """Provider and model as they were asked, which health is remembered by; None for a handler."""
    usage: Usage | None = None
    """Tokens that this execution used; None if it made no call of a model."""
    attempts: int = 0
    """How many calls it took."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools that the model asks for."""
    cost_usd: float | None = 0.0
    """What this execution cost, US dollars; None if not known."""
    cache_hit: bool = False
    """Whether it was stored before."""
    coalesced: bool = False
    """Whether it came from an equal execution."""
    warnings: tuple[str, ...] = ()
    """What could not be done as asked."""
    complete: bool = True
    """Whether it ended by itself; one that was cut short is not kept."""
    stored: bytes | None = None
    """Its JSON form, if it has one and may be shared."""

    @property
    def tokens(self) -> int:
        """Tokens that this execution used."""
        return 0 if self.usage is None else self.usage.total_tokens

    def encoded(self) -> bytes:
        """Return what goes into the cache.

        Returns
        -------
        bytes
            JSON.

        Raises
        ------
        UncacheableValueError
            If the response is no JSON data.
        """
        asked = None if self.asked is None else list(self.asked)
        return encode_plain([self.response, self.provider, self.model, asked])

    @classmethod
    def decoded(cls, data: bytes, *, cache_hit: bool) -> Answer:
        """Return a fresh copy from its stored form; it cost nothing this time.

        Parameters
        ----------
        data : bytes
            What `encoded` returned.
        cache_hit : bool
            Whether it was stored before; else it is shared with a running execution.

        Returns
        -------
        Answer
            The copy.

        Raises
        ------
        CacheBackendError
            If the bytes are damaged.
        """
        fields = decode_plain(data)
        if not isinstance(fields, list) or len(fields) != 4:
            raise CacheBackendError("a stored answer is damaged: it is no answer")
        response, provider, model, asked = fields
        return cls(
            response=response,
            provider=provider,
            model=model,
            asked=None if asked is None else (asked[0], asked[1]),
            cache_hit=cache_hit,
            coalesced=not cache_hit,
        )
