"""Carrying a plan out: asking providers through the registry, and calling handlers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.errors import ExecutionTimeoutError
from stratarouter_runtime.execution.answers import Answer
from stratarouter_runtime.execution.deadline import Deadline
from stratarouter_runtime.planning import ProviderCall
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.stream_events import TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from stratarouter_runtime.conversation import Completion
    from stratarouter_runtime.execution.handlers import Handler
    from stratarouter_runtime.execution.operations import Execution
    from stratarouter_runtime.execution.pool import BlockingPool
    from stratarouter_runtime.execution.supervision import Supervisor
    from stratarouter_runtime.planning import ExecutionPlan
    from stratarouter_runtime.protocols import Clock
    from stratarouter_runtime.providers.registry import LLMClientRegistry
    from stratarouter_runtime.stream_events import StreamEvent

__all__ = ["GRACE_S", "Caller", "last_moment"]

GRACE_S = 0.15
"""What the engine gets on top of a deadline, to end its attempts itself and say what failed."""

_LEAST_S = 1e-3


def last_moment(plan: ExecutionPlan) -> Deadline:
    """Return when nobody waits for a plan any more.

    Parameters
    ----------
    plan : ExecutionPlan
        The plan.

    Returns
    -------
    Deadline
        The plan's own for handlers; a little later for providers, whose calls keep it themselves.
    """
    if isinstance(plan.call, ProviderCall):
        return Deadline(plan.deadline.at_s + GRACE_S, plan.deadline.timeout_s)
    return plan.deadline


class Caller:
    """Gets the answers that plans ask for.

    Parameters
    ----------
    registry : LLMClientRegistry
        Who asks providers.
    door : BlockingPool
        Where blocking handlers run.
    supervisor : Supervisor
        Who awaits foreign coroutines.
    clock : Clock
        Where the time comes from.
    """

    def __init__(
        self,
        registry: LLMClientRegistry,
        door: BlockingPool,
        supervisor: Supervisor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._door = door
        self._supervisor = supervisor
        self._clock = clock

    async def supervised(self, plan: ExecutionPlan) -> Answer:
        """Get an answer in time, whatever foreign code does.

        Parameters
        ----------
        plan : ExecutionPlan
            What is to be done.

        Returns
        -------
        Answer
            The answer.

        Raises
        ------
        StrataError
            If there is none.
        """
        call = plan.call
        heeds = isinstance(call, ProviderCall) and call.is_whole
        run = self._supervisor.run_here if heeds else self._supervisor.run
        return await run(self.called(plan), last_moment(plan), plan.what)

    async def called(self, plan: ExecutionPlan) -> Answer:
        """Get an answer; only the engine keeps the deadline.

        Parameters
        ----------
        plan : ExecutionPlan
            What is to be done.

        Returns
        -------
        Answer
            The answer.

        Raises
        ------
        StrataError
            If there is none.
        """
        call = plan.call
        if not isinstance(call, ProviderCall):
            return await self._handled(plan, call)
        execution = self._begin(plan, call)
        try:
            completion = await self._registry.complete(
                call.provider, call.fallback, request=call.request, execution=execution
            )
        except ExecutionTimeoutError as error:
            raise _late(plan) from error
        return _answer(completion, execution)

    async def streamed(self, plan: ExecutionPlan) -> AsyncGenerator[StreamEvent | Answer, None]:
        """Get an answer piece by piece; what handlers return is one piece.

        Parameters
        ----------
        plan : ExecutionPlan
            What is to be done.

        Yields
        ------
        StreamEvent or Answer
            The pieces as they come, and at last the whole answer.

        Raises
        ------
        StrataError
            If there is none, or it breaks off.
        """
        call = plan.call
        if not isinstance(call, ProviderCall):
            answer = await self.supervised(plan)
            if isinstance(answer.response, str) and answer.response:
                yield TextDelta(answer.response)
            yield answer
            return
        execution = self._begin(plan, call)
        assembler = StreamAssembler(call.provider, call.request)
        events = self._registry.stream(
            call.provider, call.fallback, request=call.request, execution=execution
        )
        try:
            async for event in events:
                assembler.feed(event)
                yield event
        except ExecutionTimeoutError as error:
            raise _late(plan) from error
        finally:
            await events.aclose()
        yield _answer(assembler.completion(), execution)

    def _begin(self, plan: ExecutionPlan, call: ProviderCall) -> Execution:
        request = plan.request
        return self._registry.engine.begin(
            timeout_s=max(_LEAST_S, plan.deadline.remaining_s(self._clock.now_s())),
            max_cost_usd=call.max_cost_usd,
            partition=request.partition,
            route_id=plan.route_id,
            execution_id=request.execution_id,
        )

    async def _handled(self, plan: ExecutionPlan, handler: Handler) -> Answer:
        request = plan.request
        if not plan.binding.idempotent:
            response = await handler.run(request.query, request.context, self._door)
            return Answer(response=response, attempts=1)
        calls = 0

        def counted(query: str, context: Mapping[str, Any]) -> Any:
            nonlocal calls
            calls += 1
            return handler.call(query, context)

        try:
            response = await self._registry.engine.execute(
                replace(handler, call=counted),
                request.query,
                request.context,
                timeout_s=max(_LEAST_S, plan.deadline.remaining_s(self._clock.now_s())),
                idempotent=True,
                door=self._door,
            )
        except ExecutionTimeoutError as error:
            raise _late(plan) from error
        return Answer(response=response, attempts=calls)


def _answer(completion: Completion, execution: Execution) -> Answer:
    target = execution.answered_by
    return Answer(
        response=completion.content,
        provider=completion.provider if target is None else target.provider,
        model=completion.model,
        asked=None if target is None else target.key,
        usage=completion.usage,
        attempts=execution.attempts,
        cost_usd=completion.cost_usd,
        tool_calls=completion.tool_calls,
        warnings=completion.warnings,
        complete=completion.is_clean and not completion.tool_calls,
    )


def _late(plan: ExecutionPlan) -> ExecutionTimeoutError:
    return ExecutionTimeoutError(plan.what, plan.deadline.timeout_s)
