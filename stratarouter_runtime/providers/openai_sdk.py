"""Carrying bytes with the official SDK of OpenAI."""

from __future__ import annotations

import asyncio
import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from stratarouter.errors import ConfigurationError, InvalidInputError
from stratarouter_runtime.provider_errors import ConnectionFailedError, ProviderTimeoutError
from stratarouter_runtime.providers.keys import SecretKey
from stratarouter_runtime.providers.openai_wire import EMBEDDINGS_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SdkTransport"]

_EMBEDDING_ARGUMENTS = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
_CHAT_ARGUMENTS = frozenset(
    {
        "frequency_penalty",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "presence_penalty",
        "response_format",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "user",
    }
)


class _Refusal:
    """An answer that the SDK has read and thrown."""

    __slots__ = ("_body", "headers", "status")

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._body: bytes = response.content

    def rest(self) -> bytes | None:
        body, self._body = self._body, b""
        return body

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def aclose(self) -> None:
        """Do nothing: the SDK has read it to its end."""


class _SdkAnswer:
    """An answer whose body the SDK has not read."""

    __slots__ = (
        "_idle_s",
        "_model",
        "_opened",
        "_pieces",
        "_provider",
        "_response",
        "headers",
        "status",
    )

    def __init__(
        self, opened: Any, response: Any, provider: str, model: str, *, idle_s: float
    ) -> None:
        self._opened = opened
        self._response = response
        self._pieces = response.iter_bytes()
        self._provider = provider
        self._model = model
        self._idle_s = idle_s
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers

    def rest(self) -> bytes | None:
        return None

    async def read(self) -> bytes:
        try:
            piece: bytes = await anext(self._pieces, b"")
        except _http_errors(self._response.http_response) as error:
            if type(error).__name__ == "ReadTimeout":
                raise ProviderTimeoutError(
                    self._provider, self._idle_s, "idle", model=self._model
                ) from error
            raise _failure(error, self._provider, self._model) from error
        return piece

    async def aclose(self) -> None:
        try:
            await self._pieces.aclose()
        finally:
            await self._opened.__aexit__(None, None, None)


class _ConnectionWatch:
    """Notices an answer that was there before its question had left.

    The HTTP library beneath the SDK keeps bytes that arrive unasked behind an answer, and takes
    them for the next answer on that connection. They belong to somebody else's call. An answer
    from the network is read after the event loop has turned at least once, such bytes at once.
    """

    __slots__ = ("_has_turned", "_provider")

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._has_turned = True

    async def __call__(self, event: str, _: dict[str, Any]) -> None:
        if event == "http11.send_request_body.complete":
            self._has_turned = False
            asyncio.get_running_loop().call_soon(self._turn)
        elif event == "http11.receive_response_headers.complete" and not self._has_turned:
            raise ConnectionFailedError(
                self._provider, "an answer came before its question had been sent"
            )

    def _turn(self) -> None:
        self._has_turned = True


class SdkTransport:
    """Carries bytes with the official SDK.

    Parameters
    ----------
    library : module
        The SDK.
    provider : str
        Name of the provider, for errors.
    kind : str
        Class of the SDK.
    settings : dict
        Its settings; None leaves one to the SDK.
    client : object or None
        An object of the SDK to use instead.
    connect_timeout_s : float, seconds, > 0
        Longest time for a connection to come about.

    Raises
    ------
    InvalidInputError
        If `client` comes with other settings, or is no asynchronous one.
    ConfigurationError
        If the SDK misses a setting.
    """

    def __init__(
        self,
        library: Any,
        provider: str,
        kind: str,
        *,
        settings: dict[str, Any],
        client: Any,
        connect_timeout_s: float,
    ) -> None:
        self._openai = library
        self._provider = provider
        self._kind = kind
        self._settings = {key: value for key, value in settings.items() if value is not None}
        self._connect_timeout_s = connect_timeout_s
        self._objects: dict[asyncio.AbstractEventLoop, Any] = {}
        self._given: Any = None
        self._unused: list[Any] = []
        if client is None:
            # Made now, so that a missing key shows before there is anything to lose.
            self._unused.append(self._made())
        else:
            self._given = _without_repetitions(client, kind, self._settings)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys that it sends along."""
        if self._given is not None:
            sdk = self._given
        else:
            sdk = next(iter([*self._objects.values(), *self._unused]), None)
        key = getattr(sdk, "api_key", None)
        return (key,) if isinstance(key, str) else ()

    async def send(self, path: str, body: dict[str, Any]) -> _SdkAnswer | _Refusal:
        """Send a request and wait for the head of its answer.

        Parameters
        ----------
        path : str
            Path below the base address.
        body : dict
            JSON data.

        Returns
        -------
        OpenAnswer
            The answer, whatever its status.

        Raises
        ------
        ConnectionFailedError
            If there is none.
        ProviderTimeoutError
            If no connection comes about in time.
        ConfigurationError
            If the SDK finds that something is missing.
        """
        sdk = self._given if self._given is not None else self._of_this_loop()
        resource = sdk.embeddings if path == EMBEDDINGS_PATH else sdk.chat.completions
        model = body["model"]
        opened = resource.with_streaming_response.create(**_arguments(body))
        try:
            response = await opened.__aenter__()
        except self._openai.APIStatusError as error:
            return _Refusal(error.response)
        except self._openai.APITimeoutError as error:
            phase = _phase(error)
            raise ProviderTimeoutError(
                self._provider, self._limit_s(sdk, phase), phase, model=model
            ) from error
        except self._openai.APIConnectionError as error:
            raise _failure(error.__cause__ or error, self._provider, model) from error
        except self._openai.OpenAIError as error:
            raise ConfigurationError(f"provider {self._provider!r}: {error}") from error
        idle_s = self._limit_s(sdk, "idle")
        return _SdkAnswer(opened, response, self._provider, model, idle_s=idle_s)

    async def aclose(self) -> None:
        """Close the connections of this event loop, unless the object came from a caller."""
        sdk = self._objects.pop(asyncio.get_running_loop(), None)
        if sdk is not None:
            await sdk.close()

    def _limit_s(self, sdk: Any, phase: str) -> float:
        """Return the SDK's own limit; that of a connection is ours, others only a caller's."""
        limit = getattr(sdk, "timeout", None)
        limit = getattr(limit, "connect" if phase == "connect" else "read", limit)
        if isinstance(limit, int | float) and limit > 0:
            return float(limit)
        return self._connect_timeout_s

    async def _watch(self, request: Any) -> None:
        request.extensions["trace"] = _ConnectionWatch(self._provider)

    def _of_this_loop(self) -> Any:
        loop = asyncio.get_running_loop()
        sdk = self._objects.get(loop)
        if sdk is None:
            for gone in [known for known in list(self._objects) if known.is_closed()]:
                self._objects.pop(gone, None)
            try:
                sdk = self._unused.pop()
            except IndexError:
                sdk = self._made()
            self._objects[loop] = sdk
        return sdk

    def _made(self) -> Any:
        openai = self._openai
        timeout = openai.Timeout(None, connect=self._connect_timeout_s)
        settings = dict(self._settings)
        key = settings.get("api_key")
        if isinstance(key, SecretKey):
            settings["api_key"] = key.reveal()
        try:
            return getattr(openai, self._kind)(
                **settings,
                max_retries=0,
                timeout=timeout,
                # To follow a redirection would hand the key to whomever it names.
                http_client=openai.DefaultAsyncHttpxClient(
                    follow_redirects=False,
                    timeout=timeout,
                    event_hooks={"request": [self._watch]},
                ),
            )
        except (openai.OpenAIError, ValueError) as error:
            raise ConfigurationError(f"provider {self._provider!r}: {error}") from error


def _without_repetitions(client: Any, kind: str, settings: dict[str, Any]) -> Any:
    if settings:
        raise InvalidInputError(
            f"client= brings its own settings; leave out {', '.join(sorted(settings))}"
        )
    close = getattr(client, "close", None)
    if not inspect.iscoroutinefunction(close) or not hasattr(client, "with_options"):
        raise InvalidInputError(f"client= must be an openai.{kind}, got a {type(client).__name__}")
    return client.with_options(max_retries=0)


def _arguments(body: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for the SDK, which lets unknown ones through by `extra_body` only."""
    known = _CHAT_ARGUMENTS if "messages" in body else _EMBEDDING_ARGUMENTS
    arguments = {name: value for name, value in body.items() if name in known}
    rest = {name: value for name, value in body.items() if name not in known}
    if rest:
        arguments["extra_body"] = rest
    return arguments


def _phase(error: Exception) -> Any:
    name = type(error.__cause__).__name__
    return "connect" if name in {"ConnectTimeout", "PoolTimeout"} else "first_byte"


def _http_errors(response: object) -> tuple[type[Exception], ...]:
    """Return what the HTTP library beneath the SDK raises; the SDK changes it now and then."""
    library = import_module(type(response).__module__.partition(".")[0])
    found = [getattr(library, name, None) for name in ("HTTPError", "StreamError")]
    return (*(kind for kind in found if isinstance(kind, type)), OSError)


def _failure(error: BaseException, provider: str, model: str) -> ConnectionFailedError:
    said = str(error)
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return ConnectionFailedError(provider, text, model=model)
