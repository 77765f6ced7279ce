"""Settings in code: names, aliases, ranges, secrets."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import math
from typing import Any

import pytest

from stratarouter.errors import ConfigurationError
from stratarouter_runtime import config as config_module
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.config_sections import spec_of

PUBLISHED_DEFAULTS = {
    "execution_timeout": 60,
    "max_retries": 3,
    "retry_delay_ms": 100,
    "circuit_breaker_threshold": 5,
    "cache_enabled": True,
    "cache_ttl": 3600,
    "cache_max_entries": 10_000,
    "cache_max_size_mb": 1024,
    "cache_similarity_threshold": 0.95,
    "cache_cleanup_interval_seconds": 300,
    "redis_url": "redis://localhost:6379",
    "redis_pool_size": 10,
    "redis_timeout": 1.0,
    "batch_window_ms": 50,
    "batch_max_size": 32,
    "batch_dedup_threshold": 0.98,
    "checkpoint_interval": 10,
    "state_retention_days": 30,
    "database_max_connections": 20,
    "database_min_connections": 2,
    "database_acquire_timeout_seconds": 30,
    "database_idle_timeout_seconds": 600,
    "database_max_lifetime_seconds": 1800,
    "metrics_port": 9090,
    "tracing_endpoint": "http://localhost:4317",
    "tracing_sample_rate": 0.1,
    "log_level": "info",
    "replication_lag_ms": 1000,
    "server_port": 8080,
    "server_workers": 4,
    "server_shutdown_timeout_seconds": 30,
}


def made(**settings: Any) -> RuntimeConfig:
    """Return settings whose names or values a type checker would refuse."""
    return RuntimeConfig(**settings)


def test_defaults_are_the_published_ones() -> None:
    config = RuntimeConfig()

    assert {name: getattr(config, name) for name in PUBLISHED_DEFAULTS} == PUBLISHED_DEFAULTS


def test_every_published_setting_is_taken() -> None:
    config = RuntimeConfig(
        execution_timeout=60,
        max_retries=3,
        retry_delay_ms=100,
        circuit_breaker_threshold=5,
        cache_enabled=True,
        cache_backend="redis",
        cache_ttl=3600,
        cache_similarity_threshold=0.95,
        batch_enabled=True,
        batch_window_ms=50,
        batch_max_size=32,
        batch_dedup_threshold=0.98,
        state_backend="postgresql",
        checkpoint_interval=10,
        state_retention_days=30,
        metrics_enabled=True,
        metrics_port=9090,
        tracing_enabled=True,
        tracing_endpoint="http://jaeger:4317",
        log_level="info",
        auth_enabled=True,
        jwt_secret="your-secret-key",
        api_key_validation=True,
        tenant_isolation=True,
        resource_quotas=True,
        region="us-east-1",
        failover_region="us-west-2",
        replication_lag_ms=1000,
        audit_logging=True,
        data_retention_days=2555,
        encryption_at_rest=True,
    )

    assert config.cache_backend == "redis"
    assert config.data_retention_days == 2555


@pytest.mark.parametrize(
    ("alias", "field"),
    [
        ("batch_similarity", "batch_dedup_threshold"),
        ("batch_similarity_threshold", "batch_dedup_threshold"),
        ("cache_ttl_seconds", "cache_ttl"),
        ("max_cache_size_mb", "cache_max_size_mb"),
        ("cache_size", "cache_max_entries"),
        ("port", "server_port"),
    ],
)
def test_other_names_set_and_read_the_same_setting(alias: str, field: str) -> None:
    config = made(**{alias: 1})

    assert getattr(config, field) == 1
    assert getattr(config, alias) == 1


def test_db_url_is_the_database_url() -> None:
    assert RuntimeConfig(db_url="postgresql://h/d").database_url == "postgresql://h/d"


@pytest.mark.parametrize("other", ["batch_similarity", "batch_similarity_threshold"])
def test_two_names_of_one_setting_must_agree(other: str) -> None:
    same = made(**{"batch_dedup_threshold": 0.9, other: 0.9})

    assert same.batch_dedup_threshold == 0.9
    with pytest.raises(ConfigurationError, match="same setting and differ"):
        made(**{"batch_dedup_threshold": 0.98, other: 0.9})


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="'cache_tll'; did you mean 'cache_ttl'"):
        made(cache_tll=1)
    with pytest.raises(AttributeError, match="did you mean 'cache_ttl'"):
        _ = RuntimeConfig().cache_tll  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("execution_timeout", 0),
        ("execution_timeout", -1.0),
        ("execution_timeout", math.nan),
        ("execution_timeout", math.inf),
        ("execution_timeout", "60"),
        ("execution_timeout", True),
        ("execution_timeout", None),
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("max_retries", False),
        ("cache_enabled", "yes"),
        ("cache_enabled", 1),
        ("cache_ttl", 0),
        ("cache_similarity_threshold", 1.01),
        ("tracing_sample_rate", -0.01),
        ("metrics_port", 0),
        ("server_port", 65_536),
        ("log_level", "loud"),
        ("region", " "),
        ("jwt_secret", ""),
        ("default_provider", 5),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=name):
        made(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache_similarity_threshold", 0.0),
        ("max_retries", 0),
        ("retry_delay_ms", 0),
        ("batch_window_ms", 0),
        ("tracing_sample_rate", 0),
        ("server_shutdown_timeout_seconds", 0),
        ("cache_max_age", None),
    ],
)
def test_zero_and_none_are_values(name: str, value: float | None) -> None:
    assert getattr(made(**{name: value}), name) == value


def test_a_wrong_choice_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'postgresql'"):
        made(state_backend="postgres")


def test_choices_are_taken_in_any_case() -> None:
    assert made(log_level="INFO", cache_backend="Redis").log_level == "info"


def test_connections_must_fit() -> None:
    with pytest.raises(ConfigurationError, match="must not exceed"):
        RuntimeConfig(database_min_connections=5, database_max_connections=4)


def test_secrets_are_never_shown() -> None:
    config = RuntimeConfig(
        jwt_secret="hush-hush",
        database_url="postgresql://ann:hush-hush@db/x",
        redis_url="redis://:hush-hush@cache:6379/0",
    )

    assert "hush-hush" not in repr(config) + str(config) + str(config.to_dict())
    assert "postgresql://ann:***@db/x" in repr(config)
    assert config.jwt_secret == "hush-hush"


def test_an_unusable_secret_is_not_shown_either() -> None:
    with pytest.raises(ConfigurationError) as caught:
        made(jwt_secret=b"hush-hush")

    assert "hush-hush" not in str(caught.value)


def test_the_repr_shows_what_was_changed() -> None:
    assert repr(RuntimeConfig(cache_ttl=60)) == "RuntimeConfig(cache_ttl=60.0)"


def test_settings_are_immutable_values() -> None:
    config = RuntimeConfig(cache_ttl=60)

    assert config == RuntimeConfig(cache_ttl=60.0)
    assert hash(config) == hash(RuntimeConfig(cache_ttl=60))
    assert config != RuntimeConfig()
    assert copy.deepcopy(config) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.cache_ttl = 1.0  # type: ignore[misc]


def test_a_changed_copy_takes_every_name() -> None:
    config = RuntimeConfig(cache_ttl=60, batch_similarity=0.9)

    assert config.replace(batch_similarity=0.8).batch_dedup_threshold == 0.8
    assert config.replace(cache_enabled=False).cache_ttl == 60
    assert dataclasses.replace(config, cache_ttl=5.0).batch_dedup_threshold == 0.9


def test_every_field_is_declared_with_rules_and_documented() -> None:
    for entry in dataclasses.fields(RuntimeConfig):
        spec = spec_of(entry)
        spec.checked(entry.name, entry.default)
        assert spec.optional == (entry.default is None)


def test_type_checkers_know_the_published_aliases() -> None:
    tree = ast.parse(inspect.getsource(config_module))
    declared = {
        node.target.id: node.annotation
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and "InitVar" in ast.unparse(node.annotation)
    }
    defaults: dict[str, Any] = {
        alias: entry.default
        for entry in dataclasses.fields(RuntimeConfig)
        for alias in spec_of(entry).aliases
    }

    assert {"batch_similarity", "batch_similarity_threshold", "db_url"} <= set(declared)
    assert set(declared) <= set(defaults)
