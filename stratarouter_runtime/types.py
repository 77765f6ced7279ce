"""What users hold: identities, results and events."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from stratarouter_runtime.errors import InvalidContextError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratarouter.types import RouteResult
    from stratarouter_runtime.conversation import ToolCall, Usage

__all__ = [
    "ANONYMOUS",
    "CacheHit",
    "CacheScope",
    "Event",
    "EventName",
    "ExecutionReason",
    "ExecutionRecord",
    "ExecutionResult",
    "Partition",
]

CacheScope: TypeAlias = Literal["user", "tenant", "global"]
"""Who may share an answer: one user, one tenant, or everybody."""

ExecutionReason: TypeAlias = Literal["executed", "fallback", "no_route"]
"""Who answered: the route's own target, a stand-in, or nobody."""

EventName: TypeAlias = Literal[
    "router.decide",
    "router.route_error",
    "ratelimit.check",
    "ratelimit.block",
    "ratelimit.allow",
    "provider.request_start",
    "provider.request_stop",
    "provider.request_error",
    "overflow.enqueue",
    "overflow.drain_start",
    "overflow.drain_stop",
    "auth.success",
    "auth.failure",
    "auth.invalid_key",
    "auth.rate_limit.allowed",
    "auth.rate_limit.blocked",
    "circuit.open",
    "circuit.close",
    "circuit.half_open",
    "stream.chunk",
    "stream.complete",
    "stream.error",
    "retry.start",
    "retry.attempt",
    "retry.exhausted",
    "failover.success",
    "failover.attempt_failed",
    "failover.all_attempts_failed",
]
"""Names of the telemetry events; the list is closed."""

_MAX_ID_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Partition:
    """Whose data it is. Two partitions never share a key or an answer.

    A user lives inside the tenant: the same user id in two tenants is two users. A session without
    a user is a user of its own, and never equal to a user id of the same text.

    Examples
    --------
    >>> Partition.from_context({"org_id": "acme", "user_id": 7})
    Partition(tenant='acme', user='7', user_kind='user')
    >>> Partition.from_context({"session_id": "s1"}) == Partition(user="s1")
    False
    """

    tenant: str | None = None
    """Tenant or organisation; None outside any tenant."""
    user: str | None = None
    """User, or session, inside the tenant; None for the tenant as a whole."""
    user_kind: Literal["user", "session"] = "user"
    """What `user` names."""

    @classmethod
    def from_context(cls, context: Mapping[str, Any] | None) -> Partition:
        """Return the narrowest identity that a context names.

        Parameters
        ----------
        context : mapping, optional
            May hold ``tenant_id`` or ``org_id``, ``user_id`` and ``session_id``, each a str or int.

        Returns
        -------
        Partition
            `ANONYMOUS` if the context names nobody.

        Raises
        ------
        InvalidContextError
            If an identity is blank, too long or of another type, or ``tenant_id`` and ``org_id``
            differ.
        """
        if not context:
            return ANONYMOUS
        tenant = _identity(context, "tenant_id")
        org = _identity(context, "org_id")
        if tenant is not None and org is not None and tenant != org:
            raise InvalidContextError(
                f"tenant_id {tenant!r} and org_id {org!r} name the same thing and differ; pass one"
            )
        user = _identity(context, "user_id")
        session = _identity(context, "session_id")
        tenant = org if tenant is None else tenant
        if user is not None:
            return cls(tenant, user)
        if session is not None:
            return cls(tenant, session, "session")
        return ANONYMOUS if tenant is None else cls(tenant)

    def widened(self, scope: CacheScope) -> Partition:
        """Return the partition that shares answers at `scope`.

        Parameters
        ----------
        scope : {"user", "tenant", "global"}
            Who may share.

        Returns
        -------
        Partition
            This one, its tenant, or `ANONYMOUS`. Outside any tenant there is none to widen to, so
            "tenant" then stays with the user.
        """
        if scope == "global":
            return ANONYMOUS
        if scope == "user" or self.tenant is None or self.user is None:
            return self
        return Partition(self.tenant)

    @property
    def key(self) -> str:
        """Text that is equal for equal partitions only, fit for a store's key."""
        return json.dumps([self.tenant, self.user, self.user_kind])


ANONYMOUS = Partition()
"""The partition of whatever names nobody."""


def _identity(context: Mapping[str, Any], name: str) -> str | None:
    value = context.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InvalidContextError(
            f"{name} must be a string or a whole number, got {type(value).__name__}"
        )
    text = str(value)
    # A blank identity is nearly always a lost one; to share data under it would be a leak.
    if not text.strip():
        raise InvalidContextError(f"{name} is blank; leave it out for an anonymous execution")
    if len(text) > _MAX_ID_LENGTH:
        raise InvalidContextError(f"{name} has {len(text)} characters; at most {_MAX_ID_LENGTH}")
    return text


@dataclass(frozen=True, slots=True)
class CacheHit:
    """An answer found in a cache."""

    response: Any
    """A fresh copy of what was stored."""
    similarity: float = 1.0
    """Cosine of the stored query and the asked one, in [0, 1]; 1.0 for an exact hit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResult:
    """The outcome of one execution; the same type whether a route was found or not."""

    route_id: str | None
    """Route that was carried out; None if there was none."""
    response: Any
    """What the handler or the provider answered; None if nobody did."""
    cache_hit: bool = False
    """Whether the answer was stored before."""
    latency_ms: float = 0.0
    """Duration of the execution, milliseconds."""
    cost_usd: float | None = 0.0
    """What this execution cost, US dollars; 0.0 for a hit or a shared call; None if not known."""
    provider: str | None = None
    """Provider that answered; None for a handler."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """``model``, ``tokens_used``; without a route also ``reason``."""
    execution_id: str = ""
    """Unique name of the execution, as in the log."""
    confidence: float | None = None
    """Confidence of the decision, in (0, 1)."""
    reason: ExecutionReason = "executed"
    """Whether the route's own target answered, a stand-in, or nobody."""
    coalesced: bool = False
    """Whether the answer came from an identical execution that was under way."""
    warnings: tuple[str, ...] = ()
    """What could not be done as asked, in sentences."""
    decision: RouteResult | None = field(default=None, repr=False, compare=False)
    """The decision that was carried out."""
    model: str | None = None
    """Model that answered; None for a handler."""
    usage: Usage | None = None
    """Tokens that this execution used; None for a handler, a hit or a shared call."""
    attempts: int = 0
    """How many calls it took, failed ones included; 0 for a hit or a shared call."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools that the model asks for."""

    @property
    def fallback(self) -> bool:
        """Whether a stand-in answered instead of the route's own target."""
        return self.reason == "fallback"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data in the published shape, and the library's own fields.

        Returns
        -------
        dict
            Fields of the REST answer first; without the decision.
        """
        return {
            "route_id": self.route_id,
            "response": self.response,
            "cache_hit": self.cache_hit,
            "latency_ms": self.latency_ms,
            "cost_usd": self.cost_usd,
            "provider": self.provider,
            "metadata": dict(self.metadata),
            "execution_id": self.execution_id,
            "confidence": self.confidence,
            "reason": self.reason,
            "coalesced": self.coalesced,
            "warnings": list(self.warnings),
            "model": self.model,
            "usage": None if self.usage is None else self.usage.to_dict(),
            "attempts": self.attempts,
            "tool_calls": [call.to_dict() for call in self.tool_calls],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; never holds query text, answers or secrets."""

    name: EventName
    """What happened."""
    at_s: float
    """When, seconds since 1970 UTC."""
    execution_id: str | None = None
    """Execution it belongs to."""
    fields: Mapping[str, str | float | bool | None] = field(default_factory=dict)
    """Particulars, by the names of the published log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRecord:
    """Summary of a finished execution; never holds query text, answers or secrets."""

    at_s: float
    """When it ended, seconds since 1970 UTC."""
    execution_id: str
    """Unique name of the execution."""
    duration_ms: float
    """How long it took, milliseconds."""
    route_id: str | None = None
    """Route that was carried out."""
    provider: str | None = None
    """Provider that answered."""
    model: str | None = None
    """Model that answered."""
    tokens: int = 0
    """Tokens used by this execution."""
    cost_usd: float | None = 0.0
    """Cost of this execution, US dollars; None if not known."""
    cache_hit: bool = False
    """Whether the answer was stored before."""
    coalesced: bool = False
    """Whether the answer was shared with an identical execution."""
    tenant_id: str | None = None
    """Tenant of the context."""
    user_id: str | None = None
    """User of the context."""
    error: str | None = None
    """Code of the error that ended it; None for success."""
