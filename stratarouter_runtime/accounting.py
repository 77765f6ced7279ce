"""What is written about every attempt: before bytes leave, and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from stratarouter_runtime.types import ANONYMOUS, Partition

if TYPE_CHECKING:
    from decimal import Decimal

    from stratarouter_runtime.conversation import Usage

__all__ = ["AttemptRow", "AttemptState", "LedgerTotals", "Reservation"]

AttemptState: TypeAlias = Literal["reserved", "attempted", "settled", "unknown", "released"]
"""Room is kept; bytes may have left; the cost is known; it never will be; nothing had left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An attempt that is about to be made, and the most that it can cost."""

    attempt_id: str
    """Unique name of the attempt."""
    execution_id: str
    """Execution that it belongs to."""
    number: int = 1
    """Which attempt of the execution it is, from 1."""
    partition: Partition = ANONYMOUS
    """Whose money it is."""
    route_id: str | None = None
    """Route that is carried out."""
    provider: str
    """Provider that is asked."""
    model: str | None = None
    """Model that is asked."""
    ceiling_usd: Decimal | None = None
    """Most that it can cost, US dollars, >= 0; None if its price is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """An attempt in the journal."""

    reservation: Reservation
    """What was announced."""
    state: AttemptState
    """What has become of it."""
    reserved_at_s: float
    """When it was announced, seconds since 1970 UTC."""
    ended_at_s: float | None = None
    """When it was closed, seconds since 1970 UTC; None while it is open."""
    cost_usd: Decimal | None = None
    """What it cost, US dollars; None if that is not known, or not known yet."""
    usage: Usage | None = None
    """What it used; None if that is not known."""
    error: str | None = None
    """Code of the error that it ended with; None for an answer."""

    @property
    def is_open(self) -> bool:
        """Whether it still has to be closed."""
        return self.state in ("reserved", "attempted")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTotals:
    """Sums over a whole journal."""

    spent_usd: Decimal
    """Known costs."""
    reserved_usd: Decimal
    """Most that the open attempts can cost."""
    unknown_usd: Decimal
    """Most that the attempts without a known cost can have cost."""
    attempts: int
    """How many attempts were announced."""
    open_attempts: int
    """How many of them are open."""
    unknown_attempts: int
    """How many of them may have cost something that nobody knows."""
