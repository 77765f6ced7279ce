"""The 28 events and their delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratarouter_runtime.telemetry.events import EVENT_NAMES, EventBus
from stratarouter_runtime.telemetry.null import NullSink
from stratarouter_runtime.testing import ManualClock, RecordingSink
from stratarouter_runtime.types import Event, ExecutionRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

PUBLISHED: Mapping[str, tuple[str, ...]] = {
    "router": ("decide", "route_error"),
    "ratelimit": ("check", "block", "allow"),
    "provider": ("request_start", "request_stop", "request_error"),
    "overflow": ("enqueue", "drain_start", "drain_stop"),
    "auth": ("success", "failure", "invalid_key", "rate_limit.allowed", "rate_limit.blocked"),
    "circuit": ("open", "close", "half_open"),
    "stream": ("chunk", "complete", "error"),
    "retry": ("start", "attempt", "exhausted"),
    "failover": ("success", "attempt_failed", "all_attempts_failed"),
}
RECORD = ExecutionRecord(at_s=1.0, execution_id="exec-1", duration_ms=2.0)


class FailingSink(NullSink):
    def emit(self, event: Event) -> None:
        raise ValueError("broken")

    def complete(self, record: ExecutionRecord) -> None:
        raise ValueError("broken")


def test_there_are_28_events_under_the_published_names() -> None:
    assert len(EVENT_NAMES) == len(set(EVENT_NAMES)) == 28
    assert set(EVENT_NAMES) == {
        f"{group}.{name}" for group, names in PUBLISHED.items() for name in names
    }


def test_every_sink_gets_every_event_with_its_time() -> None:
    clock = ManualClock(wall_s=100.0)
    sinks = [RecordingSink(), RecordingSink()]
    bus = EventBus(sinks, clock)
    bus.emit("router.decide", "exec-1", route_id="billing", confidence=0.9)
    clock.advance(1.5)
    bus.emit("retry.start")

    assert sinks[0].events == sinks[1].events
    assert sinks[0].events == [
        Event(
            name="router.decide",
            at_s=100.0,
            execution_id="exec-1",
            fields={"route_id": "billing", "confidence": 0.9},
        ),
        Event(name="retry.start", at_s=101.5),
    ]


def test_a_failing_sink_disturbs_nobody_and_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = RecordingSink()
    bus = EventBus([FailingSink(), good], ManualClock())
    for _ in range(3):
        bus.emit("circuit.open")
    bus.complete(RECORD)

    assert good.names == ["circuit.open"] * 3
    assert good.records == [RECORD]
    assert bus.failures == 4
    assert len(caplog.records) == 1, "the first failure is told, the others are counted"


def test_a_bus_without_sinks_does_nothing() -> None:
    bus = EventBus([], ManualClock())
    bus.emit("circuit.open")
    bus.complete(RECORD)

    assert bus.failures == 0


def test_the_null_sink_takes_everything() -> None:
    bus = EventBus([NullSink()], ManualClock())
    bus.emit("circuit.open")
    bus.complete(RECORD)

    assert bus.failures == 0
