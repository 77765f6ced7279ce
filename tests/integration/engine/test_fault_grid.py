"""Every fault, for every kind of call and one to three targets, through registry and engine."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import StrataError
from stratarouter_runtime.execution.engine import ExecutionEngine
from stratarouter_runtime.execution.rules import EngineRules
from stratarouter_runtime.fake_upstream.answers import OK_SENTENCE
from stratarouter_runtime.fake_upstream.faults.catalogue import FAULTS
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.provider_errors import StreamInterruptedError
from stratarouter_runtime.providers.registry import LLMClientRegistry
from stratarouter_runtime.stream_events import TextDelta
from stratarouter_runtime.telemetry.clock import SystemClock
from stratarouter_runtime.testing import FakeUpstream
from tests.integration.providers.clients import KINDS, asked, make_client, texts
from tests.integration.providers.fault_oracle import (
    LIMITS,
    TIME_SCALE,
    TIMEOUT_S,
    Cell,
    Outcome,
    cells,
    outcome,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE_BYTES, MOST_BYTES = 3_000_000, 1_000_000
DEADLINE_S = 30.0
USD_PER_TOKEN = Decimal("0.000001")
SAMPLE = 7
TESTS = count(1)
# A whole answer, or nothing; how far it came is a matter of milliseconds.
UNDECIDED = {"drip-stream"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of a call over several targets."""

    error: type[StrataError] | None
    """The very class; None for an answer."""
    by: int
    """Who answered, or was asked last."""
    attempts: int
    """Calls to targets that fail."""
    is_answered_by_another: bool
    """Whether the last target, which is well, answered."""


def verdict(cell: Cell, targets: int) -> Verdict:
    """Return what comes of it, from what one call meets."""
    expected = outcome(cell)
    if expected.error is None:
        return Verdict(None, 0, 1, False)
    if cell.operation == "stream" and expected.text:
        return Verdict(StreamInterruptedError, 0, 1, False)
    is_soon = expected.retry_after_s is None or expected.retry_after_s[0] < DEADLINE_S / targets
    tries = 2 if expected.error.retryable and is_soon and not cell.is_timed else 1
    if not expected.error.failover or targets == 1:
        return Verdict(expected.error, 0, tries, False)
    return Verdict(None, targets - 1, tries * (targets - 1), True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take the whole grid for `make prove`, and a sample otherwise."""
    if "cell" not in metafunc.fixturenames:
        return
    grid = [(kind, cell, n) for n in (1, 2, 3) for cell in cells() for kind in KINDS]
    if metafunc.config.getoption("--hypothesis-profile") != "prove":
        grid = grid[::SAMPLE]
    ids = [f"{kind}-{cell}-{n}" for kind, cell, n in grid]
    metafunc.parametrize(("kind", "cell", "targets"), grid, ids=ids)


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server whose waits are short."""
    with FakeUpstream(time_scale=TIME_SCALE, large_body_bytes=LARGE_BYTES) as running:
        yield running


class Call:
    """One call through the registry, and what came of it."""

    def __init__(self, cell: Cell, targets: int) -> None:
        clock, is_timed = SystemClock(), cell.is_timed
        # The deadline alone ends a stream that goes on for ever.
        is_endless = cell.operation == "stream" and cell.fault == "never-ends"
        self.cell = cell
        self.ledger = MemoryLedger(clock)
        self.engine = ExecutionEngine(
            timeout=TIMEOUT_S * targets if is_endless else DEADLINE_S,
            max_retries=0 if is_timed else 1,
            retry_delay_ms=0.0,
            journal=self.ledger,
            clock=clock,
            # What is asked for is counted by the oracle, and not waited for.
            sleep=lambda _: asyncio.sleep(0),
            rules=EngineRules(attempt_timeout_s=TIMEOUT_S if is_timed else None),
        )
        price = {"input_usd": 1, "output_usd": 1}
        self.registry = LLMClientRegistry(
            self.engine, prices={f"t{number}/*": price for number in range(3)}
        )
        self.names: list[str] = []
        self.delivered = ""
        self.answer: Any = None
        self.error: StrataError | None = None
        self.took_s = 0.0

    def add(self, client: Any, model: str) -> None:
        """Add a target."""
        name = f"t{len(self.names)}"
        self.registry.register(name, client)
        self.names.append(f"{name}/{model}")

    @property
    def models(self) -> list[str]:
        """Models of the targets, which no other test has."""
        return [name.partition("/")[2] for name in self.names]

    def seen_by(self, upstream: FakeUpstream) -> int:
        """Return how many requests arrived."""
        return sum(request.model in self.models for request in upstream.requests)

    def billed_by(self, upstream: FakeUpstream) -> Decimal:
        """Return what the upstream charges, US dollars."""
        bills = [upstream.billed(model) for model in self.models]
        return sum(bill.input_tokens + bill.output_tokens for bill in bills) * USD_PER_TOKEN

    async def make(self) -> None:
        """Make the call."""
        start_s = monotonic()
        first, rest = self.names[0], self.names[1:]
        request, operation = asked("ok"), self.cell.operation
        try:
            if operation == "complete":
                self.answer = await self.registry.complete(first, rest, request=request)
            elif operation == "embed":
                self.answer = await self.registry.embed(first, rest, request=texts("ok"))
            else:
                await self._stream(first, rest)
        except StrataError as error:
            self.error = error
        self.took_s = monotonic() - start_s

    async def _stream(self, first: str, rest: list[str]) -> None:
        assembler = StreamAssembler("p")
        async for event in self.registry.stream(first, rest, request=asked("ok")):
            assembler.feed(event)
            if isinstance(event, TextDelta):
                self.delivered += event.text
        assert assembler.is_finished
        assert assembler.usage is not None
        self.answer = assembler.completion()


async def test_the_verdict_is_the_one_that_follows(
    upstream: FakeUpstream, kind: str, cell: Cell, targets: int
) -> None:
    upstream.reset()
    expected, follows = outcome(cell), verdict(cell, targets)
    bad_url = upstream.connect_url(cell.fault) if cell.kind == "connect" else upstream.url
    bad_model = "ok" if cell.kind == "connect" else f"fault-{cell.name}"
    settings = {"max_answer_bytes": MOST_BYTES, **(LIMITS if cell.is_timed else {})}
    call, before = Call(cell, targets), asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        for number in range(targets):
            is_well = targets > 1 and number == targets - 1
            url, model = (upstream.url, "ok") if is_well else (bad_url, bad_model)
            client = make_client(kind, url, **settings)
            stack.push_async_callback(client.aclose)
            # What stands behind the @ tells the targets apart, and from those of other tests,
            # whose connections may be taken up late.
            call.add(client, f"{model}@{next(TESTS)}")
        await call.make()

    if str(cell) in UNDECIDED:
        assert call.error is not None or follows.is_answered_by_another
    else:
        assert_verdict(call, follows, expected)
    least = expected.calls[0] * follows.attempts + follows.is_answered_by_another
    most = expected.calls[1] * follows.attempts + follows.is_answered_by_another
    if str(cell) not in UNDECIDED:
        assert await upstream.until(lambda it: least <= call.seen_by(it) <= most)
    assert call.took_s <= expected.longest_s * follows.attempts + 1.0
    assert await upstream.until(lambda it: has_settled(it, cell, follows.attempts))
    assert_accounts(call, follows, expected, upstream)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


def assert_verdict(call: Call, follows: Verdict, expected: Outcome) -> None:
    """Check who answered what, or why nobody did."""
    if follows.error is not None:
        assert type(call.error) is follows.error, repr(call.error)
        if isinstance(call.error, StreamInterruptedError):
            assert call.error.delivered == call.delivered
            assert type(call.error.__cause__) is expected.error
            assert call.delivered.startswith(expected.text)
        return
    assert call.error is None, repr(call.error)
    assert call.answer.provider is not None
    if call.cell.operation == "embed":
        assert call.answer.vectors.shape == (2, 8)
    else:
        text = OK_SENTENCE if follows.is_answered_by_another else expected.text
        assert call.answer.content == text
        assert call.delivered in {"", text}
        assert call.answer.cost_usd is not None


def assert_accounts(
    call: Call, follows: Verdict, expected: Outcome, upstream: FakeUpstream
) -> None:
    """Check that nothing is open, and that the books hold what the upstream bills."""
    totals, bill_usd = call.ledger.totals(), call.billed_by(upstream)
    assert (totals.open_attempts, totals.reserved_usd) == (0, Decimal(0))
    rows = call.ledger.rows()
    if str(call.cell) not in UNDECIDED:
        assert len(rows) == follows.attempts + follows.is_answered_by_another
    # Reports that are wrong make wrong books, and so does what is billed twice or estimated.
    is_truthful = expected.factor == 1 and not expected.estimated and not expected.has_call
    if is_truthful and call.cell.fault not in {"two-choices", "answers-twice", "usage-wrong"}:
        assert bill_usd <= totals.spent_usd + totals.unknown_usd
        assert totals.spent_usd <= bill_usd
        if totals.unknown_attempts == 0:
            assert totals.spent_usd == bill_usd


def has_settled(upstream: FakeUpstream, cell: Cell, attempts: int) -> bool:
    """Say whether everything has been taken up and closed."""
    is_seen = cell.fault != "slow-accept" or len(upstream.connections) >= attempts
    return is_seen and upstream.open_connections == 0


def test_the_grid_has_every_fault() -> None:
    assert {cell.fault for cell in cells()} == set(FAULTS)
