"""The accounts against a list of attempts that is summed up afresh each time."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stratarouter_runtime.accounting import Reservation
from stratarouter_runtime.accounting_errors import BudgetExceededError
from stratarouter_runtime.ledger.budgets import Budget
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.testing import ManualClock
from stratarouter_runtime.types import ANONYMOUS, Partition

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

HOUR_S = 3600.0
BUDGETS = (
    Budget(name="all", limit_usd=Decimal("0.90")),
    Budget(name="hourly", limit_usd=Decimal("0.40"), period="hour"),
    Budget(name="acme", limit_usd=Decimal("0.50"), partition=Partition("acme")),
    Budget(name="each", limit_usd=Decimal("0.20"), per=("user",), period="hour"),
    Budget(name="billing", limit_usd=Decimal("0.30"), route_id="billing"),
)
partitions = st.sampled_from(
    [ANONYMOUS, Partition("acme"), Partition("acme", "ann"), Partition("other", "ann")]
)
cents = st.integers(0, 25).map(lambda count: Decimal(count) / 100)


@dataclass
class Attempt:
    name: str
    partition: Partition
    route_id: str | None
    hour: int
    ceiling: Decimal
    state: str = "reserved"
    cost: Decimal = Decimal(0)

    @property
    def used(self) -> Decimal:
        if self.state == "settled":
            return self.cost
        return Decimal(0) if self.state == "released" else self.ceiling


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    raise AssertionError("accounts in memory must not wait")


class LedgerMachine(RuleBasedStateMachine):
    """Keeps every attempt for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(wall_s=0.0)
        self.ledger = MemoryLedger(self.clock, BUDGETS)
        self.attempts: list[Attempt] = []

    def used(self, budget: str, new: Attempt) -> Decimal:
        """Sum up what counts together with a new attempt."""
        fitting: dict[str, Callable[[Attempt], bool]] = {
            "all": lambda old: True,
            "hourly": lambda old: old.hour == new.hour,
            "acme": lambda old: old.partition.tenant == "acme",
            "each": lambda old: old.partition == new.partition and old.hour == new.hour,
            "billing": lambda old: old.route_id == "billing",
        }
        fits = fitting[budget]
        return sum((old.used for old in self.attempts if fits(old)), Decimal(0))

    def pick(self, data: st.DataObject, *states: str) -> Attempt:
        return data.draw(st.sampled_from([a for a in self.attempts if a.state in states]))

    def has(self, *states: str) -> bool:
        return any(attempt.state in states for attempt in self.attempts)

    @rule(seconds=st.sampled_from([1.0, 1799.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(who=partitions, route_id=st.sampled_from([None, "billing", "support"]), ceiling=cents)
    def reserve(self, who: Partition, route_id: str | None, ceiling: Decimal) -> None:
        hour = int(self.clock.wall_s() // HOUR_S)
        new = Attempt(str(len(self.attempts)), who, route_id, hour, ceiling)
        covering = ["all", "hourly", "each"]
        covering += ["acme"] * (who.tenant == "acme") + ["billing"] * (route_id == "billing")
        limits = {budget.name: budget.limit_usd for budget in BUDGETS}
        has_room = all(self.used(name, new) + ceiling <= limits[name] for name in covering)
        work = self.ledger.reserve(
            Reservation(
                attempt_id=new.name,
                execution_id="x",
                partition=who,
                route_id=route_id,
                provider="p",
                ceiling_usd=ceiling,
            )
        )
        if has_room:
            run(work)
            self.attempts.append(new)
        else:
            with pytest.raises(BudgetExceededError):
                run(work)

    @precondition(lambda self: self.has("reserved"))
    @rule(data=st.data(), is_made=st.booleans())
    def begin(self, data: st.DataObject, is_made: bool) -> None:
        attempt = self.pick(data, "reserved")
        attempt.state = "attempted" if is_made else "released"
        run((self.ledger.attempt if is_made else self.ledger.release)(attempt.name))

    @precondition(lambda self: self.has("attempted", "unknown"))
    @rule(data=st.data(), share=st.integers(0, 4))
    def settle(self, data: st.DataObject, share: int) -> None:
        attempt = self.pick(data, "attempted", "unknown")
        attempt.state, attempt.cost = "settled", attempt.ceiling * share / 4
        run(self.ledger.settle(attempt.name, cost_usd=attempt.cost))

    @precondition(lambda self: self.has("attempted"))
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        attempt = self.pick(data, "attempted")
        attempt.state = "unknown"
        run(self.ledger.unknown(attempt.name))

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        assert all(state.left_usd >= 0 for state in self.ledger.budgets())

    @invariant()
    def sums_agree(self) -> None:
        totals = self.ledger.totals()
        settled = [a.cost for a in self.attempts if a.state == "settled"]
        held = [a.ceiling for a in self.attempts if a.state in ("reserved", "attempted")]
        lost = [a.ceiling for a in self.attempts if a.state == "unknown"]
        assert totals.spent_usd == sum(settled)
        assert totals.reserved_usd == sum(held)
        assert totals.unknown_usd == sum(lost)
        assert totals.open_attempts == len(held)
        assert totals.unknown_attempts == len(lost)
        pots = [state for state in self.ledger.budgets() if state.budget == "all"]
        assert sum(limit.limit_usd - limit.left_usd for limit in pots) == sum(
            attempt.used for attempt in self.attempts
        )


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
