"""The SDK of Anthropic takes the fake upstream for the real service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from stratarouter_runtime.testing import FakeUpstream

if TYPE_CHECKING:
    from collections.abc import Iterator

SAID = "Where is my parcel, please?"
OK = "Everything is in order: the café ☕ is open, 3 € a cup."
CHAT: Any = [{"role": "user", "content": SAID}]
SCHEMA: Any = {"type": "object", "properties": {"place": {"type": "string"}}}
TOOLS: Any = [{"name": "find", "input_schema": SCHEMA}]
ARGUMENTS = {"place": SAID}


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server whose waits are short."""
    with FakeUpstream(time_scale=0.001) as running:
        yield running


@pytest.fixture(scope="module")
def client(upstream: FakeUpstream) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=upstream.url, api_key="k", max_retries=0) as client:
        yield client


def test_messages(client: Any) -> None:
    answer = client.messages.create(
        model="claude-x", max_tokens=100, messages=CHAT, system="Be brief."
    )

    assert answer.content[0].text == SAID
    assert (answer.stop_reason, answer.usage.input_tokens) == ("end_turn", 10)
    assert answer.usage.output_tokens == 7


def test_tools(client: Any) -> None:
    answer = client.messages.create(model="tool-call", max_tokens=100, messages=CHAT, tools=TOOLS)
    result = {"type": "tool_result", "tool_use_id": answer.content[0].id, "content": "Here"}
    turn = [
        *CHAT,
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": [result]},
    ]
    after = client.messages.create(model="tool-call", max_tokens=100, messages=turn, tools=TOOLS)

    assert (answer.stop_reason, answer.content[0].input) == ("tool_use", ARGUMENTS)
    assert after.content[0].text == "Here"


@pytest.mark.parametrize("fault", ["", "fault-comments", "fault-crlf-mix", "fault-split-utf8"])
def test_stream(client: Any, fault: str) -> None:
    with client.messages.stream(model=fault or "ok", max_tokens=100, messages=CHAT) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert (text, final.usage.output_tokens, final.stop_reason) == (OK, 14, "end_turn")


@pytest.mark.parametrize("model", ["tool-call", "fault-arguments-split"])
def test_stream_of_tools(client: Any, model: str) -> None:
    with client.messages.stream(model=model, max_tokens=100, messages=CHAT, tools=TOOLS) as stream:
        assert stream.get_final_message().content[0].input == ARGUMENTS


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("fault-400", anthropic.BadRequestError),
        ("fault-401", anthropic.AuthenticationError),
        ("fault-429", anthropic.RateLimitError),
        ("fault-500", anthropic.InternalServerError),
        ("fault-529", anthropic.InternalServerError),
    ],
)
def test_errors(client: Any, model: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        client.messages.create(model=model, max_tokens=100, messages=CHAT)


def test_a_stream_that_fails(client: Any) -> None:
    for model in ("fault-error-first", "fault-error-mid"):
        with (
            pytest.raises(anthropic.APIStatusError),
            client.messages.stream(model=model, max_tokens=100, messages=CHAT) as stream,
        ):
            stream.until_done()


def test_models(client: Any) -> None:
    assert "echo" in [model.id for model in client.models.list()]
