"""A fake upstream in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.fake_upstream.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from stratarouter_runtime.fake_upstream.options import Options
    from stratarouter_runtime.fake_upstream.records import Billed, ConnectionRecord, RequestRecord
    from stratarouter_runtime.fake_upstream.scripts import Step

__all__ = ["ThreadHost"]

T = TypeVar("T")
_LONGEST_WAIT_S = 10.0


class ThreadHost:
    """Runs a server in an event loop of its own.

    Parameters
    ----------
    options : Options
        Settings.
    port : int
        The port; 0 takes one that is free.

    Raises
    ------
    InvalidInputError
        If the port is taken, or a setting means nothing.
    """

    def __init__(self, options: Options, port: int) -> None:
        self._server = Server(options)
        self._ready: Future[int] = Future()
        self._wanted_port = port
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="fake-upstream", daemon=True)
        self._thread.start()
        self.port = self._ready.result()
        """The port that is listened on."""

    def listen(self, fault_id: str, times: int | None) -> int:
        """Open a port where connections meet a fault.

        Parameters
        ----------
        fault_id : str
            A connect fault.
        times : int or None
            How many connections meet it; None for all.

        Returns
        -------
        int
            The port.
        """
        return self._await(self._server.listen(fault_id, times))

    def script(self, model: str, steps: Sequence[Step]) -> None:
        """Say what a model does, call by call.

        Parameters
        ----------
        model : str
            The model name.
        steps : sequence of (str or Reply)
            One per call.
        """
        self._settled(lambda: self._server.service.script(model, steps))

    def forget(self) -> None:
        """Forget scripts, records and sums."""
        self._settled(self._server.service.forget)
        self._settled(self._server.journal.forget)

    def requests(self) -> list[RequestRecord]:
        """Return the requests that are remembered.

        Returns
        -------
        list of RequestRecord
            Oldest first.
        """
        return self._settled(self._server.journal.requests)

    def connections(self) -> list[ConnectionRecord]:
        """Return the connections that are remembered.

        Returns
        -------
        list of ConnectionRecord
            Oldest first.
        """
        return self._settled(self._server.journal.connections)

    def counts(self) -> tuple[int, int, int]:
        """Return counts.

        Returns
        -------
        tuple of (int, int, int)
            Requests, connections, open connections.
        """
        return self._settled(self._server.journal.counts)

    def billed(self, model: str | None) -> Billed:
        """Return the sum of all bills.

        Parameters
        ----------
        model : str or None
            One model only, or None for all.

        Returns
        -------
        Billed
            Calls and tokens.
        """
        return self._settled(lambda: self._server.journal.billed(model))

    def wait(self, timeout_s: float) -> None:
        """Wait until something happens.

        Parameters
        ----------
        timeout_s : float, seconds
            Longest wait.
        """
        self._server.journal.wait(timeout_s)

    def close(self) -> None:
        """End every connection, and the thread."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
            self._thread.join(_LONGEST_WAIT_S)

    def _settled(self, work: Callable[[], T]) -> T:
        """Do something between two turns of the loop, when what a client has seen is noted."""
        return self._await(_as_coroutine(work))

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        loop = self._loop
        if loop is None or not self._thread.is_alive():
            work.close()
            raise InvalidInputError("the fake upstream is closed")
        return asyncio.run_coroutine_threadsafe(work, loop).result(_LONGEST_WAIT_S)

    def _run(self) -> None:
        asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            port = await self._server.start(self._wanted_port)
        except (InvalidInputError, OSError) as error:
            self._ready.set_exception(error)
            return
        self._ready.set_result(port)
        await self._stop.wait()
        await self._server.close()


async def _as_coroutine(work: Callable[[], T]) -> T:
    return work()
