"""Faults of the body under a status of 200."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stratarouter_runtime.fake_upstream.actions import (
    END_OF_CHUNKS,
    Action,
    End,
    Fill,
    Plan,
    Send,
    chunk,
    head,
)
from stratarouter_runtime.fake_upstream.exchange import UsageReport, encode
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
    from collections.abc import Callable

    from stratarouter_runtime.fake_upstream.exchange import Answer, Event
    from stratarouter_runtime.fake_upstream.faults.declaring import Scene

__all__ = ["BODY_FAULTS"]

_STAND_IN = "\ue000"
"""A private character, replaced on the wire by bytes that are no UTF-8."""


def _sent(scene: Scene, body: bytes, content_type: str = JSON) -> Plan:
    answer = scene.answer
    data = head(200, content_type, len(body)) + body
    return Plan([Send(data, answer.input_tokens, answer.output_tokens)], 200)


def _streamed(scene: Scene, sends: list[Action]) -> Plan:
    start = stream_head(scene, scene.answer.input_tokens)
    return Plan([start, *sends, Send(END_OF_CHUNKS)], 200)


def _rewritten(scene: Scene, change: Callable[[bytes], bytes]) -> Plan:
    """Change the bytes of the body, or of each event."""
    if scene.ask.operation != "stream":
        return _sent(scene, change(encode(whole_body(scene))))
    events = priced_events(scene, scene.answer)
    pairs = zip(events, frames(scene, events), strict=True)
    return _streamed(
        scene, [Send(chunk(change(data)), 0, event.output_tokens) for event, data in pairs]
    )


def _empty(scene: Scene) -> Plan:
    content_type = scene.wire.stream_type if scene.ask.operation == "stream" else JSON
    return Plan([Send(head(200, content_type, 0))], 200)


def _truncated(scene: Scene) -> Plan:
    answer, closed = scene.answer, scene.variant == "closed"
    if scene.ask.operation != "stream":
        body = encode(whole_body(scene))
        part = body[: len(body) * 2 // 3]
        start = head(200, JSON, len(body) if closed else len(part))
        sent = Send(start + part, answer.input_tokens, answer.output_tokens)
        return Plan([sent, End("close")] if closed else [sent], 200)
    events = priced_events(scene, answer)
    middle = [index for index, event in enumerate(events) if event.part == "content"][2]
    data = frames(scene, events)[middle]
    last = Send(chunk(data[: len(data) // 2]), 0, events[middle].output_tokens)
    ending: Action = End("close") if closed else Send(END_OF_CHUNKS)
    start_ = stream_head(scene, answer.input_tokens)
    return Plan([start_, *stream_sends(scene, events[:middle]), last, ending], 200)


def _wrong_type(scene: Scene) -> Plan:
    if scene.ask.operation != "stream":
        return _sent(scene, encode(whole_body(scene)), "text/plain; charset=utf-8")
    answer = scene.answer
    events = priced_events(scene, answer)
    start = Send(head(200, "text/plain; charset=utf-8", None), answer.input_tokens)
    return Plan([start, *stream_sends(scene, events), Send(END_OF_CHUNKS)], 200)


def _large(scene: Scene) -> Plan:
    answer, n_bytes = scene.answer, scene.options.large_body_bytes
    if scene.ask.operation != "stream":
        first, last = _padded(encode(whole_body(scene)))
        start = head(200, JSON, len(first) + n_bytes + len(last)) + first
        sent = Send(start, answer.input_tokens, answer.output_tokens)
        return Plan([sent, Fill(n_bytes), Send(last)], 200)
    events = priced_events(scene, answer)
    # The first event that says something, so that a client has begun to trust the stream.
    place = next(index for index, event in enumerate(events) if event.part == "content")
    first, last = _padded(frames(scene, events)[place])
    size = b"%x\r\n" % (len(first) + n_bytes + len(last))
    padded: list[Action] = [
        Send(size + first, 0, events[place].output_tokens),
        Fill(n_bytes),
        Send(last + b"\r\n"),
    ]
    sends = stream_sends(scene, events)
    return _streamed(scene, [*sends[:place], *padded, *sends[place + 1 :]])


def _padded(data: bytes) -> tuple[bytes, bytes]:
    brace = data.index(b"{") + 1
    return data[:brace] + b'"padding":"', b'",' + data[brace:]


def _invalid_utf8(scene: Scene) -> Plan:
    bad = b"\xff\xc3\x28"
    if scene.ask.operation == "embed":
        return _rewritten(scene, lambda data: data.replace(b"{", b'{"note":"' + bad + b'",', 1))
    spoiled = replace(scene, answer=replace(scene.answer, text=f"caf{_STAND_IN} is served, or so"))
    return _rewritten(spoiled, lambda data: data.replace(_STAND_IN.encode(), bad))


def _duplicate_keys(scene: Scene) -> Plan:
    answer = scene.answer
    other = replace(answer, text=answer.text[::-1], vectors=answer.vectors[::-1])
    if scene.ask.operation != "stream":
        return _sent(scene, _twice(whole_body(scene, other), whole_body(scene)))
    events = priced_events(scene, answer)
    others = scene.wire.events(scene.ask, other)
    doubled = [_event_twice(event, twin) for event, twin in zip(events, others, strict=True)]
    return _streamed(scene, stream_sends(scene, doubled))


def _twice(first: object, second: object) -> bytes:
    return encode(first)[:-1] + b"," + encode(second)[1:]


def _event_twice(event: Event, twin: Event) -> Event:
    if isinstance(event.data, dict):
        event.data = _twice(twin.data, event.data).decode()
    return event


def _nan(scene: Scene) -> Plan:
    answer = scene.answer
    if scene.ask.operation == "embed":
        vectors = tuple((float("nan"), *vector[1:]) for vector in answer.vectors)
        return Plan(lay_out(replace(scene, answer=replace(answer, vectors=vectors))), 200)
    if scene.ask.operation == "complete":
        return _sent(scene, encode({"score": float("nan"), **whole_body(scene)}))
    events = priced_events(scene, answer)
    for event in events:
        if isinstance(event.data, dict):
            event.data = {"score": float("nan"), **event.data}
    return _streamed(scene, stream_sends(scene, events))


def _error_in_200(scene: Scene) -> Plan:
    body = encode(scene.wire.error(500, "the service failed, whatever the status says"))
    return Plan([Send(head(200, JSON, len(body)) + body)], 200)


def _usage_missing(scene: Scene) -> Plan:
    return _reporting(scene, replace(scene.answer, usage=None))


def _usage_wrong(scene: Scene) -> Plan:
    answer = scene.answer
    read, written = answer.input_tokens, answer.output_tokens
    reports = {
        "": UsageReport(-1, -1, -2),
        "inflated": UsageReport(1000 * read, 1000 * written, 1000 * (read + written)),
        "sum": UsageReport(read, written, read + written + 7),
    }
    return _reporting(scene, replace(answer, usage=reports[scene.variant]))


def _reporting(scene: Scene, answer: Answer) -> Plan:
    return Plan(lay_out(replace(scene, answer=answer)), 200)


BODY_FAULTS: tuple[Fault, ...] = (
    Fault(id="empty-200", kind="body", summary="no body at all", perform=_empty),
    Fault(
        id="truncated-json",
        kind="body",
        summary="the JSON stops in the middle; `closed`: the connection too",
        variants=("closed",),
        bills="sent",
        perform=_truncated,
    ),
    Fault(
        id="wrong-content-type",
        kind="body",
        summary="the right body under text/plain",
        bills="all",
        perform=_wrong_type,
    ),
    Fault(
        id="large-body",
        kind="body",
        summary="a body of `large_body_bytes`, valid JSON otherwise",
        bills="sent",
        perform=_large,
    ),
    Fault(
        id="invalid-utf8",
        kind="body",
        summary="bytes in a text that are no UTF-8",
        bills="all",
        perform=_invalid_utf8,
    ),
    Fault(
        id="duplicate-keys",
        kind="body",
        summary="every key of the body twice, first with the text backwards, then as it should be",
        bills="all",
        perform=_duplicate_keys,
    ),
    Fault(
        id="nan",
        kind="body",
        summary="NaN where JSON has no such number; in embeddings within the vectors",
        bills="all",
        perform=_nan,
    ),
    Fault(
        id="error-in-200",
        kind="body",
        summary="an error object under a status of 200",
        perform=_error_in_200,
    ),
    Fault(
        id="usage-missing",
        kind="body",
        summary="the answer does not report what it costs",
        bills="all",
        perform=_usage_missing,
    ),
    Fault(
        id="usage-wrong",
        kind="body",
        summary="negative counts; `inflated`: a thousandfold; `sum`: a total that is no sum",
        variants=("inflated", "sum"),
        bills="all",
        perform=_usage_wrong,
    ),
)
"""Faults of the body under a status of 200."""
