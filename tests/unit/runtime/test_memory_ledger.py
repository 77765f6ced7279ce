"""Accounts in memory: their bounds, their periods, and many threads."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.accounting import Reservation
from stratarouter_runtime.accounting_errors import BudgetExceededError, LedgerFullError
from stratarouter_runtime.ledger.budgets import Budget, from_units, to_units
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.testing import ManualClock
from stratarouter_runtime.types import Partition

if TYPE_CHECKING:
    from stratarouter_runtime.protocols import AttemptJournal

USD = Decimal


def planned(name: str, **fields: Any) -> Reservation:
    return Reservation(
        attempt_id=name, execution_id="x", provider="p", ceiling_usd=USD("0.01"), **fields
    )


async def closed(ledger: MemoryLedger, name: str) -> None:
    """Make an attempt from beginning to end."""
    await ledger.reserve(planned(name))
    await ledger.attempt(name)
    await ledger.settle(name, cost_usd=USD("0.01"))


async def test_it_is_a_journal() -> None:
    journal: AttemptJournal = MemoryLedger(ManualClock())
    await journal.reserve(planned("a"))


async def test_history_is_bounded_and_sums_are_not() -> None:
    ledger = MemoryLedger(ManualClock(), max_history=3)
    for number in range(10):
        await closed(ledger, str(number))

    assert [row.reservation.attempt_id for row in ledger.rows()] == ["7", "8", "9"]
    assert ledger.totals().spent_usd == USD("0.10")
    assert ledger.rows("other") == ()


async def test_open_attempts_are_bounded() -> None:
    ledger = MemoryLedger(ManualClock(), max_open=1)
    await ledger.reserve(planned("a"))
    with pytest.raises(LedgerFullError, match="1 open attempts"):
        await ledger.reserve(planned("b"))
    await ledger.release("a")
    await ledger.reserve(planned("b"))


async def test_sums_of_past_periods_make_room_for_new_ones() -> None:
    clock = ManualClock(wall_s=0.0)
    budget = Budget(name="b", limit_usd=USD(1), period="minute", per=("user",))
    ledger = MemoryLedger(clock, [budget], max_pots=2)
    for user in ("a", "b"):
        await ledger.reserve(planned(user, partition=Partition(user=user)))
    await ledger.release("a")
    with pytest.raises(LedgerFullError, match="2 budget sums"):
        await ledger.reserve(planned("c", partition=Partition(user="c")))
    clock.advance(60.0)

    await ledger.reserve(planned("c", partition=Partition(user="c")))

    # That of "a" is gone; that of "b" still has an open attempt.
    assert len(ledger.budgets()) == 2
    await ledger.release("b")
    assert ledger.totals().reserved_usd == USD("0.01")


def test_threads_do_not_get_past_a_limit() -> None:
    ledger = MemoryLedger(ManualClock(), [Budget(name="b", limit_usd=USD("1.00"))])

    def reserve(number: int) -> bool:
        try:
            asyncio.run(ledger.reserve(planned(str(number))))
        except BudgetExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        passed = sum(pool.map(reserve, range(200)))

    assert passed == 100
    assert ledger.totals().reserved_usd == USD("1.00")


def wall(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("period", "now_s", "ends_at_s"),
    [
        (None, wall(2026, 1, 15, 10), math.inf),
        ("minute", wall(2026, 1, 15, 10, 30, 45), wall(2026, 1, 15, 10, 31)),
        ("hour", wall(2026, 1, 15, 10), wall(2026, 1, 15, 11)),
        ("day", wall(2026, 1, 15, 10, 30), wall(2026, 1, 16)),
        ("month", wall(2026, 1, 31, 23, 59), wall(2026, 2, 1)),
        ("month", wall(2026, 12, 1), wall(2027, 1, 1)),
        ("month", wall(2026, 11, 30), wall(2026, 12, 1)),
    ],
)
def test_periods_follow_the_calendar(period: Any, now_s: float, ends_at_s: float) -> None:
    budget = Budget(name="b", limit_usd=USD(1), period=period)
    reservation = planned("a")

    assert budget.resets_at_s(now_s) == ends_at_s
    if ends_at_s < math.inf:
        assert budget.pot(reservation, ends_at_s - 1) == budget.pot(reservation, now_s)
        assert budget.pot(reservation, ends_at_s) != budget.pot(reservation, now_s)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": " "}, "needs a name"),
        ({"limit_usd": 1.0}, "limit_usd must be a Decimal"),
        ({"limit_usd": USD(-1)}, "limit_usd must be"),
        ({"limit_usd": USD("inf")}, "limit_usd must be"),
        ({"period": "week"}, "period must be"),
        ({"per": ("team",)}, "per may hold"),
        ({"on_unknown_price": "guess"}, "on_unknown_price must be"),
    ],
)
def test_impossible_budgets_are_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        Budget(**{"name": "b", "limit_usd": USD(1), **fields})


def test_two_budgets_of_one_name_are_refused() -> None:
    budget = Budget(name="b", limit_usd=USD(1))
    with pytest.raises(InvalidInputError, match="two budgets"):
        MemoryLedger(ManualClock(), [budget, budget])


def test_units_are_exact_to_the_twelfth_digit() -> None:
    assert from_units(to_units(USD("0.000000000001"))) == USD("0.000000000001")
    assert to_units(USD("0.0000000000004")) == 0
    assert to_units(USD("0.0000000000004"), is_ceiling=True) == 1
    assert from_units(to_units(USD(100))) == 100
