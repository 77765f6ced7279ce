"""One line of JSON per execution, in the published shape."""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter_runtime.telemetry.logs import LOGGER_NAME, JsonFormatter, LogSink
from stratarouter_runtime.types import ExecutionRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = ExecutionRecord(
    at_s=1768473045.0,
    execution_id="exec-123",
    duration_ms=45.2,
    route_id="billing",
    provider="openai",
    model="gpt-4",
    tokens=1250,
    cost_usd=0.0375,
    tenant_id="acme",
    user_id="user-123",
)


@pytest.fixture
def output() -> Iterator[StringIO]:
    """Return what an application with a handler of its own would see."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger(LOGGER_NAME)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def lines(output: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_the_line_has_the_published_fields(output: StringIO) -> None:
    LogSink().complete(RECORD)

    assert lines(output) == [
        {
            "timestamp": "2026-01-15T10:30:45.000Z",
            "level": "info",
            "event": "execution_complete",
            "execution_id": "exec-123",
            "duration_ms": 45.2,
            "cache_hit": False,
            "provider": "openai",
            "model": "gpt-4",
            "tokens": 1250,
            "cost_usd": 0.0375,
            "route_id": "billing",
            "tenant_id": "acme",
            "user_id": "user-123",
            "coalesced": False,
        }
    ]


def test_a_failure_names_its_code(output: StringIO) -> None:
    LogSink().complete(replace(RECORD, error="EXECUTION_TIMEOUT"))
    (line,) = lines(output)

    assert (line["level"], line["event"]) == ("error", "execution_failed")
    assert line["error"] == "EXECUTION_TIMEOUT"


def test_the_level_leaves_out_what_is_less(output: StringIO) -> None:
    sink = LogSink("error")
    sink.complete(RECORD)
    sink.complete(replace(RECORD, error="SATURATED"))

    assert [line["event"] for line in lines(output)] == ["execution_failed"]


def test_an_application_that_does_not_listen_pays_nothing() -> None:
    assert not logging.getLogger(LOGGER_NAME).isEnabledFor(logging.INFO)
    # A line with this time could not be made.
    LogSink().complete(replace(RECORD, at_s=float("nan")))


def test_without_our_formatter_the_message_is_the_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        LogSink().complete(RECORD)

    assert json.loads(caplog.messages[0])["execution_id"] == "exec-123"


def test_a_line_breaks_never(output: StringIO) -> None:
    LogSink().complete(replace(RECORD, user_id='x\n{"level": "forged"}\r\u2028'))

    assert len(output.getvalue().splitlines()) == 1
    assert lines(output)[0]["user_id"].startswith("x\n")


def test_other_records_become_json_as_well(output: StringIO) -> None:
    logger = logging.getLogger(LOGGER_NAME)
    logger.warning("the cache cannot be used: %s", "down")
    try:
        int("inner")
    except ValueError:
        logger.exception("a sink failed")
    first, second = lines(output)

    assert (first["level"], first["message"]) == ("warning", "the cache cannot be used: down")
    assert first["timestamp"].endswith("Z")
    assert "ValueError: invalid literal" in second["exception"]


def test_the_line_survives_a_queue() -> None:
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(waiting)
    logger = logging.getLogger(LOGGER_NAME)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        LogSink().complete(RECORD)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    assert json.loads(JsonFormatter().format(waiting.get()))["execution_id"] == "exec-123"


def test_nobody_configured_the_logging() -> None:
    assert logging.getLogger(LOGGER_NAME).handlers == []
    assert logging.getLogger(LOGGER_NAME).propagate
