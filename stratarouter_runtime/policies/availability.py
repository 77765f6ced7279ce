"""Which configured features this version does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stratarouter_runtime.config import RuntimeConfig

__all__ = ["missing_features", "missing_protections"]

_PROTECTIONS = (
    "auth_enabled",
    "api_key_validation",
    "resource_quotas",
    "audit_logging",
    "encryption_at_rest",
)

# (whether it is asked for, what happens instead)
_FEATURES: tuple[tuple[Callable[[RuntimeConfig], bool], str], ...] = (
    (
        lambda config: config.cache_enabled and config.cache_backend == "redis",
        "cache_backend='redis' is not built yet; answers are kept in this process",
    ),
    (
        lambda config: (
            config.cache_enabled
            # The published snippets state the default threshold; only another one is a wish.
            and (config.cache_semantic_enabled or config.cache_similarity_threshold != 0.95)
        ),
        "the cache does not compare similar queries yet; equal ones are found",
    ),
    (
        lambda config: config.cache_enabled and config.cache_eviction_policy != "lru",
        "cache_eviction_policy is not built yet; the least recently used answer goes first",
    ),
    (
        lambda config: config.cache_enabled and config.cache_persistent,
        "cache_persistent is not built yet; answers end with the process",
    ),
    (
        lambda config: config.batch_enabled,
        "batch_enabled is not built yet; equal requests share a call, others run on their own",
    ),
    (
        lambda config: config.state_backend != "memory",
        "state_backend is not built yet; executions are not recorded",
    ),
    (
        lambda config: config.metrics_enabled,
        "metrics_enabled is not built yet; events= receives what would be counted",
    ),
    (
        lambda config: config.tracing_enabled,
        "tracing_enabled is not built yet; events= receives what would be traced",
    ),
    (
        lambda config: config.region is not None or config.failover_region is not None,
        "regions and failover are not built yet; this process works alone",
    ),
    (
        lambda config: config.data_retention_days is not None,
        "data_retention_days is not built yet; nothing is recorded that could be retained",
    ),
    (
        lambda config: not config.tenant_isolation,
        "tenants are kept apart whatever tenant_isolation says; use cache_scope to share answers",
    ),
)


def missing_protections(config: RuntimeConfig) -> tuple[str, ...]:
    """Return the security settings that are on and not built.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.

    Returns
    -------
    tuple of str
        Names of settings; with any of them the runtime must not start.
    """
    return tuple(name for name in _PROTECTIONS if getattr(config, name))


def missing_features(config: RuntimeConfig) -> Iterator[str]:
    """Yield a sentence for each feature that is asked for, not built, and can be done without.

    Parameters
    ----------
    config : RuntimeConfig
        The settings.

    Yields
    ------
    str
        What is missing and what happens instead.
    """
    return (sentence for is_wanted, sentence in _FEATURES if is_wanted(config))
