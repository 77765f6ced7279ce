"""Reading HTTP requests from a stream of bytes, within limits."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["IncomingRequest", "RequestParser", "TooLargeError", "WireError"]

_HEAD_BYTES = 64 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked[ \t]*\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r\n", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")


class WireError(Exception):
    """What came in is no HTTP/1 request."""

    status = 400


class TooLargeError(WireError):
    """The head or the body of a request is beyond the limit.

    Parameters
    ----------
    message : str
        What is too large.
    status : int
        HTTP status that fits.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A request as it came over the wire."""

    method: str
    """GET, POST, and so on."""
    target: str
    """Path and query."""
    head: bytes
    """Request line and headers."""
    body: bytes
    """The body, chunks joined."""
    keep_alive: bool
    """Whether the connection shall stay open."""
    n_bytes: int
    """Length on the wire."""


class RequestParser:
    """Collects bytes and gives out requests.

    Parameters
    ----------
    max_body_bytes : int
        Largest body.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes.

        Parameters
        ----------
        data : bytes
            What came in.
        """
        self._buffer += data

    def awaits_continue(self) -> bool:
        """Say whether the client waits for a word before it sends its body.

        Returns
        -------
        bool
            Whether the head is complete, asks so, and nothing of the body is here.
        """
        end = self._buffer.find(_END_OF_HEAD)
        return (
            end >= 0 and len(self._buffer) == end + 4 and _EXPECT.search(self._buffer) is not None
        )

    def next(self) -> IncomingRequest | None:
        """Give out the next request.

        Returns
        -------
        IncomingRequest or None
            None while it is incomplete.

        Raises
        ------
        WireError
            If the bytes are no request.
        TooLargeError
            If it is too large.
        """
        buffer = self._buffer
        end = buffer.find(_END_OF_HEAD)
        if end < 0:
            if len(buffer) > _HEAD_BYTES:
                raise TooLargeError("the head of the request is too large", 431)
            return None
        head = bytes(buffer[: end + 2])
        found = self._body(head, end + 4)
        if found is None:
            return None
        body, length = found
        words = head[: head.index(b"\r\n")].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise WireError("this is no HTTP/1 request")
        del buffer[:length]
        keep_alive = words[2] == "HTTP/1.1" and _CLOSE.search(head) is None
        return IncomingRequest(words[0], words[1], head, body, keep_alive, length)

    def _body(self, head: bytes, start: int) -> tuple[bytes, int] | None:
        """Return the body, and where the next request begins."""
        match = _LENGTH.search(head)
        if match is not None:
            stop = start + int(match[1])
            if stop - start > self._max_body_bytes:
                raise TooLargeError("the body of the request is too large", 413)
            return (bytes(self._buffer[start:stop]), stop) if len(self._buffer) >= stop else None
        if _CHUNKED.search(head) is None:
            return b"", start
        return self._chunks(start)

    def _chunks(self, start: int) -> tuple[bytes, int] | None:
        body, buffer = bytearray(), self._buffer
        while True:
            match = _SIZE.match(buffer, start)
            if match is None:
                if len(buffer) - start > 256:
                    raise WireError("this is no chunk")
                return None
            size, first = int(match[1], 16), match.end()
            if len(body) + size > self._max_body_bytes:
                raise TooLargeError("the body of the request is too large", 413)
            if size == 0:
                # Trailers are not asked for by anybody; an empty line is all that may follow.
                return (bytes(body), first + 2) if len(buffer) >= first + 2 else None
            if len(buffer) < first + size + 2:
                return None
            body += buffer[first : first + size]
            start = first + size + 2
