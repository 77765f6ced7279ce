"""What an execution leaves behind: its result, its record, and what feedback can refer to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from stratarouter.errors import StrataError
from stratarouter_runtime.execution.answers import Answer
from stratarouter_runtime.feedback import RememberedExecution
from stratarouter_runtime.planning import ProviderCall
from stratarouter_runtime.types import ExecutionRecord, ExecutionResult

if TYPE_CHECKING:
    from stratarouter.types import RouteResult
    from stratarouter_runtime.execution_request import ExecutionRequest
    from stratarouter_runtime.feedback import FeedbackBook
    from stratarouter_runtime.planning import ExecutionPlan
    from stratarouter_runtime.protocols import Clock
    from stratarouter_runtime.telemetry.events import EventBus

__all__ = ["Reporter", "error_code"]


def error_code(error: BaseException) -> str:
    """Return the name of an error in telemetry.

    Parameters
    ----------
    error : BaseException
        What ended an execution.

    Returns
    -------
    str
        Its code.
    """
    if isinstance(error, StrataError):
        return error.code
    # A reader who leaves closes the stream; that is no fault of ours either.
    left = isinstance(error, (asyncio.CancelledError, GeneratorExit))
    return "CANCELLED" if left else "INTERNAL_ERROR"


class Reporter:
    """Writes down how executions ended.

    Parameters
    ----------
    bus : EventBus
        Where telemetry goes.
    clock : Clock
        Where the time comes from.
    book : FeedbackBook
        Where executions are remembered.
    """

    def __init__(self, bus: EventBus, clock: Clock, book: FeedbackBook) -> None:
        self._bus = bus
        self._clock = clock
        self._book = book

    def failed(
        self,
        request: ExecutionRequest,
        decision: RouteResult | None,
        plan: ExecutionPlan | None,
        error: BaseException,
    ) -> None:
        """Report an execution that ended without an answer.

        Parameters
        ----------
        request : ExecutionRequest
            What was asked for.
        decision : RouteResult or None
            What was decided; None if it did not come to that.
        plan : ExecutionPlan or None
            What was to be done; None if it did not come to that.
        error : BaseException
            What ended it.
        """
        call = None if plan is None else plan.call
        provider = call.provider.partition("/")[0] if isinstance(call, ProviderCall) else None
        # What a failed call cost is known to the journal, if to anybody.
        cost_usd = None if isinstance(call, ProviderCall) else 0.0
        answer = Answer(response=None, provider=provider, cost_usd=cost_usd)
        self._record(request, decision, answer, error_code(error))
        if decision is not None:
            self._remember(request, plan, answer)

    def finished(
        self,
        request: ExecutionRequest,
        decision: RouteResult,
        plan: ExecutionPlan | None,
        answer: Answer,
    ) -> ExecutionResult:
        """Report an execution that has its answer.

        Parameters
        ----------
        request : ExecutionRequest
            What was asked for.
        decision : RouteResult
            What was decided.
        plan : ExecutionPlan or None
            What was done; None if nobody was to answer.
        answer : Answer
            The answer.

        Returns
        -------
        ExecutionResult
            The outcome.
        """
        self._record(request, decision, answer, None)
        self._remember(request, plan, answer)
        metadata: dict[str, Any] = {"model": answer.model, "tokens_used": answer.tokens}
        if plan is None:
            metadata["reason"] = decision.reason
        return ExecutionResult(
            route_id=decision.route_id,
            response=answer.response,
            cache_hit=answer.cache_hit,
            latency_ms=self._elapsed_ms(request),
            cost_usd=answer.cost_usd,
            provider=answer.provider,
            metadata=metadata,
            execution_id=request.execution_id,
            confidence=decision.confidence,
            reason="no_route" if plan is None else "executed" if plan.is_own else "fallback",
            coalesced=answer.coalesced,
            warnings=answer.warnings if plan is None else (*plan.warnings, *answer.warnings),
            decision=decision,
            model=answer.model,
            usage=answer.usage,
            attempts=answer.attempts,
            tool_calls=answer.tool_calls,
        )

    def _remember(
        self, request: ExecutionRequest, plan: ExecutionPlan | None, answer: Answer
    ) -> None:
        self._book.remember(
            request.execution_id,
            RememberedExecution(
                query=request.query,
                partition=request.partition if plan is None else plan.partition,
                cache_key=None if plan is None else plan.cache_key,
                asked=answer.asked,
            ),
        )

    def _elapsed_ms(self, request: ExecutionRequest) -> float:
        return (self._clock.now_s() - request.started_s) * 1000.0

    def _record(
        self,
        request: ExecutionRequest,
        decision: RouteResult | None,
        answer: Answer,
        error: str | None,
    ) -> None:
        partition = request.partition
        self._bus.complete(
            ExecutionRecord(
                at_s=self._clock.wall_s(),
                execution_id=request.execution_id,
                duration_ms=self._elapsed_ms(request),
                route_id=None if decision is None else decision.route_id,
                provider=answer.provider,
                model=answer.model,
                tokens=answer.tokens,
                cost_usd=answer.cost_usd,
                cache_hit=answer.cache_hit,
                coalesced=answer.coalesced,
                tenant_id=partition.tenant,
                user_id=partition.user if partition.user_kind == "user" else None,
                error=error,
            )
        )
