"""The fake upstream, as tests meet it."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.fake_upstream.options import Options
from stratarouter_runtime.fake_upstream.processes import ProcessHost
from stratarouter_runtime.fake_upstream.scripts import parse_steps
from stratarouter_runtime.fake_upstream.threads import ThreadHost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from stratarouter_runtime.fake_upstream.records import Billed, ConnectionRecord, RequestRecord
    from stratarouter_runtime.fake_upstream.scripts import Step

__all__ = ["FakeUpstream"]

_LONGEST_NAP_S = 0.05


class _Host(Protocol):
    """Where the server runs."""

    port: int

    def listen(self, fault_id: str, times: int | None) -> int: ...
    def script(self, model: str, steps: Sequence[Step]) -> None: ...
    def forget(self) -> None: ...
    def requests(self) -> list[RequestRecord]: ...
    def connections(self) -> list[ConnectionRecord]: ...
    def counts(self) -> tuple[int, int, int]: ...
    def billed(self, model: str | None) -> Billed: ...
    def wait(self, timeout_s: float) -> None: ...
    def close(self) -> None: ...


class FakeUpstream:
    """A server on the loopback that speaks the wire formats of language models.

    It answers to OpenAI, Azure OpenAI, Anthropic, Gemini, Cohere and Ollama clients. The model
    name picks what happens: ``echo`` and every ordinary name answer with the last text of the
    user, ``fault-status-503`` fails, ``flaky-2-cut`` fails twice, ``slow-20`` takes 20 ms;
    `stratarouter_runtime.fake_upstream.scripts` lists them all. Everything that comes in and goes
    out is remembered: it is the truth about calls and bills.

    It runs in a thread of its own, or in a process of its own, which suits measurements. Use it
    as a context manager, sync or async, or call `start` and `close`.

    Parameters
    ----------
    port : int
        The port; 0 takes one that is free.
    process : bool
        Whether it runs in a process of its own.
    time_scale : float
        Factor for the waits of faults; 0.01 makes 30 s 0.3 s.
    latency_ms : float
        Wait before every answer, milliseconds.
    default : str
        Script of model names that are no scripts.
    embedding_dimension : int
        Width of embeddings where the request does not ask for one.
    large_body_bytes : int
        Size of the body of the fault `large-body`.
    max_body_bytes : int
        Largest body of a request.
    keep_requests : int
        How many requests and connections are remembered; sums count all.
    retry_after_s : float
        What `Retry-After` says, seconds.

    Raises
    ------
    InvalidInputError
        If a setting means nothing.

    Examples
    --------
    >>> import json
    >>> from urllib.request import Request, urlopen
    >>> body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello?"}]}
    >>> with FakeUpstream() as upstream:
    ...     url = f"{upstream.openai_url}/chat/completions"
    ...     with urlopen(Request(url, json.dumps(body).encode())) as answer:
    ...         said = json.load(answer)["choices"][0]["message"]["content"]
    ...     said, upstream.billed()
    ('Hello?', Billed(calls=1, input_tokens=2, output_tokens=2))
    """

    def __init__(
        self,
        *,
        port: int = 0,
        process: bool = False,
        time_scale: float = 1.0,
        latency_ms: float = 0.0,
        default: str = "echo",
        embedding_dimension: int = 8,
        large_body_bytes: int = 50_000_000,
        max_body_bytes: int = 16 * 1024 * 1024,
        keep_requests: int = 10_000,
        retry_after_s: float = 1.0,
    ) -> None:
        parse_steps([default])
        self._options = Options(
            time_scale=time_scale,
            latency_ms=latency_ms,
            default=default,
            embedding_dimension=embedding_dimension,
            large_body_bytes=large_body_bytes,
            max_body_bytes=max_body_bytes,
            keep_requests=keep_requests,
            retry_after_s=retry_after_s,
        )
        self._wanted_port = port
        self._in_process = process
        self._host: _Host | None = None
        self._ports: dict[tuple[str, int | None], int] = {}

    def __repr__(self) -> str:
        where = "not started" if self._host is None else self.url
        return f"FakeUpstream({where})"

    def start(self) -> Self:
        """Begin to listen. Does nothing if it listens already.

        Returns
        -------
        FakeUpstream
            Itself.

        Raises
        ------
        InvalidInputError
            If the port is taken.
        """
        if self._host is None:
            make = ProcessHost if self._in_process else ThreadHost
            self._host = make(self._options, self._wanted_port)
        return self

    def close(self) -> None:
        """End every connection, the thread or the process. Records are gone with it."""
        host, self._host = self._host, None
        self._ports.clear()
        if host is not None:
            host.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._running().port

    @property
    def url(self) -> str:
        """Base URL for Anthropic, Azure, Gemini, Cohere and Ollama clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """Base URL for clients of OpenAI, whose paths begin after /v1."""
        return f"{self.url}/v1"

    @property
    def refused_url(self) -> str:
        """A URL where nobody listens."""
        return self.connect_url("refused")

    @property
    def requests(self) -> list[RequestRecord]:
        """The latest requests, oldest first."""
        return self._running().requests()

    @property
    def connections(self) -> list[ConnectionRecord]:
        """The latest connections, oldest first."""
        return self._running().connections()

    @property
    def calls(self) -> int:
        """How many requests there were since the start or the last `reset`."""
        return self._running().counts()[0]

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return self._running().counts()[2]

    def connect_url(self, fault_id: str, *, times: int | None = None) -> str:
        """Return a URL where connections meet a fault.

        Parameters
        ----------
        fault_id : str
            A connect fault: refused, black-hole, slow-accept, reset, tls-garbage, half-close.
        times : int, optional
            How many connections meet it; later ones are served well. None for all of them.

        Returns
        -------
        str
            The URL, the same one for the same arguments until `reset`.

        Raises
        ------
        InvalidInputError
            If it is no connect fault, or no connection ever comes about that could be counted.
        """
        key = (fault_id, times)
        if key not in self._ports:
            self._ports[key] = self._running().listen(fault_id, times)
        return f"http://127.0.0.1:{self._ports[key]}"

    def script(self, model: str, steps: Sequence[Step]) -> None:
        """Say what a model does, call by call.

        Parameters
        ----------
        model : str
            Any model name.
        steps : sequence of (str or Reply)
            Scripts like ``"fault-status-503"`` and prepared answers, one per call; the last is
            repeated for ever.

        Raises
        ------
        InvalidInputError
            If there are none, or one means nothing.
        """
        parse_steps(steps)
        self._running().script(model, steps)

    def reset(self) -> None:
        """Forget requests, bills, scripts and counters; connections stay open."""
        self._ports = {key: port for key, port in self._ports.items() if key[1] is None}
        self._running().forget()

    def billed(self, model: str | None = None) -> Billed:
        """Return what was billed since the start or the last `reset`.

        Parameters
        ----------
        model : str, optional
            One model only.

        Returns
        -------
        Billed
            Calls and tokens.
        """
        return self._running().billed(model)

    def wait_until(self, condition: Callable[[FakeUpstream], bool], timeout_s: float = 5.0) -> bool:
        """Wait until something is true of the records.

        Parameters
        ----------
        condition : callable
            Called with this object whenever something happened.
        timeout_s : float, seconds, > 0
            Longest wait.

        Returns
        -------
        bool
            Whether it is true.
        """
        end_s = monotonic() + timeout_s
        while not condition(self):
            left_s = end_s - monotonic()
            if left_s <= 0:
                return False
            self._running().wait(min(left_s, _LONGEST_NAP_S))
        return True

    async def until(
        self, condition: Callable[[FakeUpstream], bool], timeout_s: float = 5.0
    ) -> bool:
        """Wait like `wait_until`, without blocking the event loop.

        Parameters
        ----------
        condition : callable
            Called with this object, in another thread.
        timeout_s : float, seconds, > 0
            Longest wait.

        Returns
        -------
        bool
            Whether it is true.
        """
        return await asyncio.to_thread(self.wait_until, condition, timeout_s)

    def _running(self) -> _Host:
        if self._host is None:
            raise InvalidInputError("the fake upstream is not running; use it in a with statement")
        return self._host
