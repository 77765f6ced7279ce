"""A client for every server that speaks the wire format of OpenAI, without an SDK."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from stratarouter.errors import InvalidInputError, MissingExtraError
from stratarouter_runtime.provider_errors import ConnectionFailedError, ProviderTimeoutError
from stratarouter_runtime.provider_protocol import Capabilities
from stratarouter_runtime.providers.keys import SecretKey
from stratarouter_runtime.providers.limits import PhaseLimits
from stratarouter_runtime.providers.openai_compatible import (
    DEFAULT_MAX_ANSWER_BYTES,
    OpenAICompatibleClient,
)
from stratarouter_runtime.providers.openai_wire import encode_body
from stratarouter_runtime.telemetry.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

    from stratarouter_runtime.protocols import Clock

__all__ = ["LocalClient"]

_KEEP_ALIVE_S = 15.0
# What says how a body travels is not for users to say.
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
    }
)


class LocalClient(OpenAICompatibleClient):
    """Asks any server that speaks the wire format of OpenAI: Ollama, vLLM, TGI, llama.cpp.

    Connections are kept and used again, by each event loop its own; the first call opens them.
    Redirections are not followed, cookies not kept, and nothing is sent twice.

    Parameters
    ----------
    endpoint : str
        Base address, up to and with ``/v1`` where the server has it, such as
        ``http://localhost:11434/v1``.
    model : str, optional
        Model of requests that name none.
    api_key : str, optional
        Key, sent as bearer token.
    headers : mapping of str to str, optional
        Further headers of every request.
    name : str
        Name of the provider, for errors and answers.
    capabilities : Capabilities, optional
        What the server can do; None takes everything, as nobody knows. Its ``default_model`` counts
        where `model` is None.
    max_connections : int, >= 1
        Connections at a time; further calls wait for one to become free.
    connect_timeout_s : float, seconds, > 0
        Longest time for a connection to come about.
    first_byte_timeout_s : float, seconds, > 0
        Longest time from the start of a call until its answer begins.
    idle_timeout_s : float, seconds, > 0
        Longest pause within an answer.
    max_answer_bytes : int, >= 1
        Largest answer, and largest event of a stream.
    stream_usage : bool
        Whether streams are asked to report their usage; a few servers refuse to be asked.
    clock : Clock, optional
        For dates in headers; None takes that of the system.

    Raises
    ------
    InvalidInputError
        If the address is none, or another argument is out of its range.
    MissingExtraError
        If aiohttp is not installed.

    Examples
    --------
    >>> LocalClient("http://localhost:11434/v1", model="llama3.2", api_key="hush")
    LocalClient(name='local', model='llama3.2')
    """

    def __init__(  # noqa: PLR0913 -- settings, each with its default.
        self,
        endpoint: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "local",
        capabilities: Capabilities | None = None,
        max_connections: int = 100,
        connect_timeout_s: float = 10.0,
        first_byte_timeout_s: float = 600.0,
        idle_timeout_s: float = 120.0,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        stream_usage: bool = True,
        clock: Clock | None = None,
    ) -> None:
        phases = PhaseLimits(
            connect_s=connect_timeout_s,
            first_byte_s=first_byte_timeout_s,
            idle_s=idle_timeout_s,
        )
        transport = _AiohttpTransport(
            name,
            _base_address(endpoint),
            key=None if api_key is None else SecretKey(api_key),
            headers={} if headers is None else dict(headers),
            max_connections=max_connections,
            connect_timeout_s=connect_timeout_s,
        )
        super().__init__(
            name,
            transport,
            clock=SystemClock() if clock is None else clock,
            capabilities=_capabilities(model) if capabilities is None else capabilities,
            phases=phases,
            embedding_encoding="float",
            stream_usage=stream_usage,
            max_answer_bytes=max_answer_bytes,
        )


class _AiohttpAnswer:
    """An answer that aiohttp reads."""

    __slots__ = ("_model", "_provider", "_response", "_transport_errors", "headers", "status")

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        provider: str,
        model: str,
        transport_errors: tuple[type[Exception], ...],
    ) -> None:
        self._response = response
        self._provider = provider
        self._model = model
        self._transport_errors = transport_errors
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    def rest(self) -> bytes | None:
        content = self._response.content
        if not content.is_eof() or content.exception() is not None:
            return None
        data: bytes = content.read_nowait()
        return data

    async def read(self) -> bytes:
        try:
            data: bytes = await self._response.content.readany()
        except self._transport_errors as error:
            raise _failure(error, self._provider, self._model) from error
        return data

    async def aclose(self) -> None:
        # After the end of the body the connection is back in the pool, and this does nothing.
        self._response.close()


class _AiohttpTransport:
    """Carries bytes with aiohttp.

    Parameters
    ----------
    provider : str
        Name of the provider, for errors.
    base : str
        Base address, without a slash at its end.
    key : SecretKey or None
        Bearer token.
    headers : dict of str to str
        Further headers.
    max_connections : int, >= 1
        Connections at a time, for each event loop.
    connect_timeout_s : float, seconds, > 0
        Longest time for a connection to come about.
    """

    def __init__(
        self,
        provider: str,
        base: str,
        *,
        key: SecretKey | None,
        headers: dict[str, str],
        max_connections: int,
        connect_timeout_s: float,
    ) -> None:
        if max_connections < 1:
            raise InvalidInputError(f"max_connections must be >= 1, got {max_connections!r}")
        _check_headers(headers, has_key=key is not None)
        try:
            import aiohttp
        except ImportError as error:
            raise MissingExtraError("aiohttp", extra="local") from error
        self._aiohttp: Any = aiohttp
        self._errors: tuple[type[Exception], ...] = (aiohttp.ClientError, OSError)
        self._provider = provider
        self._base = base
        self._key = key
        self._max_connections = max_connections
        self._connect_timeout_s = connect_timeout_s
        self._headers = {
            "Content-Type": "application/json",
            # What is small while it is packed would be large only after it was let in.
            "Accept-Encoding": "identity",
            **headers,
        }
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys that it sends along."""
        return () if self._key is None else (self._key.reveal(),)

    async def send(self, path: str, body: dict[str, Any]) -> _AiohttpAnswer:
        """Send a request and wait for the head of its answer."""
        session = self._sessions.get(asyncio.get_running_loop())
        if session is None:
            session = self._open()
        model = body["model"]
        try:
            response = await session.post(
                f"{self._base}/{path}", data=encode_body(body), allow_redirects=False
            )
        except self._aiohttp.ClientResponseError as error:
            said = f"the answer is no HTTP: {error.message}"
        except self._aiohttp.ConnectionTimeoutError as error:
            raise ProviderTimeoutError(
                self._provider, self._connect_timeout_s, "connect", model=model
            ) from error
        except self._errors as error:
            raise _failure(error, self._provider, model) from error
        else:
            return _AiohttpAnswer(response, self._provider, model, self._errors)
        # Raised here, without the other error as its context: that one shows the key.
        raise ConnectionFailedError(self._provider, said, model=model)

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        # What belongs to loops that are gone cannot be closed any more, and holds no open call.
        for loop in [loop for loop in list(self._sessions) if loop.is_closed()]:
            self._sessions.pop(loop, None)
        library = self._aiohttp
        headers = dict(self._headers)
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        session: aiohttp.ClientSession = library.ClientSession(
            connector=library.TCPConnector(
                limit=self._max_connections, keepalive_timeout=_KEEP_ALIVE_S
            ),
            cookie_jar=library.DummyCookieJar(),
            timeout=library.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
            headers=headers,
        )
        self._sessions[asyncio.get_running_loop()] = session
        return session


def _failure(error: Exception, provider: str, model: str) -> ConnectionFailedError:
    said = str(error)
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return ConnectionFailedError(provider, text, model=model)


def _capabilities(model: str | None) -> Capabilities:
    return Capabilities(
        embeddings=True,
        images=True,
        tools=True,
        tool_choice=True,
        json=True,
        json_schema=True,
        default_model=model,
    )


def _base_address(endpoint: str) -> str:
    parts = _split(endpoint)
    if parts is None:
        raise InvalidInputError(
            "endpoint must be the address of a server, such as 'http://localhost:11434/v1'"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidInputError(
            "endpoint holds more than an address; pass keys as api_key= or headers="
        )
    return endpoint.rstrip("/")


def _split(endpoint: str) -> SplitResult | None:
    try:
        parts = urlsplit(endpoint)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_usable else None


def _check_headers(headers: dict[str, str], *, has_key: bool) -> None:
    for name, value in headers.items():
        if not name or not f"{name}{value}".isprintable():
            raise InvalidInputError(f"header {name!r} holds characters that no header can carry")
        if name.lower() in _OWN_HEADERS or (has_key and name.lower() == "authorization"):
            raise InvalidInputError(f"header {name!r} is set by the client itself")
