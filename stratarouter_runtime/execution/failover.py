"""Asking one target after another, each as often as it makes sense, within one limit."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from stratarouter.errors import StrataError
from stratarouter_runtime.errors import ExecutionTimeoutError, ProviderError
from stratarouter_runtime.execution.repeating import repeat
from stratarouter_runtime.policies.retrying import decide_retry
from stratarouter_runtime.policies.targets import targets_after
from stratarouter_runtime.provider_errors import (
    AllTargetsFailedError,
    AttemptFailure,
    CircuitOpenError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeAlias

    from stratarouter_runtime.execution.operations import Execution, Operation
    from stratarouter_runtime.execution.rules import EngineRules, RetryBudgets
    from stratarouter_runtime.policies.backoff import Backoff
    from stratarouter_runtime.policies.circuit import CircuitTable
    from stratarouter_runtime.policies.retrying import RetryDecision
    from stratarouter_runtime.policies.targets import Target, TargetKey
    from stratarouter_runtime.protocols import Clock
    from stratarouter_runtime.telemetry.events import EventBus
    from stratarouter_runtime.types import EventName

    Ask: TypeAlias = "Callable[[Target, float, bool], Awaitable[T]]"

__all__ = ["Failover"]

T = TypeVar("T")

# What is left of a limit that a timer has used up.
_OVER_S = 1e-3


class Failover:
    """Repetitions and fallbacks of one engine.

    A target's share of the time is fixed when it is first asked: what remains, divided by the
    targets left. Its repetitions and waits have to fit into it, so that those after it get theirs.
    When the breakers of a whole group are open, the target that is to be tried soonest is asked
    nevertheless, as long as its retry budget allows.

    Parameters
    ----------
    rules : EngineRules
        The finer settings.
    max_retries : int, >= 0
        Repetitions at one target.
    backoff : Backoff
        How long to wait before them.
    budgets : RetryBudgets
        Repetitions that all traffic of a target may make.
    circuits : CircuitTable
        Breakers of the targets.
    clock : Clock
        Where the time comes from.
    sleep : callable
        Waits for seconds.
    random : callable
        Returns a random number, uniform in [0, 1).
    bus : EventBus
        Where telemetry goes.
    """

    def __init__(
        self,
        *,
        rules: EngineRules,
        max_retries: int,
        backoff: Backoff,
        budgets: RetryBudgets,
        circuits: CircuitTable,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
        bus: EventBus,
    ) -> None:
        self._rules = rules
        self._max_retries = max_retries
        self._backoff = backoff
        self._budgets = budgets
        self._circuits = circuits
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._bus = bus

    async def run(
        self, targets: Sequence[Target], operation: Operation, execution: Execution, ask: Ask[T]
    ) -> T:
        """Ask until somebody answers.

        Parameters
        ----------
        targets : sequence of Target
            Whom to ask, in order; at least one.
        operation : Operation
            What is done.
        execution : Execution
            Its limits, and its failures so far.
        ask : callable
            Makes one attempt: takes a target, the longest time in seconds, and whether to ask
            although the breaker is open.

        Returns
        -------
        T
            The first answer.

        Raises
        ------
        ExecutionTimeoutError
            If the time is over.
        AllTargetsFailedError
            If several targets were asked in vain.
        StrataError
            The failure of the only target, or one that nobody else can cure.
        """
        queue = list(targets)
        asked: dict[TargetKey, Target] = {}
        while queue and self._remaining_s(execution) > _OVER_S:
            target = queue.pop(0)
            asked[target.key] = target
            now_s = self._clock.now_s()
            end_s = now_s + execution.deadline.remaining_s(now_s) / (len(queue) + 1)
            self._budgets.get(target.key).deposit(now_s)
            started_s, limit_s = now_s, self._limit_s(target, end_s - now_s)
            try:
                try:
                    answer = await ask(target, limit_s, False)
                except StrataError as error:
                    self._note(target, execution, error, started_s)
                    if not error.retryable or self._max_retries == 0:
                        raise
                    answer = await self._again(
                        error, target, end_s, operation=operation, execution=execution, ask=ask
                    )
            except StrataError as error:
                self._emit("failover.attempt_failed", target, execution, error=error.code)
                after = targets_after(error, queue, execution.chains)
                queue = [target for target in after if target.key not in asked]
                continue
            if len(asked) > 1:
                self._emit("failover.success", target, execution, targets=len(asked))
            return answer
        soonest = self._soonest(asked, operation, execution)
        if soonest is not None:
            # A failure is among those of the execution then.
            with suppress(StrataError):
                return await self._once(
                    soonest, execution, ask, self._remaining_s(execution), force=True
                )
        raise self._verdict(operation, execution, len(asked))

    async def _again(
        self,
        first: StrataError,
        target: Target,
        end_s: float,
        *,
        operation: Operation,
        execution: Execution,
        ask: Ask[T],
    ) -> T:
        """Repeat a call until its target answers or its share of the time is over."""
        failures = 0

        async def once() -> T:
            return await self._once(target, execution, ask, end_s - self._clock.now_s())

        def delay_after(error: BaseException) -> float | None:
            nonlocal failures
            failures += 1
            decision = self._decide(error, failures, target, end_s, operation)
            if decision is not None and decision.is_retry:
                if failures == 1:
                    self._emit("retry.start", target, execution)
                self._emit(
                    "retry.attempt", target, execution, retry=failures, delay_s=decision.delay_s
                )
                return decision.delay_s
            if decision is not None and decision.verdict != "final":
                self._emit("retry.exhausted", target, execution, reason=decision.verdict)
            return None

        return await repeat(first, once, delay_after, self._sleep)

    def _decide(
        self,
        error: BaseException,
        failures: int,
        target: Target,
        end_s: float,
        operation: Operation,
    ) -> RetryDecision | None:
        now_s = self._clock.now_s()
        breaker = self._circuits.get(operation.breaker_key(target), now_s)
        if breaker.retry_after_s(now_s) > 0.0:
            return None
        return decide_retry(
            error,
            failures,
            max_retries=self._max_retries,
            remaining_s=max(0.0, end_s - now_s - _OVER_S),
            backoff=self._backoff,
            fraction=self._random(),
            budget=self._budgets.get(target.key),
            now_s=now_s,
        )

    async def _once(
        self,
        target: Target,
        execution: Execution,
        ask: Ask[T],
        left_s: float,
        *,
        force: bool = False,
    ) -> T:
        started_s = self._clock.now_s()
        try:
            return await ask(target, self._limit_s(target, left_s), force)
        except StrataError as error:
            self._note(target, execution, error, started_s)
            raise

    def _note(
        self, target: Target, execution: Execution, error: StrataError, started_s: float
    ) -> None:
        execution.failures.append(
            AttemptFailure(
                provider=target.provider,
                model=target.model,
                error=error,
                duration_s=self._clock.now_s() - started_s,
            )
        )

    def _remaining_s(self, execution: Execution) -> float:
        return execution.deadline.remaining_s(self._clock.now_s())

    def _limit_s(self, target: Target, left_s: float) -> float:
        own_s = self._rules.attempt_timeout_s if target.timeout_s is None else target.timeout_s
        return max(_OVER_S, left_s if own_s is None else min(own_s, left_s))

    def _soonest(
        self, asked: dict[TargetKey, Target], operation: Operation, execution: Execution
    ) -> Target | None:
        failures = execution.failures
        is_group_left_alone = len(asked) > 1 and all(
            isinstance(failure.error, CircuitOpenError) for failure in failures
        )
        if not is_group_left_alone or self._remaining_s(execution) <= _OVER_S:
            return None
        now_s = self._clock.now_s()
        soonest = min(
            asked.values(),
            key=lambda target: self._circuits.get(
                operation.breaker_key(target), now_s
            ).retry_after_s(now_s),
        )
        return soonest if self._budgets.get(soonest.key).try_withdraw(now_s) else None

    def _verdict(self, operation: Operation, execution: Execution, asked: int) -> StrataError:
        failures = execution.failures
        summary = _summary(failures, asked)
        if asked > 1:
            self._bus.emit("failover.all_attempts_failed", execution.execution_id, targets=asked)
        if self._remaining_s(execution) <= _OVER_S:
            late = ExecutionTimeoutError(operation.what, execution.deadline.timeout_s)
            late.__cause__ = summary
            return late
        # Without a single failure the loop ends only when the time is over.
        return (
            summary
            if summary is not None
            else ExecutionTimeoutError(operation.what, execution.deadline.timeout_s)
        )

    def _emit(
        self,
        name: EventName,
        target: Target,
        execution: Execution,
        **fields: str | float | bool | None,
    ) -> None:
        self._bus.emit(
            name,
            execution.execution_id,
            provider=target.provider,
            model=target.model,
            **fields,
        )


def _summary(failures: Sequence[AttemptFailure], asked: int) -> StrataError | None:
    if not failures:
        return None
    last = failures[-1].error
    # A breaker that opened meanwhile is no news beside what opened it.
    made = [entry.error for entry in failures if not isinstance(entry.error, CircuitOpenError)]
    if asked == 1:
        return made[-1] if made else last
    is_final = not getattr(last, "failover", False)
    is_refused_by_us = not any(isinstance(entry.error, ProviderError) for entry in failures)
    if is_final or is_refused_by_us:
        return last
    everything = AllTargetsFailedError(failures)
    everything.__cause__ = last
    return everything
