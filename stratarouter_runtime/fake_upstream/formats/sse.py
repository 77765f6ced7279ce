"""Server-sent events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratarouter_runtime.fake_upstream.exchange import encode

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.exchange import Event

__all__ = ["EVENT_STREAM", "frame_event"]

EVENT_STREAM = "text/event-stream; charset=utf-8"


def frame_event(event: Event) -> bytes:
    """Return an event as it goes over the wire.

    Parameters
    ----------
    event : Event
        The event.

    Returns
    -------
    bytes
        Its name, if it has one, its data, and the empty line.
    """
    data = event.data.encode() if isinstance(event.data, str) else encode(event.data)
    name = b"" if event.name is None else b"event: " + event.name.encode() + b"\n"
    return name + b"data: " + data + b"\n\n"
