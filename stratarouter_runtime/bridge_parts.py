"""What a bridge is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from stratarouter.errors import ConfigurationError
from stratarouter_runtime.calling import Caller
from stratarouter_runtime.deciding import Decider
from stratarouter_runtime.execution.bindings import BindingTable
from stratarouter_runtime.execution.lifecycle import Lifecycle
from stratarouter_runtime.execution.supervision import Supervisor
from stratarouter_runtime.factory import announce, make_bus, make_cache, make_pool, make_registry
from stratarouter_runtime.feedback import FeedbackBook
from stratarouter_runtime.keeping import Keeper
from stratarouter_runtime.pipeline import Pipeline
from stratarouter_runtime.planning import Planner
from stratarouter_runtime.providers.bound_clients import BoundClients
from stratarouter_runtime.reporting import Reporter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from stratarouter_runtime.bridge_stream import ExecutionStream
    from stratarouter_runtime.cache.manager import CacheManager
    from stratarouter_runtime.config import RuntimeConfig
    from stratarouter_runtime.policies.pricing import ModelPrice, PriceSource
    from stratarouter_runtime.protocols import AttemptJournal, Clock, CoreRouter, EventSink
    from stratarouter_runtime.providers.registry import LLMClientRegistry

__all__ = ["BridgeParts"]


class BridgeParts:
    """The parts of one bridge, put together; how they start and end.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.
    router : CoreRouter, optional
        The router.
    default_provider : str, optional
        Who answers unbound routes.
    cache : CacheManager, optional
        Cache to use instead of the one that the settings describe.
    registry : LLMClientRegistry, optional
        Registry to use; None makes one by the settings.
    ledger : AttemptJournal, optional
        Where attempts are written down; None keeps accounts in memory.
    prices : PriceSource or mapping, optional
        What calls cost.
    events : iterable of EventSink
        Receivers of telemetry.
    clock : Clock
        Where the time comes from.

    Raises
    ------
    ConfigurationError
        If a registry is given together with what it has already.
    """

    def __init__(
        self,
        config: RuntimeConfig,
        *,
        router: CoreRouter | None,
        default_provider: str | None,
        cache: CacheManager | None,
        registry: LLMClientRegistry | None,
        ledger: AttemptJournal | None,
        prices: PriceSource | Mapping[str, ModelPrice | Mapping[str, Any]] | None,
        events: Iterable[EventSink],
        clock: Clock,
    ) -> None:
        events = tuple(events)
        if registry is not None and (ledger is not None or prices is not None):
            raise ConfigurationError(
                "give ledger= and prices= to the registry and its engine, which are handed in"
            )
        self.owns_engine = registry is None
        if registry is None:
            registry = make_registry(config, ledger, prices, events, clock)
        self.clients = BoundClients(registry)
        self.bindings = BindingTable(default_provider, lambda: self.clients.names)
        self.pool = make_pool(config)
        self.supervisor = Supervisor(clock)
        if cache is None:
            cache = make_cache(config, clock, self.pool)
        self.cache = cache if config.cache_enabled else None
        self.book = FeedbackBook(config.feedback_max_executions)
        caller = Caller(registry, self.pool, self.supervisor, clock)
        self.keeper = Keeper(self.cache, caller, clock)
        bus = make_bus(config, events, clock)
        self.pipeline = Pipeline(
            decider=Decider(router, self.pool, self.supervisor, bus),
            planner=Planner(config, self.bindings, self.clients),
            caller=caller,
            keeper=self.keeper,
            reporter=Reporter(bus, clock, self.book),
            door=self.pool,
            supervisor=self.supervisor,
            clock=clock,
        )
        self.lifecycle = Lifecycle(lambda: announce(config))
        # Whoever drops a stream ends it, so nothing here may hold on to one.
        self.streams: WeakSet[ExecutionStream] = WeakSet()

    async def aclose(self, grace_s: float) -> None:
        """Take nothing more, wait for what is under way, and end.

        Parameters
        ----------
        grace_s : float, seconds, >= 0
            Longest wait, after which the rest is cancelled.
        """
        try:
            await self.lifecycle.close(grace_s)
        finally:
            self.keeper.close()
            self.supervisor.close()
            self.pool.close()
            for stream in list(self.streams):
                await stream.interrupt()
        if self.owns_engine:
            await self.clients.registry.engine.aclose()
