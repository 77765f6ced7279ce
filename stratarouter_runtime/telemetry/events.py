"""The telemetry events and their delivery."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar, get_args

from stratarouter_runtime.types import Event, EventName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stratarouter_runtime.protocols import Clock, EventSink
    from stratarouter_runtime.types import ExecutionRecord

__all__ = ["EVENT_NAMES", "EventBus"]

EVENT_NAMES: tuple[str, ...] = get_args(EventName)
"""All 28 names."""

T = TypeVar("T")

_logger = logging.getLogger("stratarouter_runtime")


class EventBus:
    """Hands telemetry to its sinks; a failing sink never disturbs an execution.

    Parameters
    ----------
    sinks : iterable of EventSink
        Receivers, in order.
    clock : Clock
        Where the time of an event comes from.
    """

    __slots__ = ("_clock", "_failures", "_sinks")

    def __init__(self, sinks: Iterable[EventSink], clock: Clock) -> None:
        self._sinks = tuple(sinks)
        self._clock = clock
        self._failures = [0] * len(self._sinks)

    @property
    def is_idle(self) -> bool:
        """Whether nobody listens."""
        return not self._sinks

    @property
    def failures(self) -> int:
        """How many deliveries failed so far."""
        return sum(self._failures)

    def emit(
        self,
        name: EventName,
        execution_id: str | None = None,
        **fields: str | float | bool | None,
    ) -> None:
        """Deliver an event.

        Parameters
        ----------
        name : EventName
            What happened.
        execution_id : str, optional
            Execution it belongs to.
        **fields : str, float, bool or None
            Particulars; never query text, answers or secrets.
        """
        if not self._sinks:
            return
        event = Event(
            name=name, at_s=self._clock.wall_s(), execution_id=execution_id, fields=fields
        )
        for index, sink in enumerate(self._sinks):
            self._deliver(index, sink.emit, event)

    def complete(self, record: ExecutionRecord) -> None:
        """Deliver the summary of a finished execution.

        Parameters
        ----------
        record : ExecutionRecord
            The summary.
        """
        for index, sink in enumerate(self._sinks):
            self._deliver(index, sink.complete, record)

    def _deliver(self, index: int, receive: Callable[[T], None], what: T) -> None:
        try:
            receive(what)
        except Exception:
            self._failures[index] += 1
            if self._failures[index] == 1:
                _logger.exception("an event sink failed; its further failures are only counted")
