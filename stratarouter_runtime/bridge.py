"""The bridge from decisions to answers: the one class that users meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from stratarouter.errors import ConfigurationError, InvalidInputError
from stratarouter_runtime.bridge_face import BridgeFace
from stratarouter_runtime.bridge_parts import BridgeParts
from stratarouter_runtime.bridge_stream import ExecutionStream
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.execution.deadline import Deadline
from stratarouter_runtime.execution_request import make_request
from stratarouter_runtime.factory import new_execution_id
from stratarouter_runtime.telemetry.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from stratarouter.types import RouteResult
    from stratarouter_runtime.cache.manager import CacheManager
    from stratarouter_runtime.execution_request import ExecutionRequest
    from stratarouter_runtime.policies.pricing import ModelPrice, PriceSource
    from stratarouter_runtime.protocols import (
        AttemptJournal,
        Clock,
        CoreRouter,
        EventSink,
    )
    from stratarouter_runtime.providers.registry import LLMClientRegistry
    from stratarouter_runtime.types import ExecutionResult

__all__ = ["CoreRuntimeBridge"]

T = TypeVar("T")


class CoreRuntimeBridge(BridgeFace):
    """Carries routing decisions out.

    Each route is bound to a handler or a provider; `execute` takes a decision, or a query that the
    router decides about first, and returns the answer. The bridge starts with its first ``await``
    and ends with `aclose`, best by ``async with``. It works in one event loop at a time; it may be
    used again in a new one once the former is closed.

    Parameters
    ----------
    config : RuntimeConfig or CoreRouter, optional
        The settings, or a router.
    core_router : CoreRouter, optional
        Router for queries without a decision, such as `stratarouter.Router`.
    runtime_config : RuntimeConfig, optional
        Other name of `config`.
    default_provider : str, optional
        Provider that answers unbound routes, and queries without a route; also a setting.
    cache : CacheManager, optional
        Cache to use instead of the one that the settings describe.
    registry : LLMClientRegistry, optional
        Who asks providers, with aliases, a strategy and an engine of your own; None makes one by
        the settings. It stays the caller's to close.
    ledger : AttemptJournal, optional
        Where attempts are written down, such as `MemoryLedger` with budgets; None keeps accounts
        without budgets in memory.
    prices : PriceSource or mapping, optional
        What calls cost, as `PriceTable` reads it; without prices costs are None.
    events : iterable of EventSink
        Receivers of telemetry.
    clock : Clock, optional
        Where the time comes from; None takes the machine's.
    new_id : callable, optional
        Makes names for executions; None makes random ones.

    Raises
    ------
    ConfigurationError
        If two names of one thing are given and differ, or a registry and what it has already.

    Examples
    --------
    >>> import asyncio
    >>> from stratarouter_runtime.testing import FixedRouter
    >>> async def main() -> tuple[str, str]:
    ...     async with CoreRuntimeBridge(core_router=FixedRouter("billing")) as bridge:
    ...         bridge.bind("billing", lambda query, context: f"paid, {context['user_id']}")
    ...         result = await bridge.execute(query="My invoice?", context={"user_id": "ann"})
    ...     return result.route_id, result.response
    >>> asyncio.run(main())
    ('billing', 'paid, ann')
    """

    def __init__(
        self,
        config: RuntimeConfig | CoreRouter | None = None,
        *,
        core_router: CoreRouter | None = None,
        runtime_config: RuntimeConfig | None = None,
        default_provider: str | None = None,
        cache: CacheManager | None = None,
        registry: LLMClientRegistry | None = None,
        ledger: AttemptJournal | None = None,
        prices: PriceSource | Mapping[str, ModelPrice | Mapping[str, Any]] | None = None,
        events: Iterable[EventSink] = (),
        clock: Clock | None = None,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        first = config if isinstance(config, RuntimeConfig) else None
        if config is not None and first is None:
            core_router = _one("core_router", _router(config), core_router)
        settings = _one("runtime_config", first, runtime_config) or RuntimeConfig()
        router = core_router if core_router is None else _router(core_router)
        self._clock = SystemClock() if clock is None else clock
        self._new_id = new_execution_id if new_id is None else new_id
        parts = BridgeParts(
            settings,
            router=router,
            default_provider=_one("default_provider", default_provider, settings.default_provider),
            cache=cache,
            registry=registry,
            ledger=ledger,
            prices=prices,
            events=events,
            clock=self._clock,
        )
        super().__init__(settings, router, parts)

    async def execute(
        self,
        decision_or_query: RouteResult | str | None = None,
        context: Mapping[str, Any] | None = None,
        *,
        query: str | None = None,
        embedding: Any = None,
        decision: RouteResult | None = None,
        timeout_s: float | None = None,
    ) -> ExecutionResult:
        """Carry out a decision, or decide about a query and carry that out.

        Where no route was found, the fallback or the default provider answers; without either the
        result has ``route_id`` None, ``response`` None and ``reason`` "no_route". Equal requests of
        one partition share an answer if it may be kept, also while it is under way. If the caller
        is cancelled, so is its handler or call, unless others wait for the same.

        Parameters
        ----------
        decision_or_query : RouteResult or str, optional
            A decision, or the text of a query.
        context : mapping, optional
            Who asks: ``user_id``, ``session_id``, ``tenant_id`` or ``org_id``; and whatever else
            handlers want to know. Keys are strings.
        query : str, optional
            Text of the query; with a decision it replaces the decision's own.
        embedding : array_like, shape (d,), optional
            Embedding of the query; without it the router's encoder makes one.
        decision : RouteResult, optional
            The decision, by name.
        timeout_s : float, seconds, > 0, optional
            Time limit of everything together; None takes ``execution_timeout``.

        Returns
        -------
        ExecutionResult
            The answer and how it came about.

        Raises
        ------
        InvalidInputError
            If there is no query, or a thing is given twice.
        InvalidContextError
            If the context is no mapping with str keys, or its identities are unusable.
        ConfigurationError
            If a query is to be routed and there is no router.
        FeatureUnavailableError
            If the settings ask for a protection that is not built.
        UnboundRouteError
            If nothing is bound to the route and nobody stands in.
        ContextSchemaError
            If the context does not fit the ``context_schema`` of the route.
        TemplateFieldError
            If a prompt of the route uses a field that the context does not have.
        EnrichmentError
            If the ``enrich`` function of the route failed.
        HandlerError
            If the handler raised.
        ProviderError
            If the provider failed, for the last time, and there is no fallback.
        AllTargetsFailedError
            If provider and fallbacks failed.
        CostCapExceededError
            If a call could cost more than ``max_cost_usd``.
        BudgetExceededError
            If a budget of the ledger has no room.
        ExecutionTimeoutError
            If the time limit passed.
        SaturatedError
            If a blocking handler found no free thread.
        BridgeClosedError
            If the bridge is closed.
        """
        self._parts.lifecycle.enter()
        try:
            request = self._request(
                decision_or_query,
                context,
                query=query,
                embedding=embedding,
                decision=decision,
                timeout_s=timeout_s,
            )
            return await self._parts.pipeline.execute(request)
        finally:
            self._parts.lifecycle.leave()

    def stream(
        self,
        decision_or_query: RouteResult | str | None = None,
        context: Mapping[str, Any] | None = None,
        *,
        query: str | None = None,
        embedding: Any = None,
        decision: RouteResult | None = None,
        timeout_s: float | None = None,
    ) -> ExecutionStream:
        """Carry out a decision or a query, and hand over the answer as it comes.

        Other targets are asked as long as no piece was handed over, and never after. A kept answer,
        and what a handler returns, is one piece. An answer is kept once it is complete; calls that
        are under way are not shared among streams. The time runs from here.

        Parameters
        ----------
        decision_or_query : RouteResult or str, optional
            As in `execute`.
        context : mapping, optional
            As in `execute`.
        query : str, optional
            As in `execute`.
        embedding : array_like, shape (d,), optional
            As in `execute`.
        decision : RouteResult, optional
            As in `execute`.
        timeout_s : float, seconds, > 0, optional
            As in `execute`.

        Returns
        -------
        ExecutionStream
            The events: `ExecutionStarted`, pieces of text and of tool calls, usage, and at last
            `ExecutionFinished` with the result. Reading it raises what `execute` raises, and
            `StreamInterruptedError` if the answer breaks off. Closing it ends the upstream call.

        Raises
        ------
        InvalidInputError
            If there is no query, or a thing is given twice.
        InvalidContextError
            If the context is no mapping with str keys, or its identities are unusable.
        """
        request = self._request(
            decision_or_query,
            context,
            query=query,
            embedding=embedding,
            decision=decision,
            timeout_s=timeout_s,
        )
        parts = self._parts
        stream = ExecutionStream(
            request.execution_id, parts.lifecycle.guarded(parts.pipeline.stream(request))
        )
        parts.streams.add(stream)
        return stream

    async def aclose(self, *, grace_s: float | None = None) -> None:
        """Take no more executions, wait for those under way, and end.

        Parameters
        ----------
        grace_s : float, seconds, >= 0, optional
            Longest wait, after which the rest is cancelled; None takes
            ``server_shutdown_timeout_seconds``.
        """
        default_s = self._config.server_shutdown_timeout_seconds
        await self._parts.aclose(default_s if grace_s is None else grace_s)

    async def __aenter__(self) -> Self:
        self._parts.lifecycle.enter()
        self._parts.lifecycle.leave()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _request(
        self,
        subject: RouteResult | str | None,
        context: Mapping[str, Any] | None,
        *,
        query: str | None,
        embedding: Any,
        decision: RouteResult | None,
        timeout_s: float | None,
    ) -> ExecutionRequest:
        started_s = self._clock.now_s()
        limit_s = self._config.execution_timeout if timeout_s is None else timeout_s
        return make_request(
            subject,
            context,
            query=query,
            decision=decision,
            embedding=embedding,
            execution_id=self._new_id(),
            started_s=started_s,
            deadline=Deadline.after(limit_s, started_s),
        )


def _one(name: str, first: T | None, second: T | None) -> T | None:
    if first is None or second is None or first is second or first == second:
        return second if first is None else first
    raise ConfigurationError(f"{name} is given twice and differs; give it once")


def _router(value: object) -> CoreRouter:
    if not callable(getattr(value, "route", None)):
        raise InvalidInputError(
            f"expected a RuntimeConfig, or a router with a route() method, got {value!r}"
        )
    return cast("CoreRouter", value)
