"""The settings by section, each with its range and its other published names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from stratarouter.errors import ConfigurationError, nearest_name_hint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field

__all__ = [
    "BatchSettings",
    "CacheSettings",
    "DatabaseSettings",
    "ExecutionSettings",
    "ObservabilitySettings",
    "OperationsSettings",
    "SecuritySettings",
    "ServerSettings",
    "Spec",
    "StateSettings",
    "setting",
    "spec_of",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a setting may be; bounds hold for numbers, choices for text."""

    kind: type
    """bool, int, float or str; whole numbers pass as float, nothing else converts."""
    optional: bool = False
    """Whether None is allowed."""
    low: float = -math.inf
    """Least value."""
    above: float = -math.inf
    """Value must be greater than this."""
    high: float = math.inf
    """Greatest value."""
    choices: tuple[str, ...] = ()
    """Allowed texts, in lower case; any case is accepted. Empty: any text."""
    aliases: tuple[str, ...] = ()
    """Other names that are accepted on input."""
    secret: bool = False
    """Never shown, in no message either."""
    sections: tuple[str, ...] = ()
    """Tables of a configuration file, besides its own prefix, that may hold it."""

    def checked(self, name: str, value: object) -> Any:
        """Return `value` in its final form.

        Parameters
        ----------
        name : str
            Name of the setting, for messages.
        value : object
            What was given.

        Returns
        -------
        bool, int, float, str or None
            The value; text with choices in lower case.

        Raises
        ------
        ConfigurationError
            If type or range is wrong.
        """
        if value is None and self.optional:
            return None
        if self.kind is str:
            return self._checked_text(name, value)
        if self.kind is bool:
            if not isinstance(value, bool):
                raise self._error(name, "True or False", value)
            return value
        return self._checked_number(name, value)

    def _checked_text(self, name: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self._error(name, "a non-empty string", value)
        if not self.choices:
            return value
        lowered = value.strip().lower()
        if lowered not in self.choices:
            allowed = " or ".join(repr(choice) for choice in self.choices)
            hint = nearest_name_hint(lowered, self.choices)
            raise ConfigurationError(f"{name} must be {allowed}, got {value!r}{hint}")
        return lowered

    def _checked_number(self, name: str, value: object) -> float:
        kinds = (int,) if self.kind is int else (int, float)
        valid = isinstance(value, kinds) and not isinstance(value, bool)
        number = cast("float", value) if valid else math.nan
        # The comparisons are written so that NaN fails them.
        if not (self.low <= number <= self.high and number > self.above and math.isfinite(number)):
            raise self._error(name, self._range(), value)
        return int(number) if self.kind is int else float(number)

    def _range(self) -> str:
        noun = "a whole number" if self.kind is int else "a number"
        if self.low > -math.inf and self.high < math.inf:
            return f"{noun} in [{self.low:g}, {self.high:g}]"
        if self.above > -math.inf:
            return f"{noun} > {self.above:g}"
        return f"{noun} >= {self.low:g}" if self.low > -math.inf else noun

    def _error(self, name: str, expected: str, value: object) -> ConfigurationError:
        shown = f"a {type(value).__name__}" if self.secret else repr(value)
        optional = " or None" if self.optional else ""
        return ConfigurationError(f"{name} must be {expected}{optional}, got {shown}")


def setting(default: T, *, of: type | None = None, **rules: Any) -> T:
    """Declare a field of a section.

    Parameters
    ----------
    default : T
        Default value; None makes the setting optional.
    of : type, optional
        Type of the value where the default is None.
    **rules : Any
        Further fields of `Spec`.

    Returns
    -------
    T
        A dataclass field, typed as its default.
    """
    spec = Spec(kind=of or type(default), optional=default is None, **rules)
    return field(default=default, metadata={"spec": spec})


def spec_of(entry: Field[Any]) -> Spec:
    """Return what a declared field may be.

    Parameters
    ----------
    entry : dataclasses.Field
        A field made by `setting`.

    Returns
    -------
    Spec
        Its rules.
    """
    metadata: Mapping[str, Any] = entry.metadata
    return cast("Spec", metadata["spec"])


@dataclass(frozen=True, kw_only=True)
class ExecutionSettings:
    """How a decision is carried out."""

    execution_timeout: float = setting(60.0, above=0, aliases=("execution_timeout_seconds",))
    """Time limit of a whole execution, queueing included, seconds, > 0."""
    max_retries: int = setting(3, low=0, aliases=("execution_max_retries",))
    """Repetitions after a target's first failed attempt; of handlers only idempotent ones."""
    retry_delay_ms: float = setting(100.0, low=0, aliases=("execution_retry_delay_ms",))
    """Bound of the random pause before the first repetition, milliseconds; doubles with each."""
    circuit_breaker_threshold: int = setting(
        5, low=1, aliases=("execution_circuit_breaker_threshold",)
    )
    """Failures in a row after which a model of a provider is left alone for a while."""
    handler_threads: int = setting(16, low=1, high=1024)
    """Most threads for blocking handlers and encoders."""
    handler_queue: int = setting(256, low=0, high=1_000_000)
    """Most blocking calls that wait for a thread; beyond it `SaturatedError` is raised."""
    default_provider: str | None = setting(None, of=str)
    """Provider that answers unbound routes, and queries without a route."""
    feedback_max_executions: int = setting(10_000, low=0, high=10_000_000)
    """Executions, and labelled queries, that are remembered for feedback; 0 remembers none."""


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """How answers are kept."""

    cache_enabled: bool = setting(True)
    """Whether answers of providers, and of handlers bound as cacheable, are kept."""
    cache_backend: Literal["memory", "redis"] = setting("memory", choices=("memory", "redis"))
    """Where; "memory" is this process."""
    cache_ttl: float = setting(3600.0, above=0, aliases=("cache_ttl_seconds",))
    """How long an answer may be used, seconds."""
    cache_max_age: float | None = setting(None, of=float, above=0)
    """Age, in seconds, beyond which no answer is used whatever its own limit; None: no such age."""
    cache_max_entries: int = setting(10_000, low=1, aliases=("cache_size",))
    """Most answers, over all partitions together."""
    cache_max_size_mb: float = setting(1024.0, above=0, aliases=("max_cache_size_mb",))
    """Most memory, over all partitions together, MiB."""
    cache_eviction_policy: Literal["lru", "lfu", "ttl"] = setting(
        "lru", choices=("lru", "lfu", "ttl")
    )
    """Which answer goes first when the cache is full."""
    cache_scope: Literal["user", "tenant", "global"] = setting(
        "user", choices=("user", "tenant", "global")
    )
    """Who shares an answer: one user, one tenant, or everybody."""
    cache_semantic_enabled: bool = setting(False)
    """Whether a similar query may be answered from the cache; so far only equal queries are."""
    cache_similarity_threshold: float = setting(0.95, low=0, high=1)
    """Least cosine for a similar query."""
    cache_similarity_method: Literal["hybrid", "cosine", "euclidean"] = setting(
        "hybrid", choices=("hybrid", "cosine", "euclidean")
    )
    """How similarity is judged; "hybrid" looks for an equal query first."""
    cache_persistent: bool = setting(False)
    """Whether answers outlive the process."""
    cache_cleanup_interval_seconds: float = setting(300.0, above=0)
    """Pause between removals of expired answers; they are never used, removed or not."""
    redis_url: str = setting("redis://localhost:6379", aliases=("cache_redis_url",))
    """Address of Redis; its password is never shown."""
    redis_pool_size: int = setting(10, low=1)
    """Connections to Redis."""
    redis_timeout: float = setting(1.0, above=0)
    """Longest wait for Redis, seconds."""


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How simultaneous requests are put together."""

    batch_enabled: bool = setting(False)
    """Whether requests are gathered; equal ones share a call in any case."""
    batch_window_ms: float = setting(50.0, low=0)
    """How long a batch is open, milliseconds."""
    batch_max_size: int = setting(32, low=1)
    """Most requests of a batch."""
    batch_dedup_threshold: float = setting(
        0.98, low=0, high=1, aliases=("batch_similarity", "batch_similarity_threshold")
    )
    """Least cosine of two requests that may share an answer."""


@dataclass(frozen=True, kw_only=True)
class StateSettings:
    """How executions survive the process."""

    state_backend: Literal["memory", "sqlite", "postgresql"] = setting(
        "memory", choices=("memory", "sqlite", "postgresql")
    )
    """Where state is kept; "memory" ends with the process."""
    checkpoint_interval: int = setting(10, low=1, aliases=("state_checkpoint_interval",))
    """Steps between two checkpoints."""
    state_retention_days: float = setting(30.0, above=0)
    """How long state is kept, days."""


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """The relational database of state, ledger and jobs."""

    database_url: str | None = setting(None, of=str, aliases=("db_url",))
    """Address of the database; its password is never shown."""
    database_max_connections: int = setting(20, low=1)
    """Most connections."""
    database_min_connections: int = setting(2, low=0)
    """Connections that are kept open."""
    database_acquire_timeout_seconds: float = setting(30.0, above=0)
    """Longest wait for a connection."""
    database_idle_timeout_seconds: float = setting(600.0, above=0)
    """Idle time after which a connection is closed."""
    database_max_lifetime_seconds: float = setting(1800.0, above=0)
    """Age at which a connection is replaced."""


@dataclass(frozen=True, kw_only=True)
class ObservabilitySettings:
    """What the runtime tells about itself."""

    metrics_enabled: bool = setting(False, sections=("observability",))
    """Whether Prometheus metrics are collected."""
    metrics_port: int = setting(9090, low=1, high=65_535, sections=("observability",))
    """Port of the metrics."""
    tracing_enabled: bool = setting(False, sections=("observability",))
    """Whether OpenTelemetry spans are made."""
    tracing_endpoint: str = setting("http://localhost:4317", sections=("observability",))
    """Where spans go."""
    tracing_sample_rate: float = setting(0.1, low=0, high=1, sections=("observability",))
    """Share of executions that is traced."""
    log_level: Literal["debug", "info", "warning", "error", "critical"] = setting(
        "info",
        choices=("debug", "info", "warning", "error", "critical"),
        aliases=("logging_level",),
        sections=("observability",),
    )
    """Least level of the lines that are written; handlers stay the application's business."""


@dataclass(frozen=True, kw_only=True)
class SecuritySettings:
    """Who may do what."""

    auth_enabled: bool = setting(False, sections=("security",))
    """Whether callers have to prove who they are."""
    jwt_secret: str | None = setting(None, of=str, secret=True, sections=("security",))
    """Key that signs tokens; never shown."""
    api_key_validation: bool = setting(False, sections=("security",))
    """Whether API keys are checked."""
    tenant_isolation: bool = setting(True, sections=("security", "tenancy"))
    """Whether tenants are kept apart; they always are, False only earns a warning."""
    resource_quotas: bool = setting(False, sections=("security", "tenancy"))
    """Whether each tenant has limits."""
    audit_logging: bool = setting(False, sections=("security", "compliance"))
    """Whether every operation is put on record."""
    encryption_at_rest: bool = setting(False, sections=("security", "compliance"))
    """Whether what is stored is encrypted."""


@dataclass(frozen=True, kw_only=True)
class OperationsSettings:
    """Regions and retention."""

    region: str | None = setting(None, of=str, sections=("ha", "high_availability"))
    """Where this process runs."""
    failover_region: str | None = setting(None, of=str, sections=("ha", "high_availability"))
    """Where its work goes if the region fails."""
    replication_lag_ms: float = setting(1000.0, low=0, sections=("ha", "high_availability"))
    """Longest tolerated lag of the other region, milliseconds."""
    data_retention_days: float | None = setting(None, of=float, above=0, sections=("compliance",))
    """How long records are kept, days; None leaves it to each store."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """The HTTP server."""

    server_host: str = setting("127.0.0.1", aliases=("host",))
    """Address to listen on; only this machine unless changed."""
    server_port: int = setting(8080, low=1, high=65_535, aliases=("port",))
    """Port to listen on."""
    server_workers: int = setting(4, low=1, aliases=("workers",))
    """Server processes."""
    server_shutdown_timeout_seconds: float = setting(30.0, low=0)
    """How long work under way may take to end when the runtime closes."""
    health_port: int | None = setting(
        None, of=int, low=1, high=65_535, aliases=("server_health_port",)
    )
    """Port of the health checks; None: the server's own."""
