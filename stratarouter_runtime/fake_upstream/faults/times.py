"""Faults of time. Waits are those of the catalogue times `Options.time_scale`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratarouter_runtime.fake_upstream.actions import (
    END_OF_CHUNKS,
    Action,
    Pause,
    Plan,
    Repeat,
    Send,
    chunk,
    head,
)
from stratarouter_runtime.fake_upstream.exchange import encode
from stratarouter_runtime.fake_upstream.faults.declaring import (
    JSON,
    Fault,
    frames,
    lay_out,
    priced_events,
    stream_head,
    stream_sends,
    whole_body,
)

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.faults.declaring import Scene

__all__ = ["SLOW_S", "TIME_FAULTS"]

SLOW_S = 10.0
"""How long something slow takes, seconds."""
_IDLE_S = 30.0
_DRIP_S = 1.0


def _slow_headers(scene: Scene) -> Plan:
    return Plan([_wait(scene, SLOW_S), *lay_out(scene)], 200)


def _slow_first_token(scene: Scene) -> Plan:
    start, *rest = lay_out(scene)
    return Plan([start, _wait(scene, SLOW_S), *rest], 200)


def _slow_second_chunk(scene: Scene) -> Plan:
    return _gap(scene, after=1, seconds=SLOW_S)


def _idle_gap(scene: Scene) -> Plan:
    if scene.ask.operation == "stream":
        return _gap(scene, after=2, seconds=_IDLE_S)
    body = encode(whole_body(scene))
    half = len(body) // 2
    first = Send(head(200, JSON, len(body)) + body[:half], *_costs(scene))
    return Plan([first, _wait(scene, _IDLE_S), Send(body[half:])], 200)


def _gap(scene: Scene, after: int, seconds: float) -> Plan:
    """Pause after so many events that say something."""
    events = priced_events(scene, scene.answer)
    said = [index for index, event in enumerate(events) if event.part == "content"]
    place = said[after - 1] + 1
    first, second = stream_sends(scene, events[:place]), stream_sends(scene, events[place:])
    start = stream_head(scene, scene.answer.input_tokens)
    pause = _wait(scene, seconds)
    return Plan([start, *first, pause, *second, Send(END_OF_CHUNKS)], 200)


def _drip(scene: Scene) -> Plan:
    pause = _wait(scene, _DRIP_S)
    actions: list[Action]
    if scene.ask.operation != "stream":
        body = encode(whole_body(scene))
        actions = [Send(head(200, JSON, len(body)), *_costs(scene))]
        for position in range(len(body)):
            actions += [pause, Send(body[position : position + 1])]
        return Plan(actions, 200)
    events = priced_events(scene, scene.answer)
    actions = [stream_head(scene, scene.answer.input_tokens)]
    for event, data in zip(events, frames(scene, events), strict=True):
        for position in range(len(data)):
            tokens = event.output_tokens if position == 0 else 0
            actions += [pause, Send(chunk(data[position : position + 1]), 0, tokens)]
    return Plan([*actions, Send(END_OF_CHUNKS)], 200)


def _never_ends(scene: Scene) -> Plan:
    every_s = _DRIP_S * scene.options.time_scale
    if scene.ask.operation != "stream":
        # Blanks may follow a JSON text, so only the end of the body tells that it is complete.
        body = chunk(encode(whole_body(scene)))
        first = Send(head(200, JSON, None) + body, *_costs(scene))
        return Plan([first, Repeat(Send(chunk(b" ")), every_s)], 200)
    events = priced_events(scene, scene.answer)
    said = [index for index, event in enumerate(events) if event.part == "content"]
    start = stream_head(scene, scene.answer.input_tokens)
    sends = stream_sends(scene, events[: said[-1] + 1])
    again = Send(chunk(frames(scene, events)[said[-1]]), 0, 1)
    return Plan([start, *sends, Repeat(again, every_s)], 200)


def _wait(scene: Scene, seconds: float) -> Pause:
    return Pause(seconds * scene.options.time_scale)


def _costs(scene: Scene) -> tuple[int, int]:
    return scene.answer.input_tokens, scene.answer.output_tokens


_STREAMS = frozenset({"stream"})

TIME_FAULTS: tuple[Fault, ...] = (
    Fault(
        id="slow-headers",
        kind="time",
        summary="10 s before the first byte; a client that leaves before is not billed",
        bills="sent",
        perform=_slow_headers,
    ),
    Fault(
        id="slow-first-token",
        kind="time",
        summary="the head at once, 10 s before the first event",
        operations=_STREAMS,
        bills="sent",
        perform=_slow_first_token,
    ),
    Fault(
        id="slow-second-chunk",
        kind="time",
        summary="10 s between the first and the second piece",
        operations=_STREAMS,
        bills="sent",
        perform=_slow_second_chunk,
    ),
    Fault(
        id="idle-gap",
        kind="time",
        summary="30 s of silence in the middle",
        bills="sent",
        perform=_idle_gap,
    ),
    Fault(
        id="drip",
        kind="time",
        summary="the body at one byte per second",
        bills="sent",
        perform=_drip,
    ),
    Fault(
        id="never-ends",
        kind="time",
        summary="something every second until the client goes: blanks, in streams pieces of text",
        bills="sent",
        perform=_never_ends,
    ),
)
"""Faults of time."""
