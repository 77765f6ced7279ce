"""What is asked and what is answered, in terms that every wire format shares."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CREATED_S",
    "Answer",
    "Ask",
    "Call",
    "Event",
    "FunctionCall",
    "Operation",
    "Part",
    "RequestError",
    "Tool",
    "UsageReport",
    "WireFormat",
    "count_tokens",
    "encode",
]

Operation = Literal["complete", "stream", "embed"]
"""What a request wants: an answer, the same in pieces, or vectors."""
Part = Literal["start", "content", "frame", "finish", "usage", "done", "error"]
"""What an event of a stream is for; `frame` opens or closes a block of content."""

CREATED_S = 1_768_473_045
"""Time of creation that answers carry, seconds since 1970: always the same."""
_CHARACTERS_PER_TOKEN = 4

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came in."""

    endpoint: str
    """What of its format was called, for example "chat"."""
    model: str
    """The model that the path names, "" if it names none."""
    body: Mapping[str, Any]
    """The parsed body."""
    sse: bool = True
    """Whether a stream shall be server-sent events, where the format has a choice."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the request offers."""

    name: str
    """Its name."""
    schema: Mapping[str, Any]
    """JSON schema of its arguments."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function in an answer."""

    name: str
    """The function."""
    arguments: str = "{}"
    """Its arguments, JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a request wants, whatever its wire format."""

    operation: Operation
    """Kind of answer."""
    endpoint: str
    """What of its format was called."""
    model: str
    """The model as the request names it."""
    texts: tuple[str, ...]
    """Every text of the conversation, or the inputs of an embedding."""
    last_text: str = ""
    """The text to answer: of the user, or the result of a tool."""
    tools: tuple[Tool, ...] = ()
    """Functions on offer."""
    after_tool: bool = False
    """Whether the last message is the result of a tool."""
    schema: Mapping[str, Any] | None = None
    """JSON schema that the answer shall follow; empty for any JSON object."""
    max_tokens: int | None = None
    """Longest answer in tokens."""
    choices: int = 1
    """How many answers."""
    dimension: int | None = None
    """Width of embeddings."""
    base64: bool = False
    """Whether vectors shall be base64 text."""
    wants_usage: bool = False
    """Whether a stream shall report usage, where that has to be asked for."""
    sse: bool = True
    """Whether a stream shall be server-sent events, where the format has a choice."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Token counts as an answer reports them, which need not be true."""

    input_tokens: int
    """Tokens read."""
    output_tokens: int
    """Tokens written."""
    total_tokens: int
    """Their sum, unless a fault says otherwise."""
    cached_tokens: int = 0
    """How many of those read came from a cache."""
    cache_write_tokens: int = 0
    """How many of those read were put into a cache."""
    reasoning_tokens: int = 0
    """How many of those written were thoughts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered, whatever the wire format."""

    number: int
    """Number of the request, from 1; identifiers are made of it."""
    model: str
    """Name of the model that the answer carries."""
    text: str = ""
    """What it says."""
    tool_calls: tuple[FunctionCall, ...] = ()
    """Functions that it calls."""
    finish: str | None = "stop"
    """stop, length, tool_calls or content_filter; anything else is sent as it is, None left out."""
    input_tokens: int = 0
    """What is billed for reading."""
    output_tokens: int = 0
    """What is billed for writing, all choices together."""
    usage: UsageReport | None = None
    """What the answer reports; None reports nothing."""
    vectors: tuple[tuple[float, ...], ...] = ()
    """Embeddings, one per input."""
    choices: int = 1
    """How many times the answer is given."""
    piece_characters: int = _CHARACTERS_PER_TOKEN
    """Characters per event of a stream."""
    split_names: bool = False
    """Whether the names of functions come in two pieces."""


@dataclass(slots=True)
class Event:
    """One event of a stream."""

    data: dict[str, Any] | str
    """What it says; text is sent as it is."""
    part: Part
    """What it is for."""
    name: str | None = None
    """Its name, where the format names events."""
    output_tokens: int = 0
    """What is billed for it."""


class RequestError(Exception):
    """A request that the real service would refuse.

    Parameters
    ----------
    message : str
        What is wrong with it.
    status : int
        HTTP status of the answer.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class WireFormat(Protocol):
    """How one service words requests and answers."""

    name: str
    """Name of the format."""
    stream_type: str
    """Media type of its streams."""

    def read(self, call: Call) -> Ask:
        """Understand a request.

        Parameters
        ----------
        call : Call
            The request.

        Returns
        -------
        Ask
            What it wants.
        """
        ...

    def complete(self, ask: Ask, answer: Answer) -> dict[str, Any]:
        """Word a whole answer.

        Parameters
        ----------
        ask : Ask
            The request.
        answer : Answer
            The answer.

        Returns
        -------
        dict
            The body.
        """
        ...

    def events(self, ask: Ask, answer: Answer) -> list[Event]:
        """Word an answer in pieces.

        Parameters
        ----------
        ask : Ask
            The request.
        answer : Answer
            The answer.

        Returns
        -------
        list of Event
            The events.
        """
        ...

    def embed(self, ask: Ask, answer: Answer) -> dict[str, Any]:
        """Word embeddings.

        Parameters
        ----------
        ask : Ask
            The request.
        answer : Answer
            The answer.

        Returns
        -------
        dict
            The body.
        """
        ...

    def error(self, status: int, message: str, reason: str = "") -> dict[str, Any]:
        """Word an error.

        Parameters
        ----------
        status : int
            HTTP status.
        message : str
            What is wrong.
        reason : str
            "context", "content" or "quota" where the status alone does not say it.

        Returns
        -------
        dict
            The body.
        """
        ...

    def error_event(self, status: int, message: str) -> Event:
        """Word an error within a stream.

        Parameters
        ----------
        status : int
            The HTTP status that fits.
        message : str
            What is wrong.

        Returns
        -------
        Event
            The event.
        """
        ...

    def frame(self, event: Event) -> bytes:
        """Put an event on the wire.

        Parameters
        ----------
        event : Event
            The event.

        Returns
        -------
        bytes
            What is sent.
        """
        ...


def encode(value: object) -> bytes:
    """Return the JSON text of a value.

    Parameters
    ----------
    value : object
        Plain data.

    Returns
    -------
    bytes
        UTF-8 without blanks; half a surrogate pair is written as an escape.
    """
    return _ENCODER.encode(value).encode("utf-8", "backslashreplace")


def count_tokens(text: str) -> int:
    """Return how many tokens a text is billed as.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    int, >= 1
        A token per four characters, rounded up.
    """
    return max(1, -(-len(text) // _CHARACTERS_PER_TOKEN))
