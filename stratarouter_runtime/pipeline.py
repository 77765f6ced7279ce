"""Carrying a request out: decide, plan, look up, call, keep, report."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stratarouter.errors import ConfigurationError, EncoderRequiredError, StrataError
from stratarouter_runtime.cache.flight import SingleFlight
from stratarouter_runtime.errors import CacheBackendError, UncacheableValueError
from stratarouter_runtime.execution.answers import Answer
from stratarouter_runtime.execution.embedding import embed_query
from stratarouter_runtime.planning import ProviderCall
from stratarouter_runtime.providers.base import complete
from stratarouter_runtime.types import ExecutionRecord, ExecutionResult

if TYPE_CHECKING:
    from stratarouter.types import RouteResult
    from stratarouter_runtime.cache.manager import CacheManager
    from stratarouter_runtime.execution.bindings import BindingTable
    from stratarouter_runtime.execution.pool import BlockingPool
    from stratarouter_runtime.execution.supervision import Supervisor
    from stratarouter_runtime.planning import ExecutionPlan, ExecutionRequest, Planner
    from stratarouter_runtime.protocols import Clock, CoreRouter
    from stratarouter_runtime.telemetry.events import EventBus

__all__ = ["Pipeline"]


_NOBODY = Answer(response=None)


class Pipeline:
    """Carries requests out.

    Parameters
    ----------
    router : CoreRouter, optional
        Who decides about requests without a decision.
    planner : Planner
        Who turns decisions into plans.
    bindings : BindingTable
        Where clients are looked up.
    cache : CacheManager, optional
        Where answers are kept; None keeps none.
    door : BlockingPool
        Where blocking work runs.
    supervisor : Supervisor
        Who awaits foreign coroutines.
    bus : EventBus
        Where telemetry goes.
    clock : Clock
        Where the time comes from.
    """

    def __init__(
        self,
        *,
        router: CoreRouter | None,
        planner: Planner,
        bindings: BindingTable,
        cache: CacheManager | None,
        door: BlockingPool,
        supervisor: Supervisor,
        bus: EventBus,
        clock: Clock,
    ) -> None:
        self._router = router
        self._planner = planner
        self._bindings = bindings
        self._cache = cache
        self._door = door
        self._supervisor = supervisor
        self._bus = bus
        self._clock = clock
        self._flights: SingleFlight[Answer] = SingleFlight()
        self._has_routed = False

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
        decision = request.decision
        plan: ExecutionPlan | None = None
        try:
            if decision is None:
                decision = await self._decide(request)
            plan = self._planner.plan(request, decision, self._encoder_id())
            answer = _NOBODY if plan is None else await self._answer(plan)
        except BaseException as error:
            route_id = None if decision is None else decision.route_id
            call = None if plan is None else plan.call
            provider = call.provider if isinstance(call, ProviderCall) else None
            self._report(request, route_id, Answer(response=None, provider=provider), error)
            raise
        self._report(request, decision.route_id, answer)
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
        )

    def close(self) -> None:
        """Cancel what is shared; those who wait for it get `BridgeClosedError`."""
        self._flights.close()

    async def _decide(self, request: ExecutionRequest) -> RouteResult:
        router = self._router
        if router is None:
            raise ConfigurationError(
                "a query can only be routed with a router: CoreRuntimeBridge(core_router=...); "
                "or pass a decision: execute(router.route(query, embedding))"
            )
        work = self._routed(router, request)
        try:
            decision = await self._supervisor.run(work, request.deadline, "routing the query")
        except Exception as error:
            self._bus.emit("router.route_error", request.execution_id, error=_code(error))
            raise
        self._bus.emit(
            "router.decide",
            request.execution_id,
            route_id=decision.route_id,
            confidence=decision.confidence,
            reason=decision.reason,
        )
        return decision

    async def _routed(self, router: CoreRouter, request: ExecutionRequest) -> RouteResult:
        vector = request.embedding
        if vector is None:
            if router.encoder is None:
                raise EncoderRequiredError(
                    "the router has no encoder; pass embedding=, or give the router an encoder"
                )
            vector = await embed_query(router.encoder, request.query, self._door)
        if self._has_routed:
            return router.route(request.query, vector)
        # The first query may find the router unbuilt, and building takes its time.
        decision = await self._door.run(router.route, request.query, vector, what="routing")
        self._has_routed = True
        return decision

    async def _answer(self, plan: ExecutionPlan) -> Answer:
        key, cache = plan.cache_key, self._cache
        if key is None or cache is None:
            work = self._called(plan)
            return await self._supervisor.run(work, plan.request.deadline, plan.what)
        found = await cache.answers.lookup(plan.partition, key)
        if found is not None:
            # A damaged answer is a miss; the new one replaces it.
            with suppress(CacheBackendError):
                return Answer.decoded(found, cache_hit=True)
        deadline = plan.request.deadline
        answer, shared = await self._flights.run(
            (plan.partition, key),
            lambda: self._kept(plan, cache, key),
            timeout_s=deadline.remaining_s(self._clock.now_s()),
            limit_s=deadline.timeout_s,
            what=plan.what,
        )
        if shared and answer.stored is not None:
            return Answer.decoded(answer.stored, cache_hit=False)
        return answer

    async def _kept(self, plan: ExecutionPlan, cache: CacheManager, key: str) -> Answer:
        answer = await self._called(plan)
        if not answer.complete:
            return replace(answer, warnings=("the answer was not cached: it was cut short",))
        try:
            data = answer.encoded()
        except UncacheableValueError as error:
            return replace(answer, warnings=(f"the answer was not cached: {error}",))
        await cache.answers.keep(plan.partition, key, data)
        return replace(answer, stored=data)

    async def _called(self, plan: ExecutionPlan) -> Answer:
        call, request = plan.call, plan.request
        if isinstance(call, ProviderCall):
            return await self._completed(call, request.execution_id)
        return Answer(response=await call.run(request.query, request.context, self._door))

    async def _completed(self, call: ProviderCall, execution_id: str) -> Answer:
        provider = call.provider
        client = self._bindings.client(provider) if call.client is None else call.client
        started_s = self._clock.now_s()
        self._bus.emit("provider.request_start", execution_id, provider=provider)
        try:
            completion = await complete(client, provider, call.request)
        except BaseException as error:
            self._bus.emit(
                "provider.request_error", execution_id, provider=provider, error=_code(error)
            )
            raise
        tokens = completion.usage.total_tokens
        self._bus.emit(
            "provider.request_stop",
            execution_id,
            provider=provider,
            model=completion.model,
            duration_ms=(self._clock.now_s() - started_s) * 1000.0,
            tokens=tokens,
            cost_usd=completion.cost_usd,
        )
        return Answer(
            response=completion.content,
            provider=provider,
            model=completion.model,
            tokens=tokens,
            cost_usd=completion.cost_usd,
            complete=completion.is_clean and not completion.tool_calls,
        )

    def _encoder_id(self) -> str | None:
        encoder = None if self._router is None else self._router.encoder
        return None if encoder is None else getattr(encoder, "encoder_id", None)

    def _elapsed_ms(self, request: ExecutionRequest) -> float:
        return (self._clock.now_s() - request.started_s) * 1000.0

    def _report(
        self,
        request: ExecutionRequest,
        route_id: str | None,
        answer: Answer,
        error: BaseException | None = None,
    ) -> None:
        partition = request.partition
        self._bus.complete(
            ExecutionRecord(
                at_s=self._clock.wall_s(),
                execution_id=request.execution_id,
                duration_ms=self._elapsed_ms(request),
                route_id=route_id,
                provider=answer.provider,
                model=answer.model,
                tokens=answer.tokens,
                cost_usd=answer.cost_usd,
                cache_hit=answer.cache_hit,
                coalesced=answer.coalesced,
                tenant_id=partition.tenant,
                user_id=partition.user if partition.user_kind == "user" else None,
                error=None if error is None else _code(error),
            )
        )


def _code(error: BaseException) -> str:
    if isinstance(error, StrataError):
        return error.code
    return "CANCELLED" if isinstance(error, asyncio.CancelledError) else "INTERNAL_ERROR"
