"""How much may be spent, by whom, for what and in which time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from stratarouter_runtime.accounting import Reservation
    from stratarouter_runtime.types import Partition

__all__ = ["Budget", "BudgetPeriod", "BudgetState", "PotKey", "from_units", "to_units"]

BudgetPeriod: TypeAlias = Literal["minute", "hour", "day", "month"]
"""Stretch of the calendar in UTC after which a budget begins anew."""

PotKey: TypeAlias = tuple[str | None, ...]
"""Budget, period, tenant, user and route of one sum that is kept."""

_PERIODS_S = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
_SHARED_BY = ("tenant", "user", "route")
# Prices with six decimals per million tokens are whole numbers of these per token.
_UNIT_DIGITS = 12
_UNITS_PER_USD = 10**_UNIT_DIGITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit on what attempts may cost.

    Raises
    ------
    InvalidInputError
        If the name is blank, or a field has no sensible value.

    Examples
    --------
    >>> each_user = Budget(name="per user", limit_usd=Decimal("0.50"), period="day", per=("user",))
    >>> everything = Budget(name="all", limit_usd=Decimal(100), period="month")
    """

    name: str
    """Its name in errors; budgets of one ledger have different ones."""
    limit_usd: Decimal
    """The limit, US dollars, >= 0."""
    period: BudgetPeriod | None = None
    """When it begins anew, in UTC; None never."""
    partition: Partition | None = None
    """Whose attempts count: this user's, or this tenant's with all its users; None: all."""
    route_id: str | None = None
    """Which route's attempts count; None: those of all."""
    per: tuple[Literal["tenant", "user", "route"], ...] = ()
    """For whom the limit holds separately: for each tenant, user or route, or combination."""
    on_unknown_price: Literal["refuse", "allow"] = "refuse"
    """What happens to calls whose price is not known, so that the limit cannot be kept."""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InvalidInputError("a budget needs a name")
        limit: object = self.limit_usd
        if not isinstance(limit, Decimal) or not limit.is_finite() or limit < 0:
            raise InvalidInputError(f"limit_usd must be a Decimal >= 0, got {limit!r}")
        if self.period is not None and self.period not in {*_PERIODS_S, "month"}:
            known = ", ".join((*_PERIODS_S, "month"))
            raise InvalidInputError(f"period must be None or one of {known}, got {self.period!r}")
        if not set(self.per) <= set(_SHARED_BY):
            raise InvalidInputError(f"per may hold {', '.join(_SHARED_BY)}, got {self.per!r}")
        if self.on_unknown_price not in {"refuse", "allow"}:
            raise InvalidInputError(
                f"on_unknown_price must be 'refuse' or 'allow', got {self.on_unknown_price!r}"
            )

    def covers(self, reservation: Reservation) -> bool:
        """Say whether an attempt counts.

        Parameters
        ----------
        reservation : Reservation
            The attempt.

        Returns
        -------
        bool
            Whether.
        """
        if self.route_id is not None and self.route_id != reservation.route_id:
            return False
        mine, theirs = self.partition, reservation.partition
        if mine is None or mine == theirs:
            return True
        # A tenant answers for its users.
        return mine.user is None and mine.tenant is not None and mine.tenant == theirs.tenant

    def pot(self, reservation: Reservation, wall_s: float) -> PotKey:
        """Return which sum an attempt counts towards.

        Parameters
        ----------
        reservation : Reservation
            The attempt.
        wall_s : float
            Time of day, seconds since 1970 UTC.

        Returns
        -------
        PotKey
            Key of the sum.
        """
        who = reservation.partition
        return (
            self.name,
            self._period_name(wall_s),
            who.tenant if "tenant" in self.per else None,
            # A user lives inside the tenant, and a session is no user of the same name.
            who.key if "user" in self.per else None,
            reservation.route_id if "route" in self.per else None,
        )

    def resets_at_s(self, wall_s: float) -> float:
        """Return when the present period ends.

        Parameters
        ----------
        wall_s : float
            Time of day, seconds since 1970 UTC.

        Returns
        -------
        float
            Seconds since 1970 UTC; infinity if it never does.
        """
        if self.period is None:
            return math.inf
        if self.period == "month":
            day = datetime.fromtimestamp(wall_s, UTC)
            year, month = divmod(day.year * 12 + day.month, 12)
            return datetime(year, month + 1, 1, tzinfo=UTC).timestamp()
        length_s = _PERIODS_S[self.period]
        return (wall_s // length_s + 1.0) * length_s

    def _period_name(self, wall_s: float) -> str | None:
        if self.period is None:
            return None
        if self.period == "month":
            return f"{datetime.fromtimestamp(wall_s, UTC):%Y-%m}"
        return str(int(wall_s // _PERIODS_S[self.period]))


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """One sum that is kept for a budget."""

    budget: str
    """Name of the budget."""
    limit_usd: Decimal
    """Its limit."""
    spent_usd: Decimal
    """Known costs."""
    reserved_usd: Decimal
    """Most that open attempts can cost."""
    unknown_usd: Decimal
    """Most that attempts without a known cost can have cost."""
    resets_at_s: float
    """When it begins anew, seconds since 1970 UTC; infinity if it never does."""
    key: PotKey
    """Which sum it is."""

    @property
    def left_usd(self) -> Decimal:
        """What is left of the limit; negative if calls cost more than was thought possible."""
        return self.limit_usd - self.spent_usd - self.reserved_usd - self.unknown_usd


def to_units(amount_usd: Decimal, *, is_ceiling: bool = False) -> int:
    """Return a sum of money as a whole number of 10**-12 dollars, in which sums are exact.

    Parameters
    ----------
    amount_usd : Decimal, US dollars, >= 0
        The sum.
    is_ceiling : bool
        Whether to round up what is finer; otherwise to the nearest.

    Returns
    -------
    int
        Units.

    Raises
    ------
    InvalidInputError
        If it is negative or no finite Decimal.
    """
    amount: object = amount_usd
    if not isinstance(amount, Decimal) or not amount.is_finite() or amount < 0:
        raise InvalidInputError(f"a sum of money must be a Decimal >= 0, got {amount!r}")
    rounding = ROUND_CEILING if is_ceiling else ROUND_HALF_EVEN
    return int((amount * _UNITS_PER_USD).to_integral_value(rounding))


def from_units(units: int) -> Decimal:
    """Return a sum of money from its units.

    Parameters
    ----------
    units : int
        Units of 10**-12 dollars.

    Returns
    -------
    Decimal
        US dollars.
    """
    return Decimal(units).scaleb(-_UNIT_DIGITS)
