"""One attempt: a permit, a row, a call, and everything given back however it ends."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from stratarouter.errors import StrataError
from stratarouter_runtime.execution.attempt import Attempt
from stratarouter_runtime.execution.charging import may_have_cost
from stratarouter_runtime.policies.circuit import circuit_outcome
from stratarouter_runtime.provider_errors import (
    CircuitOpenError,
    ProviderTimeoutError,
)

if TYPE_CHECKING:
    from stratarouter_runtime.execution.bookkeeping import Bookkeeper
    from stratarouter_runtime.execution.operations import (
        Bill,
        CallOperation,
        Execution,
        Operation,
    )
    from stratarouter_runtime.policies.circuit import (
        CircuitOutcome,
        CircuitTable,
    )
    from stratarouter_runtime.policies.selection import TargetStats
    from stratarouter_runtime.policies.targets import Target
    from stratarouter_runtime.protocols import Clock
    from stratarouter_runtime.provider_errors import TimeoutPhase
    from stratarouter_runtime.telemetry.events import EventBus
    from stratarouter_runtime.types import EventName

__all__ = ["AttemptDesk"]

T = TypeVar("T")

_logger = logging.getLogger("stratarouter_runtime")

# What a client that keeps its own time gets on top of it, to say itself what took too long.
_GRACE_S = 0.02

_NOTHING = Decimal(0)
_NOT_WRITTEN = "the end of attempt %s could not be written down: %s"
_CIRCUIT_EVENTS: dict[str, EventName] = {
    "open": "circuit.open",
    "half_open": "circuit.half_open",
    "closed": "circuit.close",
}


class AttemptDesk:
    """Begins attempts and closes them.

    Parameters
    ----------
    circuits : CircuitTable
        A breaker for each target.
    stats : TargetStats
        How targets do.
    books : Bookkeeper
        Where attempts are written down.
    clock : Clock
        Where the time comes from.
    bus : EventBus
        Where telemetry goes.
    """

    __slots__ = ("_books", "_bus", "_circuits", "_clock", "_stats")

    def __init__(
        self,
        circuits: CircuitTable,
        stats: TargetStats,
        books: Bookkeeper,
        clock: Clock,
        bus: EventBus,
    ) -> None:
        self._circuits = circuits
        self._stats = stats
        self._books = books
        self._clock = clock
        self._bus = bus

    def begin(
        self, target: Target, operation: Operation, execution: Execution, *, force: bool = False
    ) -> Attempt:
        """Ask the breaker and the cost cap; one of `answered` and `failed` must follow.

        Parameters
        ----------
        target : Target
            Who is asked.
        operation : Operation
            For what.
        execution : Execution
            What it belongs to.
        force : bool
            Whether to ask although the breaker is open.

        Returns
        -------
        Attempt
            The attempt.

        Raises
        ------
        CircuitOpenError
            If the target is left alone.
        CostCapExceededError
            If it can cost too much.
        """
        now_s = self._clock.now_s()
        ceiling_usd = operation.ceiling_usd(target)
        breaker = self._circuits.get(operation.breaker_key(target), now_s)
        permit = breaker.acquire(now_s)
        if permit is None and not force:
            raise CircuitOpenError(
                target.provider, breaker.retry_after_s(now_s), model=target.model
            )
        try:
            execution.cap.reserve(ceiling_usd)
        except StrataError:
            if permit is not None:
                breaker.record(permit, "ignored", now_s)
            raise
        self._stats.started(target.key)
        return Attempt(
            target,
            execution,
            ceiling_usd=ceiling_usd,
            breaker=breaker,
            permit=permit,
            started_s=now_s,
        )

    async def announce(self, attempt: Attempt) -> None:
        """Write the attempt down, before bytes leave.

        Parameters
        ----------
        attempt : Attempt
            The attempt.

        Raises
        ------
        BudgetExceededError
            If a budget has no room.
        LedgerFullError
            If the journal has none.
        """
        await self._books.reserve(attempt.reservation())
        await self._books.attempt(attempt.attempt_id)
        attempt.state = "sent"
        self.emit("provider.request_start", attempt)

    async def call(
        self,
        target: Target,
        operation: CallOperation[T],
        execution: Execution,
        limit_s: float,
        *,
        force: bool = False,
    ) -> T:
        """Make one attempt at an operation whose answer comes as a whole.

        Parameters
        ----------
        target : Target
            Who is asked.
        operation : CallOperation
            For what.
        execution : Execution
            What it belongs to.
        limit_s : float, seconds, > 0
            Longest time.
        force : bool
            Whether to ask although the breaker is open.

        Returns
        -------
        T
            The answer.

        Raises
        ------
        StrataError
            If there is none.
        """
        attempt = self.begin(target, operation, execution, force=force)
        limit = asyncio.timeout(limit_s + _GRACE_S)
        try:
            async with limit:
                await self.announce(attempt)
                answer, bill = await operation.call(target, limit_s)
        except BaseException as error:
            late = self.late(target, limit_s, error, is_late=limit.expired())
            await self.failed(attempt, late)
            if late is error:
                raise
            raise late from error
        await self.answered(attempt, bill)
        return answer

    def late(
        self,
        target: Target,
        limit_s: float,
        error: BaseException,
        *,
        is_late: bool,
        phase: TimeoutPhase = "total",
    ) -> BaseException:
        """Return the provider's failure instead of the timer's.

        Parameters
        ----------
        target : Target
            Who was asked.
        limit_s : float, seconds, > 0
            The limit.
        error : BaseException
            What ended the attempt.
        is_late : bool
            Whether the limit has passed.
        phase : {"connect", "first_byte", "idle", "total"}
            What was limited.

        Returns
        -------
        BaseException
            `error` itself if the timer had nothing to do with it.
        """
        if is_late and isinstance(error, TimeoutError) and not isinstance(error, StrataError):
            return ProviderTimeoutError(target.provider, limit_s, phase, model=target.model)
        return error

    async def answered(self, attempt: Attempt, bill: Bill) -> None:
        """Close an attempt that was answered.

        Parameters
        ----------
        attempt : Attempt
            The attempt.
        bill : Bill
            What it cost.
        """
        attempt.execution.answered_by = attempt.target
        self._give_back(attempt, "success", is_success=True)
        attempt.execution.cap.settle(attempt.ceiling_usd, bill.cost_usd)
        try:
            await self._books.settle(attempt.attempt_id, cost_usd=bill.cost_usd, usage=bill.usage)
        except StrataError as problem:
            # Without its answer the caller would ask, and pay, once more.
            _logger.error(_NOT_WRITTEN, attempt.attempt_id, problem)  # noqa: TRY400
        if self._bus.is_idle:
            return
        self.emit(
            "provider.request_stop",
            attempt,
            duration_ms=self._elapsed_ms(attempt),
            tokens=bill.usage.total_tokens,
            cost_usd=None if bill.cost_usd is None else float(bill.cost_usd),
        )

    async def failed(
        self, attempt: Attempt, error: BaseException, *, has_content: bool = False
    ) -> None:
        """Close an attempt that failed or was cancelled.

        Parameters
        ----------
        attempt : Attempt
            The attempt.
        error : BaseException
            What it ended with.
        has_content : bool
            Whether a part of the answer had come.
        """
        is_sent = attempt.state == "sent"
        outcome = circuit_outcome(error) if is_sent else "ignored"
        # A quick refusal says nothing about how fast the target answers.
        self._give_back(attempt, outcome, is_success=False if outcome == "failure" else None)
        code = error.code if isinstance(error, StrataError) else "CANCELLED"
        is_free = not is_sent or not (has_content or may_have_cost(error))
        attempt.execution.cap.settle(attempt.ceiling_usd, _NOTHING if is_free else None)
        if not is_sent:
            # What was announced is taken back where the announcement failed.
            return
        try:
            if is_free:
                await self._books.settle(attempt.attempt_id, cost_usd=_NOTHING, error=code)
            else:
                await self._books.unknown(attempt.attempt_id, error=code)
        except StrataError as problem:
            _logger.error(_NOT_WRITTEN, attempt.attempt_id, problem)  # noqa: TRY400
        self.emit(
            "provider.request_error", attempt, duration_ms=self._elapsed_ms(attempt), error=code
        )

    def _give_back(
        self, attempt: Attempt, outcome: CircuitOutcome, *, is_success: bool | None
    ) -> None:
        now_s = self._clock.now_s()
        duration_s = now_s - attempt.started_s
        breaker, target = attempt.breaker, attempt.target
        attempt.state = "closed"
        if attempt.permit is not None:
            breaker.record(attempt.permit, outcome, now_s, duration_s)
        self._stats.ended(target.key, now_s, duration_s, is_success=is_success)
        for state in breaker.drain_changes():
            self._bus.emit(
                _CIRCUIT_EVENTS[state],
                attempt.execution.execution_id,
                provider=target.provider,
                model=target.model,
            )

    def now_s(self) -> float:
        """Return the time now.

        Returns
        -------
        float
            Seconds.
        """
        return self._clock.now_s()

    def _elapsed_ms(self, attempt: Attempt) -> float:
        return (self._clock.now_s() - attempt.started_s) * 1000.0

    def emit(self, name: EventName, attempt: Attempt, **fields: str | float | bool | None) -> None:
        """Tell about an attempt.

        Parameters
        ----------
        name : EventName
            What happened.
        attempt : Attempt
            To which.
        **fields : str, float, bool or None
            Particulars.
        """
        if self._bus.is_idle:
            return
        self._bus.emit(
            name,
            attempt.execution.execution_id,
            provider=attempt.target.provider,
            model=attempt.target.model,
            attempt=attempt.number,
            **fields,
        )
