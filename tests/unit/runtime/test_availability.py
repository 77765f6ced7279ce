"""Which configured features are owned up to, and which stop the start."""

from __future__ import annotations

from typing import Any

import pytest

from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.policies.availability import missing_features, missing_protections


def test_defaults_miss_nothing() -> None:
    assert list(missing_features(RuntimeConfig())) == []
    assert missing_protections(RuntimeConfig()) == ()


@pytest.mark.parametrize(
    "settings",
    [
        {"cache_backend": "redis"},
        {"cache_semantic_enabled": True},
        {"cache_similarity_threshold": 0.8},
        {"cache_eviction_policy": "lfu"},
        {"cache_persistent": True},
        {"batch_enabled": True},
        {"state_backend": "postgresql"},
        {"state_backend": "sqlite"},
        {"metrics_enabled": True},
        {"tracing_enabled": True},
        {"region": "us-east-1"},
        {"failover_region": "us-west-2"},
        {"data_retention_days": 2555},
        {"tenant_isolation": False},
    ],
    ids=str,
)
def test_each_missing_feature_is_one_sentence(settings: dict[str, Any]) -> None:
    sentences = list(missing_features(RuntimeConfig(**settings)))

    assert len(sentences) == 1
    assert ";" in sentences[0]


def test_settings_of_a_cache_that_is_off_are_not_missed() -> None:
    config = RuntimeConfig(cache_enabled=False, cache_backend="redis", cache_persistent=True)

    assert list(missing_features(config)) == []


def test_retries_are_built() -> None:
    config = RuntimeConfig(max_retries=5, retry_delay_ms=10, circuit_breaker_threshold=9)

    assert list(missing_features(config)) == []
    assert list(missing_features(RuntimeConfig(max_retries=0))) == []


def test_protections_are_named_by_setting() -> None:
    config = RuntimeConfig(
        auth_enabled=True,
        api_key_validation=True,
        resource_quotas=True,
        audit_logging=True,
        encryption_at_rest=True,
        tenant_isolation=True,
    )

    assert set(missing_protections(config)) == {
        "auth_enabled",
        "api_key_validation",
        "resource_quotas",
        "audit_logging",
        "encryption_at_rest",
    }
