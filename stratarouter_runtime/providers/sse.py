"""Server-sent events out of bytes, however they are cut."""

from __future__ import annotations

from typing import NamedTuple

from stratarouter_runtime.provider_errors import InvalidAnswerError

__all__ = ["DEFAULT_MAX_EVENT_BYTES", "ServerEvent", "ServerEventParser"]

DEFAULT_MAX_EVENT_BYTES = 8 * 2**20
"""Largest event: no provider sends as much, but a broken server may."""

_BOM = b"\xef\xbb\xbf"


class ServerEvent(NamedTuple):
    """One event."""

    name: bytes
    """Its type; empty if it has none."""
    data: bytes
    """Its data, lines joined by line feeds; not decoded yet."""


class ServerEventParser:
    r"""Takes a body in pieces and returns the events that are complete.

    Lines may end with LF, CR LF or CR, also in turns. Comments, and fields other than ``event`` and
    ``data``, are passed over. An event without data is none.

    Parameters
    ----------
    provider : str
        Name of the provider, for errors.
    max_event_bytes : int, bytes, >= 1
        Largest event; also the longest line.

    Examples
    --------
    >>> parser = ServerEventParser("p")
    >>> parser.feed(b": ping\r\n\r\nda"), parser.feed(b"ta: 1\n\ndata: 2")
    ([], [ServerEvent(name=b'', data=b'1')])
    >>> parser.end()
    [ServerEvent(name=b'', data=b'2')]
    """

    __slots__ = (
        "_data",
        "_event_bytes",
        "_is_after_cr",
        "_is_first",
        "_line_bytes",
        "_max_event_bytes",
        "_name",
        "_partial",
        "_provider",
    )

    def __init__(self, provider: str, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._provider = provider
        self._max_event_bytes = max_event_bytes
        self._partial: list[bytes] = []
        self._line_bytes = 0
        self._data: list[bytes] = []
        self._event_bytes = 0
        self._name = b""
        self._is_after_cr = False
        self._is_first = True

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """Take the next bytes.

        Parameters
        ----------
        piece : bytes
            The bytes; may end anywhere.

        Returns
        -------
        list of ServerEvent
            The events that they complete.

        Raises
        ------
        InvalidAnswerError
            If an event is larger than allowed.
        """
        if self._is_after_cr and piece:
            # The CR has ended its line already; only now it shows that it was half of a CR LF.
            piece = piece[1:] if piece[0] == 0x0A else piece
            self._is_after_cr = False
        if not piece:
            return []
        if b"\n" not in piece and b"\r" not in piece:
            self._keep(piece)
            return []
        lines = b"".join((*self._partial, piece)).splitlines()
        self._partial.clear()
        self._line_bytes = 0
        self._is_after_cr = piece[-1] == 0x0D
        if piece[-1] not in b"\r\n":
            self._keep(lines.pop())
        events: list[ServerEvent] = []
        for line in lines:
            self._take(line, events)
        return events

    def end(self) -> list[ServerEvent]:
        """Say that the body has ended.

        Several servers leave out the empty line after their last event, so it counts all the same.

        Returns
        -------
        list of ServerEvent
            The last event, if there is one.
        """
        events: list[ServerEvent] = []
        if self._partial:
            self._take(b"".join(self._partial), events)
            self._partial.clear()
        self._take(b"", events)
        return events

    def _keep(self, piece: bytes) -> None:
        self._partial.append(piece)
        self._line_bytes += len(piece)
        self._require_room(self._line_bytes + self._event_bytes)

    def _take(self, line: bytes, events: list[ServerEvent]) -> None:
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                events.append(ServerEvent(self._name, b"\n".join(self._data)))
            self._data.clear()
            self._event_bytes = 0
            self._name = b""
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._event_bytes += len(value) + 1
            self._require_room(self._event_bytes)
        elif field == b"event":
            self._name = value

    def _require_room(self, size_bytes: int) -> None:
        if size_bytes > self._max_event_bytes:
            raise InvalidAnswerError(
                self._provider, f"an event of the stream exceeds {self._max_event_bytes} bytes"
            )
