"""Carrying a request out: decide, plan, look up, call, keep, report."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from stratarouter_runtime.execution.answers import Answer
from stratarouter_runtime.stream_events import (
    ExecutionFinished,
    ExecutionStarted,
    Finish,
    StreamStart,
    TextDelta,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from stratarouter.types import RouteResult
    from stratarouter_runtime.calling import Caller
    from stratarouter_runtime.deciding import Decider
    from stratarouter_runtime.execution.context_rules import ContextRules
    from stratarouter_runtime.execution.pool import BlockingPool
    from stratarouter_runtime.execution.supervision import Supervisor
    from stratarouter_runtime.execution_request import ExecutionRequest
    from stratarouter_runtime.keeping import Keeper
    from stratarouter_runtime.planning import ExecutionPlan, Planner
    from stratarouter_runtime.protocols import Clock
    from stratarouter_runtime.reporting import Reporter
    from stratarouter_runtime.stream_events import ExecutionEvent, StreamEvent
    from stratarouter_runtime.types import ExecutionResult

__all__ = ["Pipeline"]


_NOBODY = Answer(response=None)


class _Progress:
    """How far a request has come, for the report about its end."""

    __slots__ = ("decision", "plan", "request")

    def __init__(self, request: ExecutionRequest) -> None:
        self.request = request
        self.decision: RouteResult | None = None
        self.plan: ExecutionPlan | None = None


class Pipeline:
    """Carries requests out.

    Parameters
    ----------
    decider : Decider
        Who decides about requests without a decision.
    planner : Planner
        Who turns decisions into plans.
    caller : Caller
        Who gets new answers.
    keeper : Keeper
        Who finds and keeps answers.
    reporter : Reporter
        Who writes down how it ended.
    door : BlockingPool
        Where blocking enrichment runs.
    supervisor : Supervisor
        Who awaits foreign coroutines.
    clock : Clock
        Where the time comes from.
    """

    def __init__(
        self,
        *,
        decider: Decider,
        planner: Planner,
        caller: Caller,
        keeper: Keeper,
        reporter: Reporter,
        door: BlockingPool,
        supervisor: Supervisor,
        clock: Clock,
    ) -> None:
        self._decider = decider
        self._planner = planner
        self._caller = caller
        self._keeper = keeper
        self._reporter = reporter
        self._door = door
        self._supervisor = supervisor
        self._clock = clock

    async def execute(self, request: ExecutionRequest) -> ExecutionResult:
        """Carry one request out and report it.

        Parameters
        ----------
        request : ExecutionRequest
            What was asked for.

        Returns
        -------
        ExecutionResult
            The outcome.

        Raises
        ------
        StrataError
            Whatever went wrong.
        """
        progress = _Progress(request)
        try:
            decision = await self._planned(progress)
            plan = progress.plan
            answer = _NOBODY if plan is None else await self._keeper.answer(plan)
        except BaseException as error:
            self._reporter.failed(progress.request, progress.decision, progress.plan, error)
            raise
        return self._reporter.finished(progress.request, decision, plan, answer)

    async def stream(self, request: ExecutionRequest) -> AsyncGenerator[ExecutionEvent, None]:
        """Carry one request out piece by piece and report it.

        Parameters
        ----------
        request : ExecutionRequest
            What was asked for.

        Yields
        ------
        ExecutionEvent
            `ExecutionStarted`, the events of the answer, `ExecutionFinished`.

        Raises
        ------
        StrataError
            Whatever went wrong.
        """
        progress = _Progress(request)
        answer = _NOBODY
        try:
            decision = await self._planned(progress)
            yield ExecutionStarted(
                execution_id=request.execution_id,
                route_id=decision.route_id,
                confidence=decision.confidence,
            )
            plan = progress.plan
            if plan is not None:
                async with aclosing(self._pieces(plan)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Answer):
                            answer = piece
                        else:
                            yield piece
        except BaseException as error:
            self._reporter.failed(progress.request, progress.decision, progress.plan, error)
            raise
        yield ExecutionFinished(self._reporter.finished(progress.request, decision, plan, answer))

    async def _planned(self, progress: _Progress) -> RouteResult:
        request = progress.request
        decision = progress.decision = await self._decider.decide(request)
        binding, is_own = self._planner.resolve(decision)
        if binding is None:
            return decision
        if binding.rules is not None:
            request = progress.request = await self._prepared(request, binding.rules)
        progress.plan = self._planner.plan(
            request,
            decision,
            binding,
            is_own=is_own,
            encoder_id=self._decider.encoder_id,
            now_s=self._clock.now_s(),
        )
        return decision

    async def _prepared(self, request: ExecutionRequest, rules: ContextRules) -> ExecutionRequest:
        rules.check(request.context)
        if rules.enrich is None:
            return request
        work = rules.added(request.query, request.context, self._door)
        added = await self._supervisor.run(work, request.deadline, rules.what)
        return replace(request, context={**request.context, **added}, added=added)

    async def _pieces(self, plan: ExecutionPlan) -> AsyncGenerator[StreamEvent | Answer, None]:
        found = await self._keeper.found(plan)
        if found is not None:
            if found.provider is not None:
                yield StreamStart(model=found.model, provider=found.provider)
            if isinstance(found.response, str) and found.response:
                yield TextDelta(found.response)
            yield Finish("stop")
            yield found
            return
        async with aclosing(self._caller.streamed(plan)) as pieces:
            async for piece in pieces:
                yield await self._keeper.kept(plan, piece) if isinstance(piece, Answer) else piece
