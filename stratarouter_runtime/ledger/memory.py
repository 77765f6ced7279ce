"""Accounts in this process: exact, bounded, and gone with it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from stratarouter_runtime.accounting import AttemptRow, AttemptState, LedgerTotals
from stratarouter_runtime.accounting_errors import AttemptStateError, LedgerFullError
from stratarouter_runtime.ledger.budgets import from_units, to_units
from stratarouter_runtime.ledger.pots import MoneySum, Pot, PotBook

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from stratarouter_runtime.accounting import Reservation
    from stratarouter_runtime.conversation import Usage
    from stratarouter_runtime.ledger.budgets import Budget, BudgetState
    from stratarouter_runtime.protocols import Clock

__all__ = ["MemoryLedger"]


@dataclass(slots=True)
class _Entry:
    reservation: Reservation
    reserved_at_s: float
    held: int
    pots: tuple[Pot, ...]
    state: AttemptState = "reserved"
    ended_at_s: float | None = None
    cost_usd: Decimal | None = None
    usage: Usage | None = None
    error: str | None = None

    def row(self) -> AttemptRow:
        return AttemptRow(
            reservation=self.reservation,
            state=self.state,
            reserved_at_s=self.reserved_at_s,
            ended_at_s=self.ended_at_s,
            cost_usd=self.cost_usd,
            usage=self.usage,
            error=self.error,
        )


class MemoryLedger:
    """The journal of attempts and its budgets, in memory; an `AttemptJournal`.

    As long as no call costs more than was reserved for it, what is spent, reserved and unknown
    never exceeds a limit together, at no moment. A call that does cost more is counted as it is,
    and the budget is then closed until it begins anew. An attempt counts towards the period in
    which it was reserved. Safe to use from several threads.

    Parameters
    ----------
    clock : Clock
        Where the time comes from.
    budgets : iterable of Budget
        Limits; an attempt has to fit into all that cover it.
    max_history : int, >= 0
        Closed attempts that are remembered; the sums know all of them.
    max_open : int, >= 1
        Open attempts at a time; more are refused.
    max_pots : int, >= 1
        Sums at a time, one for each budget, period and whom it holds for; more are refused.

    Raises
    ------
    InvalidInputError
        If two budgets have one name.
    """

    def __init__(
        self,
        clock: Clock,
        budgets: Iterable[Budget] = (),
        *,
        max_history: int = 10_000,
        max_open: int = 100_000,
        max_pots: int = 100_000,
    ) -> None:
        self._clock = clock
        self._max_history = max_history
        self._max_open = max_open
        self._lock = Lock()
        self._total = MoneySum()
        self._attempts = 0
        self._unknown_attempts = 0
        self._open: dict[str, _Entry] = {}
        self._closed: OrderedDict[str, _Entry] = OrderedDict()
        self._book = PotBook(budgets, max_pots)

    async def reserve(self, reservation: Reservation) -> None:
        """Announce an attempt and keep room for it in every budget; all of them, or none.

        Parameters
        ----------
        reservation : Reservation
            The attempt.

        Raises
        ------
        BudgetExceededError
            If a budget has no room.
        LedgerFullError
            If there are too many open attempts, or sums.
        AttemptStateError
            If the name is taken.
        """
        ceiling = reservation.ceiling_usd
        held = 0 if ceiling is None else to_units(ceiling, is_ceiling=True)
        with self._lock:
            name = reservation.attempt_id
            if name in self._open or name in self._closed:
                raise AttemptStateError(name, "is in the journal already")
            if len(self._open) >= self._max_open:
                raise LedgerFullError("open attempts", self._max_open)
            now_s = self._clock.wall_s()
            pots = self._book.covering(reservation, now_s)
            for pot in pots:
                pot.require_room(held, reservation, now_s)
            for pot in pots:
                pot.sum.reserved += held
                pot.open_attempts += 1
            self._total.reserved += held
            self._attempts += 1
            self._open[name] = _Entry(reservation, now_s, held, pots)

    async def attempt(self, attempt_id: str) -> None:
        """Say that bytes are about to leave.

        Parameters
        ----------
        attempt_id : str
            The attempt.

        Raises
        ------
        AttemptStateError
            If it is not reserved.
        """
        with self._lock:
            entry = self._open.get(attempt_id)
            if entry is None:
                raise AttemptStateError(attempt_id, "is not open")
            entry.state = "attempted"

    async def settle(
        self,
        attempt_id: str,
        *,
        cost_usd: Decimal | None,
        usage: Usage | None = None,
        error: str | None = None,
    ) -> None:
        """Close an attempt whose end is known.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        cost_usd : Decimal or None
            What it cost, US dollars; None if its price is not known.
        usage : Usage, optional
            What it used.
        error : str, optional
            Code of the error that it ended with.

        Raises
        ------
        AttemptStateError
            If no byte had left, or it is closed already in another way.
        """
        cost = None if cost_usd is None else to_units(cost_usd)
        with self._lock:
            late = self._closed.get(attempt_id)
            if late is not None and late.state == "unknown" and cost is not None:
                self._correct(late, cost, cost_usd, usage)
                return
            if late is not None and late.state == "settled" and late.cost_usd == cost_usd:
                return
            entry = self._require_open(attempt_id, "attempted", "settled")
            self._close(entry, "settled", spent=cost, cost_usd=cost_usd, usage=usage, error=error)

    async def unknown(self, attempt_id: str, *, error: str | None = None) -> None:
        """Close an attempt that the provider may charge for, nobody knows what.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        error : str, optional
            Code of the error that it ended with.

        Raises
        ------
        AttemptStateError
            If no byte had left, or it is closed already in another way.
        """
        with self._lock:
            if self._is_closed_as(attempt_id, "unknown"):
                return
            entry = self._require_open(attempt_id, "attempted", "unknown")
            self._close(entry, "unknown", spent=None, error=error)

    async def release(self, attempt_id: str) -> None:
        """Close an attempt of which no byte has left.

        Parameters
        ----------
        attempt_id : str
            The attempt.

        Raises
        ------
        AttemptStateError
            If bytes may have left, or it is closed already in another way.
        """
        with self._lock:
            if self._is_closed_as(attempt_id, "released"):
                return
            entry = self._require_open(attempt_id, "reserved", "released")
            self._close(entry, "released", spent=0)

    def totals(self) -> LedgerTotals:
        """Return the sums over everything.

        Returns
        -------
        LedgerTotals
            The sums, of one moment.
        """
        with self._lock:
            return LedgerTotals(
                spent_usd=from_units(self._total.spent),
                reserved_usd=from_units(self._total.reserved),
                unknown_usd=from_units(self._total.unknown),
                attempts=self._attempts,
                open_attempts=len(self._open),
                unknown_attempts=self._unknown_attempts,
            )

    def budgets(self) -> tuple[BudgetState, ...]:
        """Return the sums of the budgets that were used.

        Returns
        -------
        tuple of BudgetState
            One for each budget, period and whom it holds for, of one moment.
        """
        with self._lock:
            return self._book.states()

    def rows(self, execution_id: str | None = None) -> tuple[AttemptRow, ...]:
        """Return the attempts that are remembered.

        Parameters
        ----------
        execution_id : str, optional
            Only those of one execution.

        Returns
        -------
        tuple of AttemptRow
            Closed ones first, each in the order in which they were closed or reserved.
        """
        with self._lock:
            found = [entry.row() for entry in (*self._closed.values(), *self._open.values())]
        return tuple(
            row
            for row in found
            if execution_id is None or row.reservation.execution_id == execution_id
        )

    def _require_open(self, attempt_id: str, state: AttemptState, to: AttemptState) -> _Entry:
        entry = self._open.get(attempt_id)
        if entry is not None and entry.state == state:
            return entry
        known = entry or self._closed.get(attempt_id)
        if known is None:
            raise AttemptStateError(attempt_id, "is not in the journal")
        raise AttemptStateError(attempt_id, f"is {known.state} and cannot become {to}")

    def _is_closed_as(self, attempt_id: str, state: AttemptState) -> bool:
        known = self._closed.get(attempt_id)
        return known is not None and known.state == state

    def _close(
        self,
        entry: _Entry,
        state: AttemptState,
        *,
        spent: int | None,
        cost_usd: Decimal | None = None,
        usage: Usage | None = None,
        error: str | None = None,
    ) -> None:
        held, is_unknown = entry.held, spent is None
        for account in (self._total, *(pot.sum for pot in entry.pots)):
            account.reserved -= held
            account.spent += 0 if spent is None else spent
            account.unknown += held if is_unknown else 0
        for pot in entry.pots:
            pot.open_attempts -= 1
        self._unknown_attempts += is_unknown
        entry.state = state
        entry.ended_at_s = self._clock.wall_s()
        entry.cost_usd = cost_usd
        entry.usage = usage
        entry.error = error
        name = entry.reservation.attempt_id
        del self._open[name]
        self._closed[name] = entry
        while len(self._closed) > self._max_history:
            self._closed.popitem(last=False)

    def _correct(
        self, entry: _Entry, cost: int, cost_usd: Decimal | None, usage: Usage | None
    ) -> None:
        for account in (self._total, *(pot.sum for pot in entry.pots)):
            account.unknown -= entry.held
            account.spent += cost
        self._unknown_attempts -= 1
        entry.state = "settled"
        entry.cost_usd = cost_usd
        entry.usage = usage
