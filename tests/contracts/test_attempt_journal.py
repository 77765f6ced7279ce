"""What every journal of attempts has to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.accounting import Reservation
from stratarouter_runtime.accounting_errors import AttemptStateError, BudgetExceededError
from stratarouter_runtime.conversation import Usage
from stratarouter_runtime.ledger.budgets import Budget
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.testing import ManualClock
from stratarouter_runtime.types import Partition

USD = Decimal
ANN, BOB = Partition("acme", "ann"), Partition("acme", "bob")
SESSION, STRANGER = Partition("acme", "ann", "session"), Partition("other", "ann")


Make = Callable[..., Any]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory"])
def make(request: pytest.FixtureRequest, clock: ManualClock) -> Make:
    """Return a function that makes a journal with budgets."""

    def memory(budgets: Iterable[Budget] = (), **limits: int) -> MemoryLedger:
        return MemoryLedger(clock, budgets, **limits)

    return {"memory": memory}[request.param]


def planned(name: str = "a", ceiling: str | None = "0.10", **fields: Any) -> Reservation:
    """Return an attempt that may cost ten cents."""
    return Reservation(
        attempt_id=name,
        execution_id=fields.pop("execution_id", "x"),
        provider="p",
        ceiling_usd=None if ceiling is None else USD(ceiling),
        **fields,
    )


def sums(journal: Any) -> tuple[Any, Any, Any]:
    """Return what is spent, reserved and unknown."""
    totals = journal.totals()
    return totals.spent_usd, totals.reserved_usd, totals.unknown_usd


async def test_an_answered_attempt_costs_what_it_costs(make: Make, clock: ManualClock) -> None:
    journal = make()
    await journal.reserve(planned())
    assert sums(journal) == (0, USD("0.10"), 0)
    await journal.attempt("a")
    clock.advance(2.0)
    usage = Usage(input_tokens=3)
    await journal.settle("a", cost_usd=USD("0.07"), usage=usage)

    assert sums(journal) == (USD("0.07"), 0, 0)
    (row,) = journal.rows("x")
    assert (row.state, row.cost_usd, row.usage, row.error) == ("settled", USD("0.07"), usage, None)
    assert row.ended_at_s - row.reserved_at_s == 2.0
    assert not row.is_open


async def test_an_attempt_that_was_not_made_costs_nothing(make: Make) -> None:
    journal = make()
    await journal.reserve(planned())
    await journal.release("a")

    assert sums(journal) == (0, 0, 0)
    assert journal.totals().attempts == 1


async def test_an_attempt_without_an_end_is_held_until_the_truth_arrives(make: Make) -> None:
    journal = make([Budget(name="b", limit_usd=USD("0.15"))])
    await journal.reserve(planned())
    await journal.attempt("a")
    await journal.unknown("a", error="PROVIDER_TIMEOUT")
    assert sums(journal) == (0, 0, USD("0.10"))
    assert journal.totals().unknown_attempts == 1
    with pytest.raises(BudgetExceededError):
        await journal.reserve(planned("b"))

    await journal.settle("a", cost_usd=USD("0.02"))

    assert sums(journal) == (USD("0.02"), 0, 0)
    assert journal.totals().unknown_attempts == 0
    assert journal.rows()[0].error == "PROVIDER_TIMEOUT"
    await journal.reserve(planned("b"))


async def test_a_cost_that_nobody_knows_is_not_zero(make: Make) -> None:
    journal = make([Budget(name="b", limit_usd=USD(1), on_unknown_price="allow")])
    await journal.reserve(planned("a", None))
    await journal.attempt("a")
    await journal.settle("a", cost_usd=None, usage=Usage(input_tokens=5))

    assert sums(journal) == (0, 0, 0)
    assert journal.totals().unknown_attempts == 1
    assert journal.rows()[0].cost_usd is None


async def test_closing_again_in_the_same_way_changes_nothing(make: Make) -> None:
    journal = make()
    for name in "abc":
        await journal.reserve(planned(name))
    await journal.attempt("a")
    await journal.attempt("b")
    for _ in range(2):
        await journal.settle("a", cost_usd=USD("0.05"))
        await journal.unknown("b")
        await journal.release("c")

    assert sums(journal) == (USD("0.05"), 0, USD("0.10"))


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ([], "attempt"),
        ([], "settle"),
        ([], "unknown"),
        ([], "release"),
        (["reserve"], "reserve"),
        (["reserve"], "settle"),
        (["reserve"], "unknown"),
        (["reserve", "attempt"], "release"),
        (["reserve", "attempt", "settle"], "reserve"),
        (["reserve", "attempt", "settle"], "attempt"),
        (["reserve", "attempt", "settle"], "unknown"),
        (["reserve", "attempt", "settle"], "settle"),
        (["reserve", "attempt", "unknown"], "release"),
        (["reserve", "release"], "settle"),
    ],
    ids=str,
)
async def test_steps_follow_each_other(make: Make, before: list[str], step: str) -> None:
    journal = make()

    async def take(name: str, cost: str) -> None:
        match name:
            case "reserve":
                await journal.reserve(planned())
            case "settle":
                await journal.settle("a", cost_usd=USD(cost))
            case _:
                await getattr(journal, name)("a")

    for name in before:
        await take(name, "0.01")
    with pytest.raises(AttemptStateError) as caught:
        await take(step, "0.02")

    assert caught.value.attempt_id == "a"


async def test_a_limit_counts_what_is_reserved(make: Make) -> None:
    journal = make([Budget(name="day", limit_usd=USD("0.25"), period="day")])
    await journal.reserve(planned("a"))
    await journal.reserve(planned("b"))
    with pytest.raises(BudgetExceededError) as caught:
        await journal.reserve(planned("c"))

    error = caught.value
    assert (error.budget, error.used_usd, error.asked_usd) == ("day", USD("0.2"), USD("0.1"))
    assert error.resets_in_s is not None
    assert 0 < error.resets_in_s <= 86400
    assert "has $0.05 of $0.25 left, and the call may cost $0.1" in str(error)
    # What just fits, fits.
    await journal.reserve(planned("d", "0.05"))
    assert journal.budgets()[0].left_usd == 0


async def test_all_budgets_have_room_or_none_is_touched(make: Make) -> None:
    journal = make(
        [Budget(name="wide", limit_usd=USD(9)), Budget(name="tight", limit_usd=USD("0.05"))]
    )
    with pytest.raises(BudgetExceededError, match="tight"):
        await journal.reserve(planned())

    assert sums(journal) == (0, 0, 0)
    assert all(state.reserved_usd == 0 for state in journal.budgets())


async def test_a_budget_begins_anew(make: Make, clock: ManualClock) -> None:
    journal = make([Budget(name="hour", limit_usd=USD("0.10"), period="hour")])
    await journal.reserve(planned("a"))
    await journal.attempt("a")
    clock.advance(3600.0)
    await journal.reserve(planned("b"))
    # The first still counts towards the hour that it was reserved in.
    await journal.settle("a", cost_usd=USD("0.10"))
    await journal.release("b")
    await journal.reserve(planned("c"))

    assert [(state.spent_usd, state.reserved_usd) for state in journal.budgets()] == [
        (USD("0.10"), 0),
        (0, USD("0.10")),
    ]


@pytest.mark.parametrize(
    ("budget", "refused"),
    [
        ({}, [ANN, BOB, SESSION, STRANGER]),
        ({"partition": ANN}, [ANN]),
        ({"partition": Partition("acme")}, [ANN, BOB, SESSION]),
        ({"per": ("user",)}, [ANN]),
        ({"per": ("tenant",)}, [ANN, BOB, SESSION]),
        ({"partition": Partition("acme"), "per": ("user",)}, [ANN]),
    ],
    ids=str,
)
async def test_whose_money_it_is(
    make: Make, budget: dict[str, Any], refused: list[Partition]
) -> None:
    journal = make([Budget(name="b", limit_usd=USD("0.10"), **budget)])
    await journal.reserve(planned("first", partition=ANN))
    found = []
    for who in (ANN, BOB, SESSION, STRANGER):
        try:
            await journal.reserve(planned(who.key, partition=who))
        except BudgetExceededError:
            found.append(who)
        else:
            await journal.release(who.key)

    assert found == refused


async def test_routes_have_budgets_of_their_own(make: Make) -> None:
    journal = make(
        [
            Budget(name="billing", limit_usd=USD("0.10"), route_id="billing"),
            Budget(name="each", limit_usd=USD("0.20"), per=("route",)),
        ]
    )
    await journal.reserve(planned("a", route_id="billing"))
    with pytest.raises(BudgetExceededError, match="billing"):
        await journal.reserve(planned("b", route_id="billing"))
    await journal.reserve(planned("c", "0.20", route_id="support"))
    with pytest.raises(BudgetExceededError, match="each"):
        await journal.reserve(planned("d", route_id="support"))
    await journal.reserve(planned("e", "0.20"))


async def test_a_budget_that_cannot_be_kept_refuses_unless_told(make: Make) -> None:
    strict = make([Budget(name="b", limit_usd=USD(1))])
    with pytest.raises(BudgetExceededError, match="price of the call is not known"):
        await strict.reserve(planned("a", None))

    lax = make([Budget(name="b", limit_usd=USD("0.1"), on_unknown_price="allow")])
    await lax.reserve(planned("a", None))
    await lax.reserve(planned("b"))
    with pytest.raises(BudgetExceededError):
        await lax.reserve(planned("c", None))


async def test_a_call_that_costs_more_is_counted_and_closes_the_budget(make: Make) -> None:
    journal = make([Budget(name="b", limit_usd=USD("0.20"))])
    await journal.reserve(planned())
    await journal.attempt("a")
    await journal.settle("a", cost_usd=USD("0.50"))

    assert journal.budgets()[0].left_usd == USD("-0.30")
    with pytest.raises(BudgetExceededError, match=r"has \$0 of"):
        await journal.reserve(planned("b", "0"))


async def test_many_tasks_never_exceed_a_cap_and_lose_nothing(make: Make) -> None:
    cap = USD("1.00")
    journal = make([Budget(name="cap", limit_usd=cap)])
    billed: list[Decimal] = []
    refused = 0

    def within() -> bool:
        totals = journal.totals()
        used: Decimal = totals.spent_usd + totals.reserved_usd + totals.unknown_usd
        return used <= cap

    async def worker(number: int) -> None:
        nonlocal refused
        random = Random(number)
        for call in range(200):
            name = f"{number}-{call}"
            ceiling = USD(random.randrange(1, 2_000_000)).scaleb(-9)
            try:
                await journal.reserve(planned(name, str(ceiling)))
            except BudgetExceededError:
                refused += 1
                await asyncio.sleep(0)
                continue
            assert within()
            await asyncio.sleep(0)
            fate = random.random()
            if fate < 0.1:
                await journal.release(name)
                continue
            await journal.attempt(name)
            await asyncio.sleep(0)
            cost = USD(0) if fate < 0.3 else (ceiling * random.randrange(1001)).scaleb(-3)
            billed.append(cost)
            if fate < 0.4:
                await journal.unknown(name)
                await asyncio.sleep(0)
            await journal.settle(name, cost_usd=cost)
            assert within()

    await asyncio.gather(*(worker(number) for number in range(64)))

    assert refused > 0
    assert sums(journal) == (sum(billed), 0, 0)
    assert journal.totals().open_attempts == 0


@pytest.mark.parametrize("bad", [USD(-1), USD("nan"), 0.5])
async def test_sums_of_money_are_decimals(make: Make, bad: Any) -> None:
    journal = make()
    with pytest.raises(InvalidInputError, match="sum of money"):
        await journal.reserve(
            Reservation(attempt_id="a", execution_id="x", provider="p", ceiling_usd=bad)
        )
    await journal.reserve(planned())
    await journal.attempt("a")
    with pytest.raises(InvalidInputError, match="sum of money"):
        await journal.settle("a", cost_usd=bad)

    assert journal.totals().open_attempts == 1
