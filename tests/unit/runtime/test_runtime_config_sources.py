"""Settings from files and the environment, and which of them wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stratarouter.errors import ConfigurationError
from stratarouter_runtime.config import RuntimeConfig

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHED_FILE = """\
[server]
host = "0.0.0.0"
port = 8080
workers = 4
shutdown_timeout_seconds = 30

[database]
url = "postgresql://localhost/stratarouter"
max_connections = 20
min_connections = 2
acquire_timeout_seconds = 30
idle_timeout_seconds = 600
max_lifetime_seconds = 1800

[cache]
enabled = true
max_entries = 500
ttl_seconds = 60
persistent = true
cleanup_interval_seconds = 300
semantic_enabled = true
similarity_threshold = 0.8
similarity_method = "hybrid"
"""


def write(folder: Path, text: str, name: str = "runtime.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_published_file_is_read(tmp_path: Path) -> None:
    config = RuntimeConfig.from_file(write(tmp_path, PUBLISHED_FILE))

    assert config.server_host == "0.0.0.0"  # noqa: S104 -- the published value
    assert config.database_url == "postgresql://localhost/stratarouter"
    assert (config.cache_ttl, config.cache_max_entries) == (60, 500)
    assert (config.cache_similarity_threshold, config.cache_semantic_enabled) == (0.8, True)


def test_other_tables_and_flat_names_are_read(tmp_path: Path) -> None:
    text = """\
max_retries = 7

[execution]
timeout = 5
retry_delay_ms = 20

[batch]
similarity = 0.9

[state]
backend = "sqlite"
checkpoint_interval = 3

[metrics]
enabled = true

[observability]
log_level = "error"
tracing_enabled = true

[security]
tenant_isolation = true

[redis]
url = "redis://cache:6379"
"""
    config = RuntimeConfig.from_file(write(tmp_path, text))

    assert (config.max_retries, config.execution_timeout, config.retry_delay_ms) == (7, 5, 20)
    assert (config.batch_dedup_threshold, config.state_backend) == (0.9, "sqlite")
    assert (config.checkpoint_interval, config.log_level) == (3, "error")
    assert config.metrics_enabled
    assert config.tracing_enabled
    assert config.redis_url == "redis://cache:6379"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[cache]\nttl_secnds = 1", r"'ttl_secnds' in \[cache\]; did you mean 'ttl_seconds'"),
        ("[cahce]\nttl = 1", r"unknown table \[cahce\]; did you mean 'cache'"),
        ("[cache]\nmax_retries = 1", r"'max_retries' in \[cache\]"),
        ("cache_tll = 1", "did you mean 'cache_ttl'"),
        ("[cache]\nttl = 1\nttl_seconds = 2", "same setting and differ"),
        ("cache_ttl = 1\n[cache]\nttl = 2", "twice"),
        ("[cache]\nttl = 0", "cache_ttl must be a number > 0"),
        ("[cache]\nenabled = 'yes'", "cache_enabled must be True or False"),
        ("cache = ", "is no TOML file"),
    ],
)
def test_faults_in_a_file_name_the_file_and_the_place(
    tmp_path: Path, text: str, message: str
) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigurationError, match=message) as caught:
        RuntimeConfig.from_file(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: cannot be read"):
        RuntimeConfig.from_file(tmp_path / "absent.toml")


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="only TOML"):
        RuntimeConfig.from_file(write(tmp_path, "cache: {}", "runtime.yaml"))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "runtime.toml"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigurationError, match="is no TOML file"):
        RuntimeConfig.from_file(path)


def test_the_environment_is_read_in_every_published_style() -> None:
    config = RuntimeConfig.from_env(
        {
            "CACHE_TTL_SECONDS": "60",
            "CACHE_ENABLED": "false",
            "CACHE_SIMILARITY_THRESHOLD": "0.8",
            "REDIS_URL": "redis://cache:6379",
            "DATABASE_URL": "postgresql://db/x",
            "DATABASE_MAX_CONNECTIONS": "7",
            "SERVER_WORKERS": "2",
            "SR_LOG_LEVEL": "DEBUG",
            "SR_CACHE_SIZE": "1000",
            "HEALTH_PORT": "4004",
            "EXECUTION_TIMEOUT": "2.5",
            "UNRELATED": "x",
        }
    )

    assert (config.cache_ttl, config.cache_enabled) == (60, False)
    assert config.cache_similarity_threshold == 0.8
    assert (config.redis_url, config.database_url) == ("redis://cache:6379", "postgresql://db/x")
    assert (config.database_max_connections, config.server_workers) == (7, 2)
    assert (config.log_level, config.cache_max_entries) == ("debug", 1000)
    assert (config.health_port, config.execution_timeout) == (4004, 2.5)


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({"PORT": "1"}, 1),
        ({"PORT": "1", "SERVER_PORT": "2"}, 2),
        ({"PORT": "1", "SERVER_PORT": "2", "SR_PORT": "3"}, 3),
        ({"SR_SERVER_PORT": "4"}, 4),
        ({"port": "5"}, 8080),
        ({"PORT": " "}, 8080),
    ],
)
def test_the_more_specific_variable_wins(environ: dict[str, str], port: int) -> None:
    assert RuntimeConfig.from_env(environ).server_port == port


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("TRUE", True), ("on", True), ("yes", True), ("0", False), ("No", False)],
)
def test_words_for_yes_and_no(text: str, value: bool) -> None:
    assert RuntimeConfig.from_env({"BATCH_ENABLED": text}).batch_enabled is value


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"CACHE_TTL": "soon"}, "CACHE_TTL must be a number > 0, got 'soon'"),
        ({"CACHE_ENABLED": "maybe"}, "CACHE_ENABLED must be True or False"),
        ({"MAX_RETRIES": "1.5"}, "MAX_RETRIES must be a whole number"),
        ({"CACHE_TTL": "1", "CACHE_TTL_SECONDS": "2"}, "differs from another variable"),
        ({"SR_CACHE_TLL": "1"}, "did you mean SR_CACHE_TTL"),
    ],
)
def test_faults_in_the_environment_name_the_variable(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RuntimeConfig.from_env(environ)


def test_variables_of_others_with_our_prefix_are_left_alone() -> None:
    assert RuntimeConfig.from_env({"SR_SOMETHING_ELSE": "1"}) == RuntimeConfig()


def test_the_process_environment_is_only_read_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SR_CACHE_TTL", "77")

    assert RuntimeConfig().cache_ttl == 3600
    assert RuntimeConfig.from_env().cache_ttl == 77


def test_layers_win_over_each_other_in_order(tmp_path: Path) -> None:
    write(tmp_path, "[cache]\nttl = 10\nmax_entries = 10\n[batch]\nmax_size = 10", "default.toml")
    write(tmp_path, "[cache]\nttl = 20\nmax_entries = 20", "production.toml")
    environ = {"CACHE_TTL": "30"}

    config = RuntimeConfig.load("production", directory=tmp_path, environ=environ, max_retries=4)
    override = RuntimeConfig.load("production", directory=tmp_path, environ=environ, cache_ttl=40)

    assert (config.cache_ttl, config.cache_max_entries, config.batch_max_size) == (30, 20, 10)
    assert (config.max_retries, config.execution_timeout) == (4, 60)
    assert override.cache_ttl == 40


def test_a_layer_may_use_another_name_than_the_one_below(tmp_path: Path) -> None:
    path = write(tmp_path, "[batch]\nsimilarity = 0.9")

    config = RuntimeConfig.load(path, environ={"BATCH_DEDUP_THRESHOLD": "0.8"})

    assert config.batch_dedup_threshold == 0.8
    assert (
        RuntimeConfig.from_file(path, batch_similarity_threshold=0.7).batch_dedup_threshold == 0.7
    )


def test_loading_without_any_file_gives_the_defaults(tmp_path: Path) -> None:
    assert RuntimeConfig.load(directory=tmp_path, environ={}) == RuntimeConfig()


def test_a_named_configuration_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"production\.toml: cannot be read"):
        RuntimeConfig.load("production", directory=tmp_path, environ={})
