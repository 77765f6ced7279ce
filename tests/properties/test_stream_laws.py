"""However a provider cuts its stream, the answer is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from stratarouter_runtime.conversation import ToolCall, Usage
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.stream_events import (
    Finish,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

texts = st.text(max_size=20)
names = st.text("ab_", min_size=1, max_size=6)
calls = st.lists(st.tuples(names, texts), max_size=4).map(
    lambda entries: [
        ToolCall(id=f"id-{number}", name=name, arguments=arguments)
        for number, (name, arguments) in enumerate(entries)
    ]
)


def pieces(text: str, data: DataObject) -> list[str]:
    """Cut a text anywhere, also into nothing."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def call_events(index: int, call: ToolCall, data: DataObject) -> list[StreamEvent]:
    """Return a call in pieces: its id with the first one, then the name, then the arguments."""
    name = pieces(call.name, data)
    events: list[StreamEvent] = [
        ToolCallDelta(index=index, id=call.id if number == 0 else None, name=piece or None)
        for number, piece in enumerate(name)
    ]
    events += [
        ToolCallDelta(index=index, arguments=piece) for piece in pieces(call.arguments, data)
    ]
    return events


def interleaved(lanes: list[list[StreamEvent]], data: DataObject) -> list[StreamEvent]:
    """Mix several orders into one that keeps each."""
    lanes = [list(lane) for lane in lanes if lane]
    mixed: list[StreamEvent] = []
    while lanes:
        lane = data.draw(st.sampled_from(range(len(lanes))))
        mixed.append(lanes[lane].pop(0))
        lanes = [entry for entry in lanes if entry]
    return mixed


@given(text=texts, wanted=calls, data=st.data())
def test_the_cuts_do_not_matter(text: str, wanted: list[ToolCall], data: DataObject) -> None:
    lanes: list[list[StreamEvent]] = [[TextDelta(piece) for piece in pieces(text, data)]]
    lanes += [call_events(index, call, data) for index, call in enumerate(wanted)]
    usage = Usage(input_tokens=1, output_tokens=2)
    assembler = StreamAssembler("p")
    for event in [*interleaved(lanes, data), Finish("stop"), UsageDelta(usage)]:
        assembler.feed(event)

    answer = assembler.completion()

    assert answer.content == text == assembler.text
    assert [(call.id, call.name) for call in answer.tool_calls] == [
        (call.id, call.name) for call in wanted
    ]
    assert [call.arguments for call in answer.tool_calls] == [
        call.arguments or "{}" for call in wanted
    ]
    assert answer.finish_reason == ("tool_calls" if wanted else "stop")
    assert answer.usage == usage
    assert answer.warnings == ()


@given(text=st.text(min_size=1, max_size=200), data=st.data())
def test_the_prefix_is_what_was_delivered(text: str, data: DataObject) -> None:
    cut = pieces(text, data)
    assembler = StreamAssembler("p")
    for number, piece in enumerate(cut):
        assembler.feed(TextDelta(piece))
        assert assembler.text == "".join(cut[: number + 1])
