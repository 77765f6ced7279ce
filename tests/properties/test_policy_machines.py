"""Breaker and retry budget against models of a few lines, over any sequence of events."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stratarouter_runtime.policies.circuit import CircuitBreaker, CircuitPermit, CircuitRules
from stratarouter_runtime.policies.retry_budget import RetryBudget
from stratarouter_runtime.policies.selection import (
    SelectionStrategy,
    TargetSelector,
    TargetStats,
)
from stratarouter_runtime.policies.targets import Target
from stratarouter_runtime.policies.windows import SlidingCounts

OPEN_S, LEASE_S, MAX_HALF_S, IN_ROW, PROBES, TO_CLOSE = 10.0, 4.0, 9.0, 3, 2, 2
WINDOW_S, SLOT_S, SHARE, FLOOR = 20.0, 2.0, 0.25, 2

steps = st.sampled_from([0.0, 0.5, 1.0, 3.9, 4.0, 9.0, 10.0, 25.0])


class CircuitMachine(RuleBasedStateMachine):
    """Keeps state, its beginning, the row and the leases beside the real thing."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.breaker = CircuitBreaker(
            CircuitRules(
                failures_in_row=IN_ROW,
                # The share has tests of its own; here the row decides.
                min_calls=10**6,
                open_s=OPEN_S,
                probes=PROBES,
                successes_to_close=TO_CLOSE,
                probe_lease_s=LEASE_S,
                max_half_open_s=MAX_HALF_S,
            )
        )
        self.state, self.since_s, self.row, self.good, self.epoch = "closed", 0.0, 0, 0, 0
        self.leases: dict[CircuitPermit, float] = {}
        # Permits that are out, with the epoch that gave them.
        self.out: list[tuple[CircuitPermit, int]] = []

    def enter(self, state: str) -> None:
        self.state, self.since_s, self.row, self.good = state, self.now_s, 0, 0
        self.epoch += 1
        self.leases.clear()

    @rule(step_s=steps)
    def wait(self, step_s: float) -> None:
        self.now_s += step_s
        if self.state == "open" and self.now_s >= self.since_s + OPEN_S:
            self.enter("half_open")
        elif self.state == "half_open" and self.now_s >= self.since_s + MAX_HALF_S:
            self.enter("open")
        self.leases = {key: end for key, end in self.leases.items() if self.now_s < end}
        assert self.breaker.state(self.now_s) == self.state

    @rule()
    def ask(self) -> None:
        permit = self.breaker.acquire(self.now_s)
        passes = self.state == "closed" or (self.state == "half_open" and len(self.leases) < PROBES)
        assert (permit is not None) == passes
        if permit is not None:
            self.out.append((permit, self.epoch))
            if self.state == "half_open":
                self.leases[permit] = self.now_s + LEASE_S

    @precondition(lambda self: self.out)
    @rule(data=st.data(), outcome=st.sampled_from(["success", "failure", "ignored"]))
    def give_back(self, data: st.DataObject, outcome: str) -> None:
        permit, epoch = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.breaker.record(permit, outcome, self.now_s)  # type: ignore[arg-type]
        if epoch != self.epoch:
            return
        if self.state == "half_open" and self.leases.pop(permit, None) is None:
            return
        if outcome == "ignored":
            return
        self.row = self.row + 1 if outcome == "failure" else 0
        self.good += outcome == "success"
        if self.row >= (1 if self.state == "half_open" else IN_ROW):
            self.enter("open")
        elif self.state == "half_open" and self.good >= TO_CLOSE:
            self.enter("closed")

    @invariant()
    def they_agree(self) -> None:
        assert self.breaker.state(self.now_s) == self.state

    @invariant()
    def it_always_comes_back(self) -> None:
        wait_s = self.breaker.retry_after_s(self.now_s)
        assert 0.0 <= wait_s <= max(OPEN_S, LEASE_S)
        assert (wait_s == 0.0) == (
            self.state == "closed" or (self.state == "half_open" and len(self.leases) < PROBES)
        )


class BudgetMachine(RuleBasedStateMachine):
    """Keeps every call and repetition with its slot, and counts those of the latest slots."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.budget = RetryBudget(SHARE, FLOOR, WINDOW_S)
        self.calls: list[int] = []
        self.repetitions: list[int] = []

    def recent(self, events: list[int]) -> int:
        return sum(event > self.slot - 10 for event in events)

    @property
    def slot(self) -> int:
        return int(self.now_s // SLOT_S)

    @rule(step_s=steps)
    def wait(self, step_s: float) -> None:
        self.now_s += step_s

    @rule(times=st.integers(1, 12))
    def call(self, times: int) -> None:
        for _ in range(times):
            self.budget.deposit(self.now_s)
            self.calls.append(self.slot)

    @rule()
    def repeat(self) -> None:
        allowed = max(FLOOR, int(SHARE * self.recent(self.calls)))
        passes = self.recent(self.repetitions) < allowed
        assert self.budget.try_withdraw(self.now_s) == passes
        if passes:
            self.repetitions.append(self.slot)

    @invariant()
    def balance_agrees(self) -> None:
        allowed = max(FLOOR, int(SHARE * self.recent(self.calls)))
        left = max(0, allowed - self.recent(self.repetitions))
        assert self.budget.balance(self.now_s) == left


TestCircuitMachine = CircuitMachine.TestCase
TestCircuitMachine.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


@given(calls=st.integers(0, 3000), floor=st.integers(0, 50))
def test_a_dead_upstream_is_asked_a_fifth_more_at_most(calls: int, floor: int) -> None:
    budget = RetryBudget(share=0.2, floor=floor)
    for _ in range(calls):
        budget.deposit(0.0)
    repetitions = sum(budget.try_withdraw(0.0) for _ in range(2 * calls + 60))

    assert repetitions == max(floor, calls // 5)


@given(events=st.lists(st.tuples(steps, st.integers(0, 5)), max_size=40))
def test_windows_hold_what_their_slots_hold(events: list[tuple[float, int]]) -> None:
    counts, now_s = SlidingCounts(1, WINDOW_S), 0.0
    seen: list[tuple[int, int]] = []
    for step_s, amount in events:
        now_s += step_s
        counts.add(now_s, amount)
        slot = int(now_s // SLOT_S)
        seen.append((slot, amount))
        assert counts.totals(now_s) == [sum(a for s, a in seen if s > slot - 10)]
    counts.clear()
    assert counts.totals(now_s) == [0]


names = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True)


@given(
    group=names,
    strategy=st.sampled_from(["priority", "round_robin", "weighted", "least_latency", "health"]),
    calls=st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans(), steps), max_size=30),
    seed=st.integers(0, 99),
)
def test_every_order_holds_every_target_once(
    group: list[str],
    strategy: SelectionStrategy,
    calls: list[tuple[str, bool, float]],
    seed: int,
) -> None:
    stats, now_s = TargetStats(), 0.0
    selector, draw = TargetSelector(strategy, stats), Random(seed).random
    targets = [Target(provider=name, weight=ord(name) - 97) for name in group]
    for name, is_success, step_s in calls:
        now_s += step_s
        stats.started((name, None))
        stats.ended((name, None), now_s, step_s, is_success=is_success)
        ordered = selector.order(targets, now_s, draw)

        assert sorted(map(str, ordered)) == sorted(group)
        if strategy != "priority":
            health = [selector.is_healthy(target, now_s) for target in ordered]
            assert health == sorted(health, reverse=True)
