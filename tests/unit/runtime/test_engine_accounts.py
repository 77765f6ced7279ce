"""What is written down about attempts, and what happens if it cannot be."""

from __future__ import annotations

import asyncio
import logging
import socket
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.accounting import Reservation
from stratarouter_runtime.accounting_errors import LedgerFullError
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.execution.bookkeeping import Bookkeeper
from stratarouter_runtime.execution.charging import may_have_cost
from stratarouter_runtime.execution.journal import NullJournal
from stratarouter_runtime.execution.rules import EngineRules, RetryBudgets
from stratarouter_runtime.provider_errors import (
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    InvalidAnswerError,
    OverloadedError,
    ProviderTimeoutError,
    RateLimitedError,
    ServerError,
    UnsupportedOperationError,
)
from tests.engine_setting import Setting
from tests.planned_client import PlannedClient, events
from tests.virtual_time import virtual

if TYPE_CHECKING:
    from stratarouter_runtime.testing import ManualClock


def failed_with(cause: BaseException) -> ConnectionFailedError:
    """Return a broken connection with its cause."""
    error = ConnectionFailedError("p", "broken")
    error.__cause__ = OSError("on the way")
    error.__cause__.__context__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "may_cost"),
    [
        (AuthenticationError("p", "no"), False),
        (BadRequestError("p", "what?", status=400), False),
        (RateLimitedError("p", "later", status=429), False),
        (ServerError("p", "down", status=500), False),
        (OverloadedError("p", "busy", status=529), False),
        (ServerError("p", "an error inside an answer"), True),
        (ServerError("p", "an error inside an answer", status=200), True),
        (ProviderTimeoutError("p", 1.0, "connect"), False),
        (ProviderTimeoutError("p", 1.0, status=408), False),
        (ProviderTimeoutError("p", 1.0, "first_byte"), True),
        (ConnectionFailedError("p", "broken"), True),
        (failed_with(ConnectionRefusedError()), False),
        (failed_with(socket.gaierror()), False),
        (failed_with(ConnectionResetError()), True),
        (InvalidAnswerError("p", "nonsense", status=200), True),
        (ProviderError("p", "something"), True),
        (UnsupportedOperationError("p", "embeddings"), False),
        (asyncio.CancelledError(), True),
        (GeneratorExit(), True),
        (ValueError("a fault of ours"), True),
    ],
)
def test_only_what_was_refused_is_free(error: BaseException, may_cost: bool) -> None:
    assert may_have_cost(error) is may_cost


class Broken:
    """A journal that fails at some words."""

    def __init__(self, journal: Any, *words: str) -> None:
        self._journal = journal
        self.words = set(words)

    def __getattr__(self, name: str) -> Any:
        write = getattr(self._journal, name)

        async def perhaps(*args: Any, **fields: Any) -> None:
            if name in self.words:
                raise LedgerFullError("rows", 1)
            await write(*args, **fields)

        return perhaps


class Lines(logging.Handler):
    """Remembers how bad it was."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.levels.append(record.levelname)


@virtual
async def test_an_answer_is_not_lost_with_its_row(clock: ManualClock) -> None:
    for read in (False, True):
        client = PlannedClient(events("yes") if read else "yes")
        setting = Setting(clock, client, journal=lambda ledger: Broken(ledger, "settle"))
        logger, lines = logging.getLogger("stratarouter_runtime"), Lines()
        logger.addHandler(lines)
        try:
            await (setting.read() if read else setting.ask())
        finally:
            logger.removeHandler(lines)

        assert setting.calls == [1]
        assert lines.levels == ["ERROR"]


@virtual
async def test_a_failure_is_told_even_if_it_cannot_be_written_down(clock: ManualClock) -> None:
    down = ServerError("x", "down", status=503)
    broken = PlannedClient(down)
    setting = Setting(
        clock, broken, max_retries=0, journal=lambda ledger: Broken(ledger, "settle", "unknown")
    )

    with pytest.raises(ServerError):
        await setting.ask()


@virtual
async def test_without_a_row_no_call_is_made(clock: ManualClock) -> None:
    for word in ("reserve", "attempt"):
        setting = Setting(
            clock,
            PlannedClient(),
            max_retries=0,
            journal=lambda ledger, word=word: Broken(ledger, word),
        )
        with pytest.raises(LedgerFullError):
            await setting.ask()
        assert setting.calls == [0]
        assert setting.ledger.totals().open_attempts == 0


class Hanging(NullJournal):
    """A journal that does not answer until it is told to."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.closed: list[str] = []

    async def unknown(self, attempt_id: str, *, error: str | None = None) -> None:
        await self.gate.wait()
        self.closed.append(attempt_id)


@virtual
async def test_a_journal_that_hangs_does_not_hold_up_for_ever(clock: ManualClock) -> None:
    journal = Hanging()
    books = Bookkeeper(journal)
    writing = asyncio.create_task(books.unknown("a"))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.sleep(1.0)
    # Cancelling once more does not shorten the wait for the row.
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    assert 5.0 <= clock.now_s() <= 6.0
    assert (books.pending, journal.closed) == (1, [])
    journal.gate.set()
    await books.aclose()
    assert (books.pending, journal.closed) == (0, ["a"])


async def test_an_engine_without_accounts_keeps_none() -> None:
    journal = NullJournal()
    await journal.reserve(Reservation(attempt_id="a", execution_id="x", provider="p"))
    await journal.attempt("a")
    await journal.settle("a", cost_usd=Decimal(0))
    await journal.unknown("a")
    await journal.release("a")


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInputError):
        EngineRules(attempt_timeout_s=0.0)
    with pytest.raises(InvalidInputError):
        EngineRules(idle_timeout_s=float("inf"))
    with pytest.raises(InvalidInputError):
        RetryBudgets(2.0, 0)
    assert EngineRules().circuit_with(7).failures_in_row == 7


def test_retry_budgets_are_kept_apart_and_bounded() -> None:
    budgets = RetryBudgets(0.0, 1)
    assert budgets.get("a").try_withdraw(0.0)
    assert not budgets.get("a").try_withdraw(0.0)
    assert budgets.get("b").try_withdraw(0.0)
    for number in range(5000):
        budgets.get(number)
    assert len(budgets._budgets) <= 4096
    assert budgets.get("a").try_withdraw(0.0)
