"""Model names as scripts: what is said, what is billed, when it fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.fake_upstream import Billed, FakeUpstream, FunctionCall, Reply
from stratarouter_runtime.fake_upstream.scripts import Tokens, is_script, parse_script
from tests.raw_http import MESSAGES, PATHS, chat_text, post

if TYPE_CHECKING:
    from collections.abc import Iterator

SAID = "Where is my parcel, please?"


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """Return a server."""
    with FakeUpstream(time_scale=0.001) as running:
        yield running


def message_of(upstream: FakeUpstream, model: str, **more: Any) -> dict[str, Any]:
    """Return the message of a whole answer."""
    found: dict[str, Any] = post(upstream.url, model, **more).json["choices"][0]["message"]
    return found


def test_a_script_is_read() -> None:
    script = parse_script("models/slow-20+pace-1.5+tokens-10-20+flaky-3-429-ms@seed-7")

    assert (script.wait_s, script.pace_s, script.says) == (0.02, 0.0015, Tokens(10, 20))
    assert script.fault is not None
    assert (script.fault.id, script.variant, script.failures) == ("status-429", "ms", 3)
    assert [script.fails(attempt) for attempt in (1, 3, 4)] == [True, True, False]


@pytest.mark.parametrize(
    "name",
    ["echo", "ok@1", "tool", "tool-call", "tokens-1-2", "a/b/slow-5", "fault-x", "flaky-1-x"],
)
def test_names_that_are_scripts(name: str) -> None:
    assert is_script(name)


@pytest.mark.parametrize("name", ["gpt-4o", "okapi-7b", "toolformer", "slowpoke", "", "echoes"])
def test_names_that_are_not(name: str) -> None:
    assert not is_script(name)


@pytest.mark.parametrize(
    "name",
    ["fault-cutt", "fault-cut-7", "flaky-x-cut", "slow-x", "tokens-5", "tokens-1-100001", "ok+"],
)
def test_scripts_that_mean_nothing_are_refused(upstream: FakeUpstream, name: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_script(name)

    assert post(upstream.url, name).status == 501


def test_a_misspelt_fault_gets_a_hint() -> None:
    with pytest.raises(InvalidInputError, match="empty-200"):
        parse_script("fault-empty-20")


@pytest.mark.parametrize(("wire", "operation"), PATHS)
def test_every_format_echoes_and_bills(upstream: FakeUpstream, wire: str, operation: str) -> None:
    upstream.reset()
    seen = post(upstream.url, "gpt-4o", operation, wire)
    billed = upstream.billed("gpt-4o")

    assert (seen.status, billed.calls) == (200, 1)
    if operation == "embed":
        assert billed.output_tokens == 0
    else:
        assert (billed.input_tokens, billed.output_tokens) == (7, 7)
    if operation == "complete":
        assert SAID in seen.body.decode()


def test_the_same_stream_comes_whole(upstream: FakeUpstream) -> None:
    upstream.reset()
    first, again = (post(upstream.url, "echo", "stream") for _ in range(2))
    paced = post(upstream.url, "pace-0.1", "stream")

    assert chat_text(first.events) == chat_text(again.events) == chat_text(paced.events) == SAID
    assert first.events[0]["id"] != again.events[0]["id"]
    assert first.events[-2]["usage"]["total_tokens"] == 14
    assert upstream.billed().output_tokens == 21


def test_tokens_are_billed_and_reported(upstream: FakeUpstream) -> None:
    upstream.reset()
    usage = post(upstream.url, "tokens-1000-250").json["usage"]
    streamed = post(upstream.url, "tokens-1000-250", "stream")

    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (1000, 250)
    assert chat_text(streamed.events) == "tok " * 250
    assert upstream.billed().output_tokens == 500


def test_a_long_answer_is_cut_where_the_request_says(upstream: FakeUpstream) -> None:
    answer = post(upstream.url, "echo", max_tokens=2).json["choices"][0]

    assert (answer["message"]["content"], answer["finish_reason"]) == (SAID[:8], "length")


def test_flaky_names_fail_as_often_as_they_say(upstream: FakeUpstream) -> None:
    upstream.reset()
    flaky = [post(upstream.url, "flaky-2-503").status for _ in range(4)]
    other = [post(upstream.url, "flaky-2-503@other").status for _ in range(3)]
    once = [post(upstream.url, "fault-500-then-ok").status for _ in range(3)]

    assert flaky == [503, 503, 200, 200]
    assert other == [503, 503, 200]
    assert once == [500, 200, 200]


def test_steps_follow_one_another(upstream: FakeUpstream) -> None:
    upstream.reset()
    call = FunctionCall("find", '{"a": 1}')
    steps: list[str | Reply] = [
        "fault-503",
        Reply(text="first", input_tokens=5),
        Reply(tool_calls=(call,)),
        "ok",
    ]
    upstream.script("gpt-4o", steps)
    answers = [post(upstream.url, "gpt-4o") for _ in range(5)]

    assert answers[0].status == 503
    assert answers[1].json["choices"][0]["message"]["content"] == "first"
    assert answers[1].json["usage"]["prompt_tokens"] == 5
    assert answers[2].json["choices"][0]["finish_reason"] == "tool_calls"
    assert answers[3].json["choices"] == answers[4].json["choices"]


def test_a_script_replaces_what_was_answered_before(upstream: FakeUpstream) -> None:
    upstream.reset()
    assert [message_of(upstream, "mine")["content"] for _ in range(2)] == [SAID, SAID]
    upstream.script("mine", [Reply(text="other")])
    assert message_of(upstream, "mine")["content"] == "other"


@pytest.mark.parametrize("steps", [[], ["gpt-4o"], ["fault-x"]])
def test_steps_that_mean_nothing_are_refused(upstream: FakeUpstream, steps: list[str]) -> None:
    with pytest.raises(InvalidInputError):
        upstream.script("mine", steps)


@pytest.mark.parametrize("arguments", ["{", "[]", "5"])
def test_replies_that_no_service_could_send_are_refused(arguments: str) -> None:
    with pytest.raises(InvalidInputError, match="arguments of 'f'"):
        Reply(tool_calls=(FunctionCall("f", arguments),))
    with pytest.raises(InvalidInputError, match="output_tokens"):
        Reply(output_tokens=-1)
    with pytest.raises(InvalidInputError, match="cached"):
        Reply(input_tokens=5, cached_tokens=3, cache_write_tokens=3)
    with pytest.raises(InvalidInputError, match="reasoning"):
        Reply(reasoning_tokens=1)


def test_each_format_reports_caches_and_thoughts_in_its_words(upstream: FakeUpstream) -> None:
    reply = Reply(
        input_tokens=100,
        cached_tokens=60,
        cache_write_tokens=30,
        output_tokens=50,
        reasoning_tokens=20,
    )
    upstream.reset()
    upstream.script("mine", [reply])
    usages = {
        wire: post(upstream.url, "mine", "complete", wire).json
        for wire in ("openai", "anthropic", "gemini", "cohere")
    }
    openai, anthropic = usages["openai"]["usage"], usages["anthropic"]["usage"]
    gemini, cohere = usages["gemini"]["usageMetadata"], usages["cohere"]["usage"]

    assert (openai["prompt_tokens"], openai["completion_tokens"]) == (100, 50)
    assert openai["prompt_tokens_details"]["cached_tokens"] == 60
    assert openai["completion_tokens_details"]["reasoning_tokens"] == 20
    assert (anthropic["input_tokens"], anthropic["output_tokens"]) == (10, 50)
    assert anthropic["cache_read_input_tokens"] == 60
    assert anthropic["cache_creation_input_tokens"] == 30
    assert (gemini["cachedContentTokenCount"], gemini["thoughtsTokenCount"]) == (60, 20)
    assert gemini["candidatesTokenCount"] == 30
    assert cohere["cached_tokens"] == 60
    assert upstream.billed() == Billed(calls=4, input_tokens=400, output_tokens=200)


def test_the_first_function_on_offer_is_called(upstream: FakeUpstream) -> None:
    message = message_of(upstream, "tool-call")
    (call,) = message["tool_calls"]

    assert call["function"]["name"] == "find_parcel"
    assert json.loads(call["function"]["arguments"]) == {"place": SAID, "count": 1}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "In Leipzig"}
    after = message_of(upstream, "tool-call", messages=[*MESSAGES, message, result])
    assert after["content"] == "In Leipzig"
    assert message_of(upstream, "tool-call", tools=[])["content"] == SAID


def test_an_answer_follows_a_schema(upstream: FakeUpstream) -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["late", "lost"]},
            "days": {"type": ["integer", "null"]},
            "sure": {"type": "boolean"},
            "notes": {"type": "array", "items": {"anyOf": [{"type": "string"}]}},
            "self": {"const": 7},
        },
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = json.loads(message_of(upstream, "ok", response_format=wanted)["content"])
    free = message_of(upstream, "echo", response_format={"type": "json_object"})

    assert (answer["kind"], answer["days"], answer["sure"], answer["self"]) == ("late", 1, True, 7)
    assert len(answer["notes"]) == 1
    assert json.loads(free["content"]) == {"answer": SAID}


def test_embeddings_depend_on_the_text_only(upstream: FakeUpstream) -> None:
    first = post(upstream.url, "echo", "embed").json["data"]
    again = post(upstream.url, "echo", "embed", dimensions=16, input="Thanks").json["data"]

    assert first[0]["embedding"] != first[1]["embedding"]
    assert sum(value * value for value in first[0]["embedding"]) == pytest.approx(1.0, abs=1e-5)
    assert (len(first[0]["embedding"]), len(again[0]["embedding"])) == (8, 16)
