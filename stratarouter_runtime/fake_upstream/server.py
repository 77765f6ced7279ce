"""The listening sockets, and what becomes of them when the server stops."""

from __future__ import annotations

import asyncio
import errno
import socket
from functools import partial
from typing import TYPE_CHECKING

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.fake_upstream.connection import Connection, Surroundings
from stratarouter_runtime.fake_upstream.faults.catalogue import find_fault
from stratarouter_runtime.fake_upstream.faults.times import SLOW_S
from stratarouter_runtime.fake_upstream.journal import Journal
from stratarouter_runtime.fake_upstream.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratarouter_runtime.fake_upstream.options import Options

__all__ = ["Server"]

_HOST = "127.0.0.1"
_BACKLOG = 4096
_FILLERS = 4
_MOST_LISTENERS = 100


class Server:
    """Listens on the loopback; lives in one event loop.

    Parameters
    ----------
    options : Options
        Settings.
    """

    def __init__(self, options: Options) -> None:
        self.journal = Journal(options.keep_requests)
        """What happened."""
        self.service = Service(options)
        """What is answered."""
        self._options = options
        self._shared = Surroundings(self.service, self.journal, options.max_body_bytes)
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self._slow: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> int:
        """Begin to listen.

        Parameters
        ----------
        port : int
            The port; 0 takes one that is free.

        Returns
        -------
        int
            The port.
        """
        self.service.port = await self._serve(_bound(port), lambda: "")
        return self.service.port

    async def listen(self, fault_id: str, times: int | None) -> int:
        """Open a port where connections meet a fault.

        Parameters
        ----------
        fault_id : str
            A connect fault.
        times : int or None
            How many connections meet it; later ones are served well. None for all.

        Returns
        -------
        int
            The port.

        Raises
        ------
        InvalidInputError
            If it is no connect fault, cannot end, or there are too many ports.
        """
        fault, _ = find_fault(fault_id)
        if fault.kind != "connect":
            raise InvalidInputError(
                f"{fault_id!r} is asked for by the model name fault-{fault_id}, not by a port"
            )
        if times is not None and (times < 1 or fault_id in {"refused", "black-hole"}):
            raise InvalidInputError(
                "times must be at least 1, and ports where no connection comes about cannot count"
            )
        if len(self._servers) + len(self._sockets) >= _MOST_LISTENERS:
            raise InvalidInputError(f"at most {_MOST_LISTENERS} ports; use one twice")
        listener = _bound(0)
        if fault_id in {"refused", "black-hole"}:
            self._sockets.append(listener)
            if fault_id == "black-hole":
                self._sockets += _fill(listener)
            port: int = listener.getsockname()[1]
            return port
        take_fault = _counted(fault_id, times)
        if fault_id == "slow-accept":
            return self._accept_slowly(listener, take_fault)
        return await self._serve(listener, take_fault)

    async def close(self) -> None:
        """End every connection and stop listening."""
        for task in [*self._slow, *self._shared.tasks]:
            task.cancel()
        for server in self._servers:
            server.close()
        for connection in tuple(self._shared.connections):
            connection.close()
        for entry in self._sockets:
            asyncio.get_running_loop().remove_reader(entry)
            entry.close()
        waits = [*self._slow, *self._shared.tasks]
        await asyncio.gather(*waits, return_exceptions=True)
        # Transports that were aborted close their sockets in the next turns of the loop.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _serve(self, listener: socket.socket, take_fault: Callable[[], str]) -> int:
        port: int = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        make = partial(Connection, self._shared, port, take_fault)
        self._servers.append(await loop.create_server(make, sock=listener, backlog=_BACKLOG))
        return port

    def _accept_slowly(self, listener: socket.socket, take_fault: Callable[[], str]) -> int:
        listener.listen(_BACKLOG)
        self._sockets.append(listener)
        task = asyncio.get_running_loop().create_task(self._take_up(listener, take_fault))
        self._slow.add(task)
        port: int = listener.getsockname()[1]
        return port

    async def _take_up(self, listener: socket.socket, take_fault: Callable[[], str]) -> None:
        loop = asyncio.get_running_loop()
        port = listener.getsockname()[1]
        while True:
            await _readable(listener)
            fault = take_fault()
            if fault:
                await asyncio.sleep(SLOW_S * self._options.time_scale)
            accepted, _ = await loop.sock_accept(listener)
            accepted.setblocking(False)
            make = partial(Connection, self._shared, port, partial(str, fault))
            await loop.connect_accepted_socket(make, accepted)


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((_HOST, port))
    except OSError as error:
        listener.close()
        raise InvalidInputError(f"port {port} cannot be used: {error.strerror}") from error
    return listener


def _fill(listener: socket.socket) -> list[socket.socket]:
    """Fill the queue of a listener, so that the system answers nobody else."""
    listener.listen(0)
    fillers = []
    for _ in range(_FILLERS):
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        filler.setblocking(False)
        status = filler.connect_ex(listener.getsockname())
        if status not in {0, errno.EINPROGRESS, errno.EWOULDBLOCK}:
            filler.close()
            break
        fillers.append(filler)
    return fillers


def _counted(fault_id: str, times: int | None) -> Callable[[], str]:
    if times is None:
        return lambda: fault_id
    left = iter([fault_id] * times)
    return lambda: next(left, "")


async def _readable(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(listener, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(listener)
