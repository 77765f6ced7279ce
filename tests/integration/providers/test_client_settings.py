"""What clients are made of: keys, settings, and objects that a caller brings."""

from __future__ import annotations

import logging
import pickle  # noqa: TID251 -- to see that a key refuses it
import sys
from typing import TYPE_CHECKING, Any

import openai
import pytest

import stratarouter_runtime
from stratarouter.errors import ConfigurationError, InvalidInputError, MissingExtraError
from stratarouter_runtime.conversation import CompletionRequest, Message
from stratarouter_runtime.provider_errors import AuthenticationError, ProviderTimeoutError
from stratarouter_runtime.providers.adapters import model_client
from stratarouter_runtime.providers.local import LocalClient
from stratarouter_runtime.providers.openai import AzureOpenAIClient, OpenAIClient
from stratarouter_runtime.testing import FakeUpstream
from tests.integration.providers.clients import KEY, asked, make_client

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("local", "openai", "azure")
HELLO = (Message("user", "Hello there"),)


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """Return a server."""
    with FakeUpstream(time_scale=0.001) as running:
        yield running


@pytest.mark.parametrize("kind", KINDS)
async def test_keys_show_nowhere(
    upstream: FakeUpstream, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make_client(kind, upstream.url)
    await client.complete(asked("ok"))
    shown = f"{client!r} {client} {vars(client)!r} {vars(vars(client)['_transport'])!r}"
    with pytest.raises(AuthenticationError) as caught:
        await client.complete(asked("fault-401"))
    await client.aclose()

    assert KEY in upstream.requests[0].head.decode()
    assert KEY not in shown
    assert KEY not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"
    assert KEY not in caplog.text


def test_a_key_is_not_pickled() -> None:
    client = LocalClient("http://localhost/v1", api_key=KEY)
    with pytest.raises(InvalidInputError, match="cannot be copied"):
        pickle.dumps(vars(client)["_transport"]._key)


@pytest.mark.parametrize("key", ["", "  ", "a\nb", " a", "schlüssel"])
def test_keys_that_no_header_can_carry(key: str) -> None:
    for make in (OpenAIClient, lambda key: LocalClient("http://localhost/v1", api_key=key)):
        with pytest.raises(InvalidInputError, match="API key"):
            make(key)


def test_a_missing_key_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        OpenAIClient()
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_API_KEY"):
        AzureOpenAIClient("http://localhost", api_version="2024-10-21")
    with pytest.raises(ConfigurationError, match="api_version"):
        AzureOpenAIClient("http://localhost", api_key=KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert repr(OpenAIClient()) == "OpenAIClient(name='openai', model=None)"


@pytest.mark.parametrize(("package", "extra"), [("aiohttp", "local"), ("openai", "openai")])
def test_a_missing_package_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"stratarouter\[{extra}\]"):
        make_client(extra, "http://localhost")


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "localhost:11434",
        "ftp://localhost",
        "http://",
        "http://[::1",
        "http://host:99999",
        "http://me:hush@host/v1",
        "http://host/v1?key=hush",
    ],
)
def test_addresses_that_are_none(endpoint: str) -> None:
    with pytest.raises(InvalidInputError, match="endpoint") as caught:
        LocalClient(endpoint)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": ""},
        {"max_connections": 0},
        {"max_answer_bytes": 0},
        {"connect_timeout_s": 0},
        {"idle_timeout_s": -1},
        {"first_byte_timeout_s": float("nan")},
        {"headers": {"": "x"}},
        {"headers": {"x": "a\r\nb"}},
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"authorization": "x"}, "api_key": KEY},
    ],
)
def test_settings_that_mean_nothing(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        LocalClient("http://localhost/v1", **settings)


def test_they_are_whole_clients_and_lazy_names() -> None:
    client = stratarouter_runtime.LocalClient("http://localhost/v1/")
    assert model_client(client) is client
    assert client.capabilities("any").params is None
    capable = OpenAIClient(KEY).capabilities()
    assert capable.embeddings
    assert capable.params is not None
    assert "top_k" not in capable.params


# -------------------------------------------------------------------------- a caller's object


async def test_the_callers_own_object(upstream: FakeUpstream) -> None:
    async with openai.AsyncOpenAI(
        base_url=upstream.openai_url,
        api_key=KEY,
        max_retries=5,
        default_headers={"x-team": "blue"},
    ) as sdk:
        client = OpenAIClient(client=sdk)
        with pytest.raises(stratarouter_runtime.OverloadedError):
            await client.complete(asked("fault-503"))
        await client.aclose()
        assert (await client.complete(asked("echo", "Hi"))).content == "Hi"
        assert sdk.max_retries == 5

    assert upstream.calls == 2
    assert upstream.requests[0].headers["x-team"] == "blue"


@pytest.mark.parametrize(
    ("model", "phase"), [("slow-60000", "first_byte"), ("fault-idle-gap", "idle")]
)
async def test_the_limits_of_the_callers_own_object_count_too(model: str, phase: str) -> None:
    with FakeUpstream() as patient:
        async with openai.AsyncOpenAI(base_url=patient.openai_url, api_key=KEY, timeout=0.1) as sdk:
            with pytest.raises(ProviderTimeoutError) as caught:
                await OpenAIClient(client=sdk).complete(asked(model))

        assert (caught.value.phase, caught.value.timeout_s) == (phase, 0.1)
        assert patient.calls == 1


async def test_the_callers_own_azure_object(upstream: FakeUpstream) -> None:
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=upstream.url, api_key=KEY, api_version="2024-10-21"
    ) as sdk:
        client = AzureOpenAIClient(client=sdk, model="ok")
        assert (await client.complete(CompletionRequest(messages=HELLO))).provider == "azure"

    assert upstream.requests[0].path.startswith("/openai/deployments/ok/")


async def test_tokens_of_the_directory(upstream: FakeUpstream) -> None:
    async def token() -> str:
        return "token-of-the-directory"

    client = AzureOpenAIClient(
        upstream.url, api_version="2024-10-21", azure_ad_token_provider=token
    )
    await client.complete(asked("ok"))
    await client.aclose()

    assert upstream.requests[0].headers["authorization"] == "Bearer token-of-the-directory"


def test_objects_that_are_none() -> None:
    with pytest.raises(InvalidInputError, match="AsyncOpenAI, got a OpenAI"):
        OpenAIClient(client=openai.OpenAI(api_key=KEY))
    with pytest.raises(InvalidInputError, match="leave out api_key"):
        OpenAIClient(KEY, client=openai.AsyncOpenAI(api_key=KEY))
    with pytest.raises(InvalidInputError, match="must be an openai"):
        AzureOpenAIClient(client=object())
