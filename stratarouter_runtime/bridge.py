"""The bridge from decisions to answers: the one class that users meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

from stratarouter.errors import ConfigurationError, InvalidInputError, RouteNotFoundError
from stratarouter.types import Route
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.execution.bindings import (
    BindingTable,
    TargetOptions,
    make_binding,
    require_client,
)
from stratarouter_runtime.execution.deadline import Deadline
from stratarouter_runtime.execution.lifecycle import Lifecycle
from stratarouter_runtime.execution.supervision import Supervisor
from stratarouter_runtime.factory import (
    announce,
    make_bus,
    make_cache,
    make_pool,
    new_execution_id,
)
from stratarouter_runtime.pipeline import Pipeline
from stratarouter_runtime.planning import Planner, make_request
from stratarouter_runtime.telemetry.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from stratarouter.types import RouteResult
    from stratarouter_runtime.cache.manager import CacheManager
    from stratarouter_runtime.protocols import Clock, CoreRouter, EventSink, LLMClient
    from stratarouter_runtime.types import ExecutionResult

__all__ = ["CoreRuntimeBridge"]

T = TypeVar("T")


class CoreRuntimeBridge:
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
    events : iterable of EventSink
        Receivers of telemetry.
    clock : Clock, optional
        Where the time comes from; None takes the machine's.
    new_id : callable, optional
        Makes names for executions; None makes random ones.

    Raises
    ------
    ConfigurationError
        If two names of one thing are given and differ.

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
        events: Iterable[EventSink] = (),
        clock: Clock | None = None,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        first = config if isinstance(config, RuntimeConfig) else None
        if config is not None and first is None:
            core_router = _one("core_router", _router(config), core_router)
        self._config = _one("runtime_config", first, runtime_config) or RuntimeConfig()
        self._router = core_router if core_router is None else _router(core_router)
        self._clock = SystemClock() if clock is None else clock
        self._new_id = new_execution_id if new_id is None else new_id
        stand_in = _one("default_provider", default_provider, self._config.default_provider)
        self._bindings = BindingTable(stand_in)
        self._pool = make_pool(self._config)
        self._supervisor = Supervisor(self._clock)
        if cache is None:
            cache = make_cache(self._config, self._clock, self._pool)
        self._cache = cache if self._config.cache_enabled else None
        self._pipeline = Pipeline(
            router=self._router,
            planner=Planner(self._config, self._bindings),
            bindings=self._bindings,
            cache=self._cache,
            door=self._pool,
            supervisor=self._supervisor,
            bus=make_bus(self._config, events, self._clock),
            clock=self._clock,
        )
        self._lifecycle = Lifecycle(lambda: announce(self._config))

    @property
    def config(self) -> RuntimeConfig:
        """The settings."""
        return self._config

    @property
    def core_router(self) -> CoreRouter | None:
        """The router, if there is one."""
        return self._router

    @property
    def cache(self) -> CacheManager | None:
        """The cache; None if it is switched off."""
        return self._cache

    @property
    def bound_routes(self) -> tuple[str, ...]:
        """Routes that have a target of their own."""
        return self._bindings.routes

    @property
    def providers(self) -> tuple[str, ...]:
        """Providers that have a client."""
        return self._bindings.providers

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._lifecycle.closed

    def bind(
        self,
        route: str | Route,
        handler: Callable[..., Any] | None = None,
        *,
        replace: bool = False,
        **target: Unpack[TargetOptions],
    ) -> None:
        """Say what answers a route.

        Handlers have side effects that only their author knows: they are called once per
        execution, and their answers are neither kept nor shared, unless `cacheable` is given.
        Providers' answers are kept unless ``cacheable=False``.

        Parameters
        ----------
        route : str or Route
            The route.
        handler : callable, optional
            Called with (query, context), or with (query) if it takes no more. A coroutine function
            runs in the event loop, any other one in a thread.
        replace : bool
            Whether an earlier target may be replaced.
        **target : TargetOptions
            ``provider`` or ``client`` instead of a handler, with ``model``, ``system``, ``params``;
            and ``cacheable``, ``idempotent``, ``cache_scope`` for both.

        Raises
        ------
        RouteNotFoundError
            If the router has no such route.
        DuplicateBindingError
            If the route is bound and `replace` is not given.
        InvalidInputError
            If there is no target, or two, or the handler cannot be called like that.
        """
        route_id = route.id if isinstance(route, Route) else _name("a route id", route)
        if self._router is not None:
            known = [entry.id for entry in self._router.routes]
            if route_id not in known:
                raise RouteNotFoundError(route_id, known)
        generation = self._bindings.generation(route_id)
        binding = make_binding(route_id, handler, generation, **target)
        self._bindings.add(route_id, binding, replace=replace)

    def bind_fallback(
        self,
        handler: Callable[..., Any] | None = None,
        *,
        replace: bool = False,
        **target: Unpack[TargetOptions],
    ) -> None:
        """Say what answers queries that no route was found for.

        Parameters
        ----------
        handler : callable, optional
            As in `bind`.
        replace : bool
            Whether an earlier target may be replaced.
        **target : TargetOptions
            As in `bind`.

        Raises
        ------
        DuplicateBindingError
            If there is a fallback and `replace` is not given.
        InvalidInputError
            If there is no target, or two, or the handler cannot be called like that.
        """
        generation = self._bindings.generation(None)
        binding = make_binding(None, handler, generation, **target)
        self._bindings.add(None, binding, replace=replace)

    def register_client(self, name: str, client: LLMClient, *, replace: bool = False) -> None:
        """Register the client of a provider; closing it stays the caller's business.

        Parameters
        ----------
        name : str
            Name of the provider.
        client : LLMClient
            Its client.
        replace : bool
            Whether an earlier client may be replaced.

        Raises
        ------
        DuplicateBindingError
            If the name is taken and `replace` is not given.
        InvalidInputError
            If it is no client, or the name is blank.
        """
        require_client(client)
        self._bindings.register(_name("the name of a provider", name), client, replace=replace)

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
        HandlerError
            If the handler raised.
        ProviderError
            If the provider's client raised.
        ExecutionTimeoutError
            If the time limit passed.
        SaturatedError
            If a blocking handler found no free thread.
        BridgeClosedError
            If the bridge is closed.
        """
        self._lifecycle.enter()
        try:
            started_s = self._clock.now_s()
            limit_s = self._config.execution_timeout if timeout_s is None else timeout_s
            request = make_request(
                decision_or_query,
                context,
                query=query,
                decision=decision,
                embedding=embedding,
                execution_id=self._new_id(),
                started_s=started_s,
                deadline=Deadline.after(limit_s, started_s),
            )
            return await self._pipeline.execute(request)
        finally:
            self._lifecycle.leave()

    async def aclose(self, *, grace_s: float | None = None) -> None:
        """Take no more executions, wait for those under way, and end.

        Parameters
        ----------
        grace_s : float, seconds, >= 0, optional
            Longest wait, after which the rest is cancelled; None takes
            ``server_shutdown_timeout_seconds``.
        """
        default_s = self._config.server_shutdown_timeout_seconds
        try:
            await self._lifecycle.close(default_s if grace_s is None else grace_s)
        finally:
            self._pipeline.close()
            self._supervisor.close()
            self._pool.close()

    async def __aenter__(self) -> Self:
        self._lifecycle.enter()
        self._lifecycle.leave()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


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


def _name(what: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{what} must be a non-empty string, got {value!r}")
    return value
