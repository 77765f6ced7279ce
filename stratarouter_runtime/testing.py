"""Public fakes, for our tests and yours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.types import Route, RouteResult, RouteScores
from stratarouter_runtime.conversation import Completion, CompletionRequest
from stratarouter_runtime.fake_upstream import FakeUpstream, FunctionCall, Reply
from stratarouter_runtime.providers.scripted import EchoClient, ScriptedClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratarouter.types import FloatArray, Reason
    from stratarouter_runtime.types import Event, ExecutionRecord

__all__ = [
    "EchoClient",
    "EchoHandler",
    "FakeUpstream",
    "FixedRouter",
    "FunctionCall",
    "GatedClient",
    "ManualClock",
    "RecordingSink",
    "Reply",
    "ScriptedClient",
    "TinyEncoder",
    "make_decision",
]


def make_decision(
    route_id: str | None = "billing",
    query: str | None = "Where's my invoice?",
    *,
    confidence: float = 0.9,
    reason: Reason | None = None,
) -> RouteResult:
    """Return a decision without a router.

    Parameters
    ----------
    route_id : str or None
        The route; None for a query that no route was found for.
    query : str, optional
        The query.
    confidence : float, in (0, 1)
        Its confidence.
    reason : str, optional
        Why; None takes what fits the route.

    Returns
    -------
    RouteResult
        The decision.

    Examples
    --------
    >>> make_decision("billing").matched, make_decision(None).matched
    (True, False)
    """
    if reason is None:
        reason = "below_threshold" if route_id is None else "accepted"
    scores = RouteScores(
        semantic=confidence, keyword=0.0, pattern=0.0, total=confidence, confidence=confidence
    )
    return RouteResult(
        route_id=route_id, confidence=confidence, scores=scores, reason=reason, query=query
    )


class ManualClock:
    """A clock that moves when it is told to.

    Parameters
    ----------
    now_s : float
        First reading of `now_s`.
    wall_s : float
        First time of day, seconds since 1970 UTC.

    Examples
    --------
    >>> clock = ManualClock()
    >>> clock.advance(2.5)
    >>> clock.now_s()
    2.5
    """

    def __init__(self, now_s: float = 0.0, wall_s: float = 1_768_473_045.0) -> None:
        self._now_s = now_s
        self._wall_s = wall_s

    def now_s(self) -> float:
        """Return the time since the start.

        Returns
        -------
        float
            Seconds.
        """
        return self._now_s

    def wall_s(self) -> float:
        """Return the time of day.

        Returns
        -------
        float
            Seconds since 1970 UTC.
        """
        return self._wall_s

    def advance(self, seconds: float) -> None:
        """Move on.

        Parameters
        ----------
        seconds : float, >= 0
            How far.
        """
        self._now_s += seconds
        self._wall_s += seconds


class RecordingSink:
    """A sink that remembers everything."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        """Events, oldest first."""
        self.records: list[ExecutionRecord] = []
        """Summaries of executions, oldest first."""

    @property
    def names(self) -> list[str]:
        """Names of the events, oldest first."""
        return [event.name for event in self.events]

    def emit(self, event: Event) -> None:
        """Remember one event.

        Parameters
        ----------
        event : Event
            What happened.
        """
        self.events.append(event)

    def complete(self, record: ExecutionRecord) -> None:
        """Remember the summary of an execution.

        Parameters
        ----------
        record : ExecutionRecord
            The summary.
        """
        self.records.append(record)


class EchoHandler:
    """A handler that answers with the query and remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """(query, context) of each call, oldest first."""

    async def __call__(self, query: str, context: Mapping[str, Any]) -> str:
        """Answer with the query."""
        self.calls.append((query, dict(context)))
        await asyncio.sleep(0)
        return query


class GatedClient:
    """A client that answers when its gate is opened.

    Parameters
    ----------
    text : str
        What it answers.
    """

    name = "gated"

    def __init__(self, text: str = "done") -> None:
        self._text = text
        self.gate = asyncio.Event()
        """Set it to let answers out."""
        self.entered = asyncio.Event()
        """Set as soon as a request is in."""
        self.calls = 0
        """How many requests came in."""
        self.cancelled = 0
        """How many of them were cancelled."""

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer once the gate is open.

        Parameters
        ----------
        request : CompletionRequest
            The conversation.

        Returns
        -------
        Completion
            The text.
        """
        self.calls += 1
        self.entered.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Completion(content=self._text, model=request.model or "gated-1")


class TinyEncoder:
    """A blocking encoder with vectors that mean nothing; it counts its calls.

    Parameters
    ----------
    dimension : int, >= 1
        Width of the vectors.
    """

    encoder_id = "tiny"

    def __init__(self, dimension: int = 4) -> None:
        self.dimension = dimension
        """Width of the vectors."""
        self.calls = 0
        """How many times it was asked."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Encode texts.

        Parameters
        ----------
        texts : sequence of str
            Texts.

        Returns
        -------
        FloatArray, shape (n, d)
            The same unit vector for each.
        """
        self.calls += 1
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        rows[:, 0] = 1.0
        return rows


class FixedRouter:
    """A router whose decisions are known beforehand.

    Parameters
    ----------
    *route_ids : str
        Its routes. A query goes to the first whose id it contains, else to the first of all.
    encoder : Encoder, optional
        Its encoder; None takes a `TinyEncoder`.
    finds_nothing : bool
        Whether no query finds a route.
    """

    def __init__(
        self, *route_ids: str, encoder: object = None, finds_nothing: bool = False
    ) -> None:
        self.encoder: Any = TinyEncoder() if encoder is None else encoder
        """Its encoder."""
        self.routes = tuple(Route(route_id, description=route_id) for route_id in route_ids)
        """Its routes."""
        self.queries: list[tuple[str, FloatArray | None]] = []
        """(query, embedding) of each call, oldest first."""
        self._finds_nothing = finds_nothing

    def route(
        self, query: str, embedding: FloatArray | None = None, k: int | None = None
    ) -> RouteResult:
        """Decide.

        Parameters
        ----------
        query : str
            The text.
        embedding : FloatArray, shape (d,), optional
            Its embedding.
        k : int, optional
            Ignored.

        Returns
        -------
        RouteResult
            The decision.
        """
        del k
        self.queries.append((query, embedding))
        if self._finds_nothing or not self.routes:
            return make_decision(None, query, confidence=0.1)
        named = [route.id for route in self.routes if route.id in query]
        return make_decision(named[0] if named else self.routes[0].id, query)
