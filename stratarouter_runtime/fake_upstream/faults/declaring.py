"""What a fault is, and how ordinary answers are laid out, which most faults bend a little."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from stratarouter_runtime.fake_upstream.actions import (
    END_OF_CHUNKS,
    Action,
    Pause,
    Plan,
    Send,
    chunk,
    head,
)
from stratarouter_runtime.fake_upstream.exchange import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratarouter_runtime.fake_upstream.exchange import Answer, Ask, Event, WireFormat
    from stratarouter_runtime.fake_upstream.options import Options

__all__ = [
    "EVERYWHERE",
    "JSON",
    "Bills",
    "Fault",
    "Kind",
    "Scene",
    "frames",
    "lay_out",
    "priced_events",
    "stream_head",
    "stream_sends",
    "whole_body",
]

Kind = Literal["connect", "status", "body", "time", "stream", "state"]
Bills = Literal["nothing", "all", "sent"]

JSON = "application/json"
EVERYWHERE = frozenset({"complete", "stream", "embed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that a fault may look at."""

    ask: Ask
    """The request."""
    answer: Answer
    """What would be answered without a fault."""
    wire: WireFormat
    """The format of both."""
    options: Options
    """Settings of the server."""
    variant: str = ""
    """Variant of the fault, "" for the usual one."""
    attempt: int = 1
    """How often this model name was asked, this time included."""
    port: int = 0
    """Port of the server."""
    pace_s: float = 0.0
    """Pause before each event of a stream, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail."""

    id: str
    """Its name; the model name `fault-<id>` asks for it."""
    kind: Kind
    """Where it strikes. `connect` faults have ports of their own, because a connection knows
    no model yet."""
    summary: str
    """What happens."""
    operations: frozenset[str] = EVERYWHERE
    """What can be asked for: complete, stream, embed."""
    formats: frozenset[str] | None = None
    """The wire formats that can express it; None for all."""
    variants: tuple[str, ...] = ()
    """Other forms of it; the model name `fault-<id>-<variant>` asks for one."""
    bills: Bills = "nothing"
    """What is billed: nothing, all of the answer, or what was sent of it."""
    says: Literal["text", "tool"] = "text"
    """Whether the answer that it spoils is a text or a call of a function."""
    perform: Callable[[Scene], Plan] | None = field(default=None, repr=False, compare=False)
    """Makes the plan; None for `connect` faults."""

    def applies(self, operation: str, wire: str = "openai") -> bool:
        """Say whether a request can meet the fault.

        Parameters
        ----------
        operation : {"complete", "stream", "embed"}
            What is asked for.
        wire : str
            Name of the wire format.

        Returns
        -------
        bool
            False where the service would have no way to fail like this.
        """
        return operation in self.operations and (self.formats is None or wire in self.formats)


def lay_out(scene: Scene, *, billed: bool = True) -> list[Action]:
    """Return an ordinary answer.

    Parameters
    ----------
    scene : Scene
        Request and answer.
    billed : bool
        Whether it costs something.

    Returns
    -------
    list of Action
        What to send.
    """
    answer = scene.answer
    costs = (answer.input_tokens, answer.output_tokens) if billed else (0, 0)
    if scene.ask.operation != "stream":
        body = encode(whole_body(scene))
        return [Send(head(200, JSON, len(body), (), _request_id(scene)) + body, *costs)]
    events = priced_events(scene, answer)
    if not billed:
        for event in events:
            event.output_tokens = 0
    return [stream_head(scene, costs[0]), *stream_sends(scene, events), Send(END_OF_CHUNKS)]


def whole_body(scene: Scene, answer: Answer | None = None) -> dict[str, object]:
    """Return the body of an answer that is not streamed.

    Parameters
    ----------
    scene : Scene
        Request and answer.
    answer : Answer, optional
        Another answer.

    Returns
    -------
    dict
        The body.
    """
    answer = scene.answer if answer is None else answer
    if scene.ask.operation == "embed":
        return scene.wire.embed(scene.ask, answer)
    return scene.wire.complete(scene.ask, answer)


def priced_events(scene: Scene, answer: Answer) -> list[Event]:
    """Return the events of a stream, with the output tokens spread over those that say something.

    Parameters
    ----------
    scene : Scene
        The request.
    answer : Answer
        The answer.

    Returns
    -------
    list of Event
        The events; their tokens add up to those of the answer.
    """
    events = scene.wire.events(scene.ask, answer)
    paid = [event for event in events if event.part == "content"]
    paid = paid or [event for event in events if event.part == "finish"]
    total = answer.output_tokens
    for position, event in enumerate(paid):
        spent = total * position // len(paid)
        event.output_tokens = total * (position + 1) // len(paid) - spent
    return events


def stream_head(scene: Scene, input_tokens: int = 0) -> Send:
    """Return the head of a stream.

    Parameters
    ----------
    scene : Scene
        The request.
    input_tokens : int
        What is billed with it.

    Returns
    -------
    Send
        The head.
    """
    content_type = scene.wire.stream_type if scene.ask.sse else JSON
    return Send(head(200, content_type, None, (), _request_id(scene)), input_tokens)


def stream_sends(scene: Scene, events: Sequence[Event]) -> list[Action]:
    """Return the sending of events, each in a piece of its own.

    Parameters
    ----------
    scene : Scene
        The request.
    events : sequence of Event
        The events.

    Returns
    -------
    list of Action
        One `Send` per event, with pauses where the model name asks for them.
    """
    actions: list[Action] = []
    for event, data in zip(events, frames(scene, events), strict=True):
        if scene.pace_s > 0:
            actions.append(Pause(scene.pace_s))
        actions.append(Send(chunk(data), 0, event.output_tokens))
    return actions


def frames(scene: Scene, events: Sequence[Event]) -> list[bytes]:
    """Return events as they go over the wire.

    Parameters
    ----------
    scene : Scene
        The request.
    events : sequence of Event
        The events.

    Returns
    -------
    list of bytes
        One entry per event; a stream without server-sent events is one JSON list.
    """
    if scene.ask.sse:
        return [scene.wire.frame(event) for event in events]
    texts = [
        event.data.encode() if isinstance(event.data, str) else encode(event.data)
        for event in events
    ]
    listed = [(b"[" if position == 0 else b",\r\n") + text for position, text in enumerate(texts)]
    return [*listed[:-1], listed[-1] + b"]"] if listed else []


def _request_id(scene: Scene) -> str:
    return f"req_{scene.answer.number:08d}"
