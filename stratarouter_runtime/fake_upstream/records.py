"""What is remembered of a request, of a connection, and of the bill."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, fields
from typing import Any, Literal

__all__ = [
    "Billed",
    "ConnectionRecord",
    "Outcome",
    "RequestRecord",
    "request_from",
    "to_plain",
]

Outcome = Literal["open", "answered", "cut", "client_left"]


@dataclass(frozen=True, slots=True)
class Billed:
    """What a service would charge for."""

    calls: int = 0
    """Answers that cost something."""
    input_tokens: int = 0
    """Tokens read."""
    output_tokens: int = 0
    """Tokens written."""


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request and what became of it. Times are of the monotonic clock, seconds."""

    number: int
    """Its number, from 1."""
    connection: int
    """Number of the connection that it came on."""
    method: str
    """GET, POST, and so on."""
    target: str
    """Path and query."""
    head: bytes = field(repr=False)
    """Request line and headers, as they came."""
    body: bytes = field(repr=False)
    """The body, as it came."""
    bytes_in: int
    """Length on the wire."""
    started_s: float
    """When it was complete."""
    wire: str = ""
    """Name of its wire format, "" if the path belongs to none."""
    operation: str = ""
    """complete, stream or embed; "" for anything else."""
    model: str = ""
    """The model that it names."""
    fault: str = ""
    """The fault that struck, with its variant, "" if none did."""
    status: int | None = None
    """HTTP status of the answer, None if none was sent."""
    bytes_out: int = 0
    """Bytes of the answer that were handed to the socket."""
    first_byte_s: float | None = None
    """When the first byte of the answer was handed to the socket."""
    ended_s: float | None = None
    """When it was over."""
    outcome: Outcome = "open"
    """answered; cut by us; client_left before the answer was complete; open until it is over."""
    input_tokens: int = 0
    """What was billed for reading so far."""
    output_tokens: int = 0
    """What was billed for writing so far."""

    @property
    def path(self) -> str:
        """The path without its query."""
        return self.target.partition("?")[0]

    @property
    def headers(self) -> dict[str, str]:
        """Headers by name in lower case; values of a repeated one are joined by commas."""
        found: dict[str, str] = {}
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            name, colon, value = line.partition(":")
            if colon:
                key = name.strip().lower()
                found[key] = f"{found[key]}, {value.strip()}" if key in found else value.strip()
        return found


@dataclass(slots=True, kw_only=True)
class ConnectionRecord:
    """One connection. Times are of the monotonic clock, seconds."""

    number: int
    """Its number, from 1."""
    port: int
    """The port that it came to."""
    fault: str = ""
    """The connect fault of that port, "" if there is none or it is over."""
    opened_s: float
    """When it was taken up."""
    first_byte_s: float | None = None
    """When its first byte came in."""
    closed_s: float | None = None
    """When it was over."""
    closed_by: Literal["", "client", "server"] = ""
    """Who ended it, "" while it is open."""
    was_reset: bool = False
    """Whether the client, or a fault, ended it by a reset."""
    bytes_in: int = 0
    """Bytes that came in."""
    bytes_out: int = 0
    """Bytes that were handed to the socket."""


def to_plain(record: RequestRecord | ConnectionRecord) -> dict[str, Any]:
    """Return a record as plain data; bytes become base64 text.

    Parameters
    ----------
    record : RequestRecord or ConnectionRecord
        The record.

    Returns
    -------
    dict
        Its fields.
    """
    plain = {entry.name: getattr(record, entry.name) for entry in fields(record)}
    for name in ("head", "body"):
        if name in plain:
            plain[name] = base64.b64encode(plain[name]).decode()
    return plain


def request_from(plain: dict[str, Any]) -> RequestRecord:
    """Return the record that plain data stand for.

    Parameters
    ----------
    plain : dict
        What `to_plain` made.

    Returns
    -------
    RequestRecord
        The record.
    """
    decoded = {name: base64.b64decode(plain[name]) for name in ("head", "body")}
    return RequestRecord(**{**plain, **decoded})
