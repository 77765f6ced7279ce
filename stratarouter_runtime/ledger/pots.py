"""The sums that budgets are kept by: one for each budget, period and whom it holds for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.accounting_errors import BudgetExceededError, LedgerFullError
from stratarouter_runtime.ledger.budgets import BudgetState, from_units, to_units

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratarouter_runtime.accounting import Reservation
    from stratarouter_runtime.ledger.budgets import Budget, PotKey

__all__ = ["MoneySum", "Pot", "PotBook"]


@dataclass(slots=True)
class MoneySum:
    """Money in units of `budgets.to_units`; the three never overlap."""

    spent: int = 0
    """Known costs."""
    reserved: int = 0
    """Most that open attempts can cost."""
    unknown: int = 0
    """Most that attempts without a known cost can have cost."""

    @property
    def used(self) -> int:
        """All three together."""
        return self.spent + self.reserved + self.unknown


@dataclass(slots=True)
class Pot:
    """One sum and its limit."""

    budget: Budget
    """The budget that it is kept for."""
    limit: int
    """Its limit, in units."""
    ends_at_s: float
    """When its period ends, seconds since 1970 UTC; infinity if it never does."""
    sum: MoneySum = field(default_factory=MoneySum)
    """What counts towards it."""
    open_attempts: int = 0
    """Attempts that will still change it."""

    def require_room(self, held: int, reservation: Reservation, now_s: float) -> None:
        """Refuse an attempt that does not fit.

        Parameters
        ----------
        held : int
            Most that it can cost, in units.
        reservation : Reservation
            The attempt.
        now_s : float
            Time of day, seconds since 1970 UTC.

        Raises
        ------
        BudgetExceededError
            If there is no room, or nobody knows whether there is.
        """
        budget, used = self.budget, self.sum.used
        if reservation.ceiling_usd is None:
            has_room = budget.on_unknown_price == "allow" and used < self.limit
        else:
            has_room = used + held <= self.limit
        if not has_room:
            raise BudgetExceededError(
                budget.name,
                limit_usd=budget.limit_usd,
                used_usd=from_units(used),
                asked_usd=reservation.ceiling_usd,
                resets_in_s=None if budget.period is None else self.ends_at_s - now_s,
            )


class PotBook:
    """All sums of some budgets; not safe for threads by itself.

    Parameters
    ----------
    budgets : iterable of Budget
        The budgets.
    max_pots : int, >= 1
        How many sums there may be at a time.

    Raises
    ------
    InvalidInputError
        If two budgets have one name.
    """

    def __init__(self, budgets: Iterable[Budget], max_pots: int) -> None:
        self._budgets = tuple(budgets)
        names = [budget.name for budget in self._budgets]
        if len(set(names)) < len(names):
            raise InvalidInputError("two budgets have one name; give each its own")
        self._max_pots = max_pots
        self._pots: dict[PotKey, Pot] = {}

    def covering(self, reservation: Reservation, now_s: float) -> tuple[Pot, ...]:
        """Return the sums that an attempt counts towards.

        Parameters
        ----------
        reservation : Reservation
            The attempt.
        now_s : float
            Time of day, seconds since 1970 UTC.

        Returns
        -------
        tuple of Pot
            The sums, new ones included.

        Raises
        ------
        LedgerFullError
            If there would be too many.
        """
        return tuple(
            self._pot(budget, budget.pot(reservation, now_s), now_s)
            for budget in self._budgets
            if budget.covers(reservation)
        )

    def states(self) -> tuple[BudgetState, ...]:
        """Return all sums as they are.

        Returns
        -------
        tuple of BudgetState
            One for each.
        """
        return tuple(
            BudgetState(
                budget=pot.budget.name,
                limit_usd=pot.budget.limit_usd,
                spent_usd=from_units(pot.sum.spent),
                reserved_usd=from_units(pot.sum.reserved),
                unknown_usd=from_units(pot.sum.unknown),
                resets_at_s=pot.ends_at_s,
                key=key,
            )
            for key, pot in self._pots.items()
        )

    def _pot(self, budget: Budget, key: PotKey, now_s: float) -> Pot:
        pot = self._pots.get(key)
        if pot is None:
            if len(self._pots) >= self._max_pots:
                self._forget_ended(now_s)
            if len(self._pots) >= self._max_pots:
                raise LedgerFullError("budget sums", self._max_pots)
            pot = Pot(budget, to_units(budget.limit_usd), budget.resets_at_s(now_s))
            self._pots[key] = pot
        return pot

    def _forget_ended(self, now_s: float) -> None:
        # An attempt that is settled late holds its pots itself.
        ended = [
            key
            for key, pot in self._pots.items()
            if now_s >= pot.ends_at_s and not pot.open_attempts
        ]
        for key in ended:
            del self._pots[key]
