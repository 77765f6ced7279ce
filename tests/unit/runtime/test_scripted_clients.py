"""Clients without a network, and the door that only lets our errors out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.conversation import Completion, CompletionRequest, Message, Usage
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.providers.base import complete
from stratarouter_runtime.testing import EchoClient, GatedClient, ScriptedClient


def request(*texts: str, model: str | None = None) -> CompletionRequest:
    return CompletionRequest(messages=tuple(Message("user", text) for text in texts), model=model)


async def test_echo_answers_with_the_last_message_for_nothing() -> None:
    answer = await EchoClient().complete(request("first", "12345678"))

    assert answer == Completion(
        content="12345678",
        model="echo-1",
        usage=Usage(input_tokens=4, output_tokens=2),
        cost_usd=0.0,
    )


async def test_echo_takes_the_model_that_is_asked_for() -> None:
    assert (await EchoClient("mine").complete(request("x"))).model == "mine"
    assert (await EchoClient("mine").complete(request("x", model="gpt-4"))).model == "gpt-4"


async def test_echo_of_nothing_is_nothing() -> None:
    answer = await EchoClient().complete(request())

    assert (answer.content, answer.usage) == ("", Usage(input_tokens=0, output_tokens=1))


async def test_a_script_is_followed_and_its_last_reply_repeated() -> None:
    made = Completion(content="b", cost_usd=0.5)
    client = ScriptedClient(["a", made, ValueError("no"), "d"])

    assert (await client.complete(request("x"))).content == "a"
    assert await client.complete(request("y")) is made
    with pytest.raises(ValueError, match="no"):
        await client.complete(request("z"))
    assert [(await client.complete(request("x"))).content for _ in range(2)] == ["d", "d"]
    assert client.calls == 5
    assert [entry.messages[0].content for entry in client.requests] == list("xyzxx")


def test_an_empty_script_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        ScriptedClient([])


class Client:
    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    async def complete(self, request: CompletionRequest) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (RuntimeError("down"), "provider 'p': RuntimeError: down"),
        (TimeoutError("slow"), "TimeoutError: slow"),
        (SystemExit(1), "SystemExit"),
        (asyncio.CancelledError(), "cancelled itself"),
        ("text", "expected a Completion, got a str"),
        (None, "got a NoneType"),
    ],
)
async def test_whatever_a_client_does_comes_out_as_its_error(outcome: Any, message: str) -> None:
    with pytest.raises(ProviderError, match=message) as caught:
        await complete(Client(outcome), "p", request("x"))

    assert (caught.value.provider, caught.value.origin) == ("p", "provider")
    if isinstance(outcome, BaseException):
        assert caught.value.__cause__ is outcome


async def test_a_client_that_is_not_async_is_its_own_fault() -> None:
    class Sync:
        def complete(self, request: CompletionRequest) -> Completion:
            return Completion(content="x")

    with pytest.raises(ProviderError, match="TypeError"):
        await complete(Sync(), "p", request("x"))  # type: ignore[arg-type]


async def test_a_providers_own_error_is_not_wrapped_twice() -> None:
    error = ProviderError("p", "rate limited")
    with pytest.raises(ProviderError) as caught:
        await complete(Client(error), "p", request("x"))

    assert caught.value is error


async def test_cancelling_from_outside_reaches_the_client() -> None:
    client = GatedClient()
    task = asyncio.create_task(complete(client, "p", request("x")))
    await client.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert client.cancelled == 1
