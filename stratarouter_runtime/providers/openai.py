"""Clients of OpenAI and Azure OpenAI on the official SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter.errors import MissingExtraError
from stratarouter_runtime.provider_protocol import Capabilities
from stratarouter_runtime.providers.keys import SecretKey
from stratarouter_runtime.providers.limits import PhaseLimits
from stratarouter_runtime.providers.openai_compatible import (
    DEFAULT_MAX_ANSWER_BYTES,
    OpenAICompatibleClient,
)
from stratarouter_runtime.providers.openai_sdk import SdkTransport
from stratarouter_runtime.providers.openai_wire import OPENAI_PARAMS
from stratarouter_runtime.telemetry.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stratarouter_runtime.protocols import Clock

__all__ = ["AzureOpenAIClient", "OpenAIClient"]


class OpenAIClient(OpenAICompatibleClient):
    """Asks OpenAI through its own SDK, whose repetitions are switched off.

    Parameters
    ----------
    api_key : str, optional
        Key; None leaves it to the SDK, which looks for OPENAI_API_KEY.
    model : str, optional
        Model of requests that name none.
    base_url : str, optional
        Base address, up to and with ``/v1``; None leaves it to the SDK.
    client : openai.AsyncOpenAI, optional
        An object of the SDK to use instead, with its own settings for keys, addresses, connections
        and redirections; only its repetitions are switched off. Closing it stays its owner's
        business.
    name : str
        Name of the provider, for errors and answers.
    capabilities : Capabilities, optional
        What can be carried over; None takes what OpenAI documents. Its ``default_model`` counts
        where `model` is None.
    connect_timeout_s : float, seconds, > 0
        Longest time for a connection to come about.
    first_byte_timeout_s : float, seconds, > 0
        Longest time from the start of a call until its answer begins.
    idle_timeout_s : float, seconds, > 0
        Longest pause within an answer.
    max_answer_bytes : int, >= 1
        Largest answer, and largest event of a stream.
    clock : Clock, optional
        For dates in headers; None takes that of the system.

    Raises
    ------
    InvalidInputError
        If `client` comes with other settings of the SDK, or is no asynchronous one.
    ConfigurationError
        If there is no key.
    MissingExtraError
        If the SDK is not installed.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        model: str | None = None,
        base_url: str | None = None,
        client: Any = None,
        name: str = "openai",
        capabilities: Capabilities | None = None,
        connect_timeout_s: float = 10.0,
        first_byte_timeout_s: float = 600.0,
        idle_timeout_s: float = 120.0,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        clock: Clock | None = None,
    ) -> None:
        settings: dict[str, Any] = {
            "api_key": None if api_key is None else SecretKey(api_key),
            "base_url": base_url,
        }
        super().__init__(
            name,
            SdkTransport(
                _sdk(),
                name,
                "AsyncOpenAI",
                settings=settings,
                client=client,
                connect_timeout_s=connect_timeout_s,
            ),
            clock=SystemClock() if clock is None else clock,
            capabilities=_capabilities(model) if capabilities is None else capabilities,
            phases=PhaseLimits(
                connect_s=connect_timeout_s,
                first_byte_s=first_byte_timeout_s,
                idle_s=idle_timeout_s,
            ),
            embedding_encoding="base64",
            max_answer_bytes=max_answer_bytes,
        )


class AzureOpenAIClient(OpenAICompatibleClient):
    """Asks Azure OpenAI through the official SDK, whose repetitions are switched off.

    Models are named by their deployments.

    Parameters
    ----------
    azure_endpoint : str, optional
        Address of the resource; None leaves it to the SDK, which looks for AZURE_OPENAI_ENDPOINT.
    api_version : str, optional
        Version of the interface; None leaves it to the SDK, which looks for OPENAI_API_VERSION.
    api_key : str, optional
        Key; None leaves it to the SDK, which looks for AZURE_OPENAI_API_KEY.
    azure_ad_token_provider : callable, optional
        Returns a token of the directory, or an awaitable of one, instead of a key.
    model : str, optional
        Deployment of requests that name none.
    client : openai.AsyncAzureOpenAI, optional
        An object of the SDK to use instead, as with `OpenAIClient`.
    name : str
        Name of the provider, for errors and answers.
    capabilities : Capabilities, optional
        What can be carried over; None takes what OpenAI documents. Its ``default_model`` counts
        where `model` is None.
    connect_timeout_s : float, seconds, > 0
        Longest time for a connection to come about.
    first_byte_timeout_s : float, seconds, > 0
        Longest time from the start of a call until its answer begins.
    idle_timeout_s : float, seconds, > 0
        Longest pause within an answer.
    max_answer_bytes : int, >= 1
        Largest answer, and largest event of a stream.
    clock : Clock, optional
        For dates in headers; None takes that of the system.

    Raises
    ------
    InvalidInputError
        If `client` comes with other settings of the SDK, or is no asynchronous one.
    ConfigurationError
        If there is no key, address or version.
    MissingExtraError
        If the SDK is not installed.
    """

    def __init__(  # noqa: PLR0913 -- settings, each with its default.
        self,
        azure_endpoint: str | None = None,
        *,
        api_version: str | None = None,
        api_key: str | None = None,
        azure_ad_token_provider: Callable[[], str | Awaitable[str]] | None = None,
        model: str | None = None,
        client: Any = None,
        name: str = "azure",
        capabilities: Capabilities | None = None,
        connect_timeout_s: float = 10.0,
        first_byte_timeout_s: float = 600.0,
        idle_timeout_s: float = 120.0,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        clock: Clock | None = None,
    ) -> None:
        settings: dict[str, Any] = {
            "azure_endpoint": azure_endpoint,
            "api_version": api_version,
            "api_key": None if api_key is None else SecretKey(api_key),
            "azure_ad_token_provider": azure_ad_token_provider,
        }
        super().__init__(
            name,
            SdkTransport(
                _sdk(),
                name,
                "AsyncAzureOpenAI",
                settings=settings,
                client=client,
                connect_timeout_s=connect_timeout_s,
            ),
            clock=SystemClock() if clock is None else clock,
            capabilities=_capabilities(model) if capabilities is None else capabilities,
            phases=PhaseLimits(
                connect_s=connect_timeout_s,
                first_byte_s=first_byte_timeout_s,
                idle_s=idle_timeout_s,
            ),
            embedding_encoding="base64",
            max_answer_bytes=max_answer_bytes,
        )


def _sdk() -> Any:
    try:
        import openai
    except ImportError as error:
        raise MissingExtraError("openai", extra="openai") from error
    return openai


def _capabilities(model: str | None) -> Capabilities:
    return Capabilities(
        embeddings=True,
        images=True,
        tools=True,
        tool_choice=True,
        json=True,
        json_schema=True,
        params=OPENAI_PARAMS,
        default_model=model,
        max_output_tokens=16_384,
    )
