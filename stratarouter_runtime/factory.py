"""The only place that turns the words of a configuration into objects."""

from __future__ import annotations

import uuid
import warnings
from typing import TYPE_CHECKING

from stratarouter_runtime.cache.manager import CacheManager
from stratarouter_runtime.cache.memory import MemoryBackend
from stratarouter_runtime.errors import FeatureNotBuiltWarning, FeatureUnavailableError
from stratarouter_runtime.execution.engine import ExecutionEngine
from stratarouter_runtime.execution.pool import BlockingPool
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.policies.availability import missing_features, missing_protections
from stratarouter_runtime.providers.registry import LLMClientRegistry
from stratarouter_runtime.telemetry.events import EventBus
from stratarouter_runtime.telemetry.logs import LogSink

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from stratarouter_runtime.config import RuntimeConfig
    from stratarouter_runtime.policies.pricing import ModelPrice, PriceSource
    from stratarouter_runtime.protocols import AttemptJournal, BlockingDoor, Clock, EventSink

__all__ = [
    "announce",
    "make_bus",
    "make_cache",
    "make_pool",
    "make_registry",
    "new_execution_id",
]


def new_execution_id() -> str:
    """Return a name that no other execution has.

    Returns
    -------
    str
        "exec-" and 32 hexadecimal digits.
    """
    return f"exec-{uuid.uuid4().hex}"


def make_pool(config: RuntimeConfig) -> BlockingPool:
    """Return the door for blocking work.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.

    Returns
    -------
    BlockingPool
        The pool; it has no threads yet.
    """
    return BlockingPool(config.handler_threads, config.handler_queue)


def make_cache(config: RuntimeConfig, clock: Clock, door: BlockingDoor) -> CacheManager | None:
    """Return the cache that the settings ask for.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.
    clock : Clock
        Where the time comes from.
    door : BlockingDoor
        Where blocking executors run.

    Returns
    -------
    CacheManager or None
        The cache; None if it is switched off.
    """
    if not config.cache_enabled:
        return None
    # "redis" is not built yet, which `announce` says; the memory serves in its place.
    backend = MemoryBackend(
        max_entries=config.cache_max_entries,
        max_bytes=int(config.cache_max_size_mb * 2**20),
        ttl_s=config.cache_ttl,
        max_age_s=config.cache_max_age,
        clock=clock,
    )
    return CacheManager(backend, ttl=config.cache_ttl, door=door)


def make_registry(
    config: RuntimeConfig,
    ledger: AttemptJournal | None,
    prices: PriceSource | Mapping[str, ModelPrice | Mapping[str, Any]] | None,
    events: Iterable[EventSink],
    clock: Clock,
) -> LLMClientRegistry:
    """Return a registry whose engine keeps to the settings.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.
    ledger : AttemptJournal, optional
        Where attempts are written down; None keeps accounts in memory.
    prices : PriceSource or mapping, optional
        What calls cost.
    events : iterable of EventSink
        The caller's sinks.
    clock : Clock
        Where the time comes from.

    Returns
    -------
    LLMClientRegistry
        The registry; it has no clients yet.
    """
    engine = ExecutionEngine(
        timeout=config.execution_timeout,
        max_retries=config.max_retries,
        retry_delay_ms=config.retry_delay_ms,
        circuit_breaker_threshold=config.circuit_breaker_threshold,
        journal=MemoryLedger(clock) if ledger is None else ledger,
        events=events,
        clock=clock,
    )
    return LLMClientRegistry(engine, prices=prices)


def make_bus(config: RuntimeConfig, events: Iterable[EventSink], clock: Clock) -> EventBus:
    """Return the bus with the published log and the caller's sinks.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.
    events : iterable of EventSink
        The caller's sinks.
    clock : Clock
        Where the time comes from.

    Returns
    -------
    EventBus
        The bus.
    """
    return EventBus([LogSink(config.log_level), *events], clock)


def announce(config: RuntimeConfig) -> None:
    """Say what the settings ask for and this version does not have.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.

    Raises
    ------
    FeatureUnavailableError
        If a protection is missing.

    Warns
    -----
    FeatureNotBuiltWarning
        For each other missing feature.
    """
    missing = missing_protections(config)
    if missing:
        raise FeatureUnavailableError(missing)
    for sentence in missing_features(config):
        # Up to the line that awaits: over the bridge and its lifecycle.
        warnings.warn(sentence, FeatureNotBuiltWarning, stacklevel=5)
