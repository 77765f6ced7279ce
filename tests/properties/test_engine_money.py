"""Whatever happens to calls, their accounts are right at every instant."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from stratarouter.errors import StrataError
from stratarouter_runtime.accounting_errors import BudgetExceededError
from stratarouter_runtime.conversation import Completion, CompletionRequest, Usage
from stratarouter_runtime.execution.rules import EngineRules
from stratarouter_runtime.ledger.budgets import Budget
from stratarouter_runtime.policies.circuit import CircuitRules
from stratarouter_runtime.provider_errors import (
    BadRequestError,
    ConnectionFailedError,
    RateLimitedError,
    ServerError,
)
from tests.engine_setting import Setting
from tests.planned_client import PlannedClient
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from stratarouter_runtime.testing import ManualClock

CAP = Decimal("1.00")
PER_TOKEN = Decimal("0.000001")
NO_BREAKER = EngineRules(circuit=CircuitRules(failure_share=1.0, min_calls=10**9))


class Biller(PlannedClient):
    """Answers or fails by chance, and keeps its own account of what it charges."""

    def __init__(self, random: Random, watch: Any) -> None:
        super().__init__()
        self._random = random
        self._watch = watch
        self.billed = Decimal(0)
        self.lost = 0

    async def complete(
        self, request: CompletionRequest, *, timeout_s: float | None = None
    ) -> Completion:
        self._watch()
        self.calls += 1
        await asyncio.sleep(self._random.random() * 0.2)
        self._watch()
        usage = Usage(
            input_tokens=self._random.randrange(1, 20), output_tokens=self._random.randrange(200)
        )
        chance = self._random.random()
        if chance < 0.1:
            raise ServerError("a", "down", status=500)
        if chance < 0.15:
            raise RateLimitedError("a", "later", status=429, retry_after_s=0.1)
        if chance < 0.18:
            raise BadRequestError("a", "what?", status=400)
        self.billed += usage.total_tokens * PER_TOKEN
        if chance < 0.22:
            # Charged for, and the answer is lost.
            self.billed -= usage.total_tokens * PER_TOKEN
            self.lost += 1
            raise ConnectionFailedError("a", "the connection broke")
        return Completion(content="yes", usage=usage)


async def spend(
    clock: ManualClock, seed: int, tasks: int, calls: int, cap: Decimal
) -> tuple[Setting, Biller, int]:
    """Make many calls against a budget; return how many it refused."""
    random = Random(seed)

    def watch() -> None:
        totals = setting.ledger.totals()
        assert totals.spent_usd + totals.reserved_usd + totals.unknown_usd <= cap

    biller = Biller(random, watch)
    setting = Setting(
        clock,
        biller,
        budgets=(Budget(name="all", limit_usd=cap),),
        rules=NO_BREAKER,
        circuit_breaker_threshold=10**9,
    )
    refused = 0

    async def caller() -> None:
        nonlocal refused
        for _ in range(calls):
            try:
                await setting.ask(params={"max_tokens": 200})
            except BudgetExceededError:
                refused += 1
            except StrataError:
                continue
            watch()

    await asyncio.gather(*(caller() for _ in range(tasks)))
    return setting, biller, refused


def test_64_tasks_with_200_calls_each_stay_within_a_dollar() -> None:
    setting, biller, refused = in_virtual_time(lambda clock: spend(clock, 4, 64, 200, CAP))
    totals = setting.ledger.totals()

    assert biller.calls > 5_000
    assert refused > 100
    assert totals.spent_usd == biller.billed
    assert totals.unknown_attempts == biller.lost > 0
    assert totals.spent_usd + totals.unknown_usd <= CAP
    # The cap was used, and not merely kept.
    assert totals.spent_usd + totals.unknown_usd > CAP - Decimal("0.001")
    assert (totals.open_attempts, totals.reserved_usd) == (0, Decimal(0))


@given(
    seed=st.integers(0, 2**32),
    tasks=st.integers(1, 8),
    calls=st.integers(1, 6),
    cents=st.integers(0, 2),
)
def test_accounts_are_right_whatever_happens(seed: int, tasks: int, calls: int, cents: int) -> None:
    cap = Decimal(cents) / 1000
    setting, biller, _ = in_virtual_time(lambda clock: spend(clock, seed, tasks, calls, cap))
    totals = setting.ledger.totals()

    assert totals.spent_usd == biller.billed
    assert totals.unknown_attempts == biller.lost
    assert totals.open_attempts == 0
