"""A sink that ignores everything, to derive others from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratarouter_runtime.types import Event, ExecutionRecord

__all__ = ["NullSink"]


class NullSink:
    """Receives telemetry and does nothing; override what is of interest."""

    def emit(self, event: Event) -> None:
        """Ignore one event.

        Parameters
        ----------
        event : Event
            What happened.
        """

    def complete(self, record: ExecutionRecord) -> None:
        """Ignore the summary of a finished execution.

        Parameters
        ----------
        record : ExecutionRecord
            The summary.
        """
