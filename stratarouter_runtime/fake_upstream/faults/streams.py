"""Faults that only an answer in pieces can have, or that are named after one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from stratarouter_runtime.fake_upstream.actions import (
    END_OF_CHUNKS,
    Action,
    End,
    Pause,
    Plan,
    Send,
    chunk,
)
from stratarouter_runtime.fake_upstream.exchange import Event, encode
from stratarouter_runtime.fake_upstream.faults.declaring import (
    Fault,
    frames,
    lay_out,
    priced_events,
    stream_head,
    stream_sends,
)

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.faults.declaring import Scene

__all__ = ["STREAM_FAULTS"]

_APART_S = 0.002
"""Pause that keeps two pieces from arriving as one, seconds."""
_PING = Event({"type": "ping"}, "frame", "ping")


def _cut(scene: Scene) -> Plan:
    count = int(scene.variant) if scene.variant.isdigit() else 2
    events = priced_events(scene, scene.answer)
    said = _said(events)
    place = said[count - 1] + 1 if count else 0
    ending: list[Action] = [End("close")]
    if scene.variant == "reset":
        # A reset overtakes bytes that are still on their way.
        ending = [Pause(_APART_S), End("reset")]
    return Plan([_start(scene), *stream_sends(scene, events[:place]), *ending], 200)


def _no_done(scene: Scene) -> Plan:
    events = priced_events(scene, scene.answer)
    kept = [event for event in events if event.part != "done"]
    return _streamed(scene, kept if len(kept) < len(events) else events[:-1])


def _done_then_more(scene: Scene) -> Plan:
    events = priced_events(scene, scene.answer)
    again = [replace(events[index], output_tokens=0) for index in _said(events)[:2]]
    return _streamed(scene, [*events, *again])


def _broken_line(scene: Scene) -> Plan:
    events = priced_events(scene, scene.answer)
    broken = events[_middle(events)]
    broken.data = encode(broken.data).decode()[: len(encode(broken.data)) // 2]
    return _streamed(scene, events)


def _error_first(scene: Scene) -> Plan:
    event = scene.wire.error_event(500, "the service failed before the first token")
    return Plan([stream_head(scene), *stream_sends(scene, [event]), Send(END_OF_CHUNKS)], 200)


def _error_mid(scene: Scene) -> Plan:
    events = priced_events(scene, scene.answer)
    error = scene.wire.error_event(500, "the service failed in the middle")
    return _streamed(scene, [*events[: _middle(events)], error])


def _split_utf8(scene: Scene) -> Plan:
    events = priced_events(scene, scene.answer)
    actions: list[Action] = [_start(scene)]
    for event, data in zip(events, frames(scene, events), strict=True):
        cuts = [place for place, byte in enumerate(data) if byte & 0xC0 == 0x80]
        borders = [0, *cuts, len(data)]
        tokens = event.output_tokens
        for first, last in pairwise(borders):
            actions += [Send(chunk(data[first:last]), 0, tokens), Pause(_APART_S)]
            tokens = 0
    return Plan([*actions, Send(END_OF_CHUNKS)], 200)


def _crlf_mix(scene: Scene) -> Plan:
    events = priced_events(scene, scene.answer)
    actions: list[Action] = [_start(scene)]
    for position, data in enumerate(frames(scene, events)):
        mixed = data.replace(b"\n", b"\r\n") if position % 2 else data
        actions.append(Send(chunk(mixed), 0, events[position].output_tokens))
    return Plan([*actions, Send(END_OF_CHUNKS)], 200)


def _comments(scene: Scene) -> Plan:
    events = priced_events(scene, scene.answer)
    ping = scene.wire.frame(_PING) if scene.wire.name == "anthropic" else b""
    actions: list[Action] = [_start(scene)]
    for send in stream_sends(scene, events):
        actions += [Send(chunk(b": keep-alive\n\n" + ping)), send]
    return Plan([*actions, Send(END_OF_CHUNKS)], 200)


def _name_split(scene: Scene) -> Plan:
    return _plain(replace(scene, answer=replace(scene.answer, split_names=True)))


def _arguments_split(scene: Scene) -> Plan:
    return _plain(replace(scene, answer=replace(scene.answer, piece_characters=1)))


def _two_choices(scene: Scene) -> Plan:
    answer = scene.answer
    each = answer.output_tokens // answer.choices
    usage = answer.usage
    if usage is not None:
        usage = replace(usage, output_tokens=2 * each, total_tokens=answer.input_tokens + 2 * each)
    return _plain(
        replace(scene, answer=replace(answer, choices=2, output_tokens=2 * each, usage=usage))
    )


def _usage_in_choices(scene: Scene) -> Plan:
    asked = replace(scene, ask=replace(scene.ask, wants_usage=True))
    events = priced_events(asked, asked.answer)
    for event in events:
        if event.part == "usage" and isinstance(event.data, dict):
            event.data = {**event.data, "choices": [{}]}
    return _streamed(scene, events)


def _finish_missing(scene: Scene) -> Plan:
    return _plain(replace(scene, answer=replace(scene.answer, finish=None)))


def _finish_unknown(scene: Scene) -> Plan:
    return _plain(replace(scene, answer=replace(scene.answer, finish="unheard_of")))


def _reordered(scene: Scene) -> Plan:
    events = priced_events(scene, scene.answer)
    place = _middle(events)
    events[place], events[place + 1] = events[place + 1], events[place]
    return _streamed(scene, events)


def _duplicated(scene: Scene) -> Plan:
    events = priced_events(scene, scene.answer)
    place = _middle(events)
    again = replace(events[place], output_tokens=0)
    return _streamed(scene, [*events[: place + 1], again, *events[place + 1 :]])


def _plain(scene: Scene) -> Plan:
    return Plan(lay_out(scene), 200)


def _start(scene: Scene) -> Send:
    return stream_head(scene, scene.answer.input_tokens)


def _streamed(scene: Scene, events: list[Event]) -> Plan:
    return Plan([_start(scene), *stream_sends(scene, events), Send(END_OF_CHUNKS)], 200)


def _said(events: list[Event]) -> list[int]:
    return [index for index, event in enumerate(events) if event.part == "content"]


def _middle(events: list[Event]) -> int:
    """Return the place of the third event that says something."""
    return _said(events)[2]


_STREAMS = frozenset({"stream"})
_ANSWERS = frozenset({"complete", "stream"})
_OPENAI = frozenset({"openai", "azure"})

STREAM_FAULTS: tuple[Fault, ...] = (
    Fault(
        id="cut",
        kind="stream",
        summary="the connection closes after two pieces, or as many as the variant says; `reset`",
        operations=_STREAMS,
        variants=("0", "1", "2", "3", "5", "8", "reset"),
        bills="sent",
        perform=_cut,
    ),
    Fault(
        id="no-done",
        kind="stream",
        summary="the mark of the end never comes, though the body ends well",
        operations=_STREAMS,
        bills="all",
        perform=_no_done,
    ),
    Fault(
        id="done-then-more",
        kind="stream",
        summary="two pieces come again after the mark of the end",
        operations=_STREAMS,
        bills="all",
        perform=_done_then_more,
    ),
    Fault(
        id="broken-line",
        kind="stream",
        summary="the JSON of the third piece stops in the middle, the stream goes on",
        operations=_STREAMS,
        bills="all",
        perform=_broken_line,
    ),
    Fault(
        id="error-first",
        kind="stream",
        summary="an error instead of the first event",
        operations=_STREAMS,
        perform=_error_first,
    ),
    Fault(
        id="error-mid",
        kind="stream",
        summary="an error after two pieces",
        operations=_STREAMS,
        bills="sent",
        perform=_error_mid,
    ),
    Fault(
        id="split-utf8",
        kind="stream",
        summary="pieces end within characters",
        operations=_STREAMS,
        bills="all",
        perform=_split_utf8,
    ),
    Fault(
        id="crlf-mix",
        kind="stream",
        summary="every other event ends its lines with CR LF",
        operations=_STREAMS,
        bills="all",
        perform=_crlf_mix,
    ),
    Fault(
        id="comments",
        kind="stream",
        summary="comments and pings between the events",
        operations=_STREAMS,
        formats=frozenset({"openai", "azure", "anthropic", "gemini", "cohere"}),
        bills="all",
        perform=_comments,
    ),
    Fault(
        id="tool-name-split",
        kind="stream",
        summary="the name of the function comes in two pieces",
        operations=_STREAMS,
        formats=_OPENAI,
        bills="all",
        says="tool",
        perform=_name_split,
    ),
    Fault(
        id="arguments-split",
        kind="stream",
        summary="the arguments of the function come byte by byte",
        operations=_STREAMS,
        formats=_OPENAI | {"anthropic", "cohere"},
        bills="all",
        says="tool",
        perform=_arguments_split,
    ),
    Fault(
        id="two-choices",
        kind="stream",
        summary="two answers take turns though one was asked for; both are billed",
        operations=_STREAMS,
        formats=_OPENAI | {"gemini"},
        bills="all",
        perform=_two_choices,
    ),
    Fault(
        id="usage-in-choices",
        kind="stream",
        summary="the event with the usage has `choices: [{}]`, asked for or not",
        operations=_STREAMS,
        formats=_OPENAI,
        bills="all",
        perform=_usage_in_choices,
    ),
    Fault(
        id="finish-missing",
        kind="stream",
        summary="no reason for the end is given",
        operations=_ANSWERS,
        bills="all",
        perform=_finish_missing,
    ),
    Fault(
        id="finish-unknown",
        kind="stream",
        summary="the reason for the end is `unheard_of`",
        operations=_ANSWERS,
        bills="all",
        perform=_finish_unknown,
    ),
    Fault(
        id="reordered",
        kind="stream",
        summary="the third and the fourth piece change places",
        operations=_STREAMS,
        bills="all",
        perform=_reordered,
    ),
    Fault(
        id="duplicated",
        kind="stream",
        summary="the third piece comes twice and is billed once",
        operations=_STREAMS,
        bills="all",
        perform=_duplicated,
    ),
)
"""Faults of answers in pieces."""
