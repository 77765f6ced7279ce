"""What a connection does to answer a request, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "END_OF_CHUNKS",
    "Action",
    "End",
    "Fill",
    "Pause",
    "Plan",
    "Repeat",
    "Send",
    "chunk",
    "head",
]

END_OF_CHUNKS = b"0\r\n\r\n"

_REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    529: "Overloaded",
}


@dataclass(frozen=True, slots=True)
class Send:
    """Write bytes."""

    data: bytes
    """The bytes."""
    input_tokens: int = 0
    """What is billed for reading as soon as they are written."""
    output_tokens: int = 0
    """What is billed for writing as soon as they are written."""


@dataclass(frozen=True, slots=True)
class Fill:
    """Write the letter x many times, without holding it all in memory."""

    n_bytes: int
    """How many times."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for a while."""

    seconds: float
    """How long."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Write the same again and again until the client goes."""

    send: Send
    """What is written."""
    every_s: float
    """Pause before each."""


@dataclass(frozen=True, slots=True)
class End:
    """End the connection: `close` it, or `reset` it."""

    how: Literal["close", "reset"]
    """The way."""


Action = Send | Fill | Pause | Repeat | End


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that happens in answer to one request."""

    actions: Sequence[Action]
    """In order. The connection stays open after them unless one ends it."""
    status: int | None
    """HTTP status that is sent; None if none is."""
    finishes_alone: bool = False
    """Whether the work goes on, and is billed, when the client has gone."""


def head(
    status: int,
    content_type: str,
    length_bytes: int | None,
    headers: Sequence[tuple[str, str]] = (),
    request_id: str = "",
) -> bytes:
    """Return the head of an HTTP answer.

    Parameters
    ----------
    status : int
        HTTP status.
    content_type : str
        Media type of the body.
    length_bytes : int or None
        Length of the body; None announces chunks.
    headers : sequence of (str, str)
        Further headers.
    request_id : str
        Identifier of the request; sent if it is not empty.

    Returns
    -------
    bytes
        Status line, headers and the empty line.
    """
    body = "transfer-encoding: chunked"
    if length_bytes is not None:
        body = f"content-length: {length_bytes}"
    further = "".join(f"{name}: {value}\r\n" for name, value in headers)
    if request_id:
        further += f"x-request-id: {request_id}\r\n"
    line = f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"
    return f"{line}\r\ncontent-type: {content_type}\r\n{body}\r\n{further}\r\n".encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return data as one piece of a chunked body.

    Parameters
    ----------
    data : bytes
        Not empty: an empty piece would end the body.

    Returns
    -------
    bytes
        The piece with its length.
    """
    return b"%x\r\n%b\r\n" % (len(data), data)
