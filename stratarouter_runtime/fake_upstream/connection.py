"""One connection: reads requests, carries plans out, keeps the journal."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, cast

from stratarouter_runtime.fake_upstream.actions import (
    End,
    Fill,
    Pause,
    Plan,
    Repeat,
    Send,
    head,
)
from stratarouter_runtime.fake_upstream.exchange import encode
from stratarouter_runtime.fake_upstream.parsing import RequestParser, WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratarouter_runtime.fake_upstream.actions import Action
    from stratarouter_runtime.fake_upstream.journal import Journal
    from stratarouter_runtime.fake_upstream.parsing import IncomingRequest
    from stratarouter_runtime.fake_upstream.records import ConnectionRecord, Outcome, RequestRecord
    from stratarouter_runtime.fake_upstream.service import Service

__all__ = ["TLS_ALERT", "Connection", "Surroundings", "reset"]

_FILL_BYTES = 64 * 1024
TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
"""A handshake failure, as a TLS server would send it."""


class Surroundings:
    """What the connections of a server share.

    Parameters
    ----------
    service : Service
        Decides.
    journal : Journal
        Remembers.
    max_body_bytes : int
        Largest body of a request.
    """

    def __init__(self, service: Service, journal: Journal, max_body_bytes: int) -> None:
        self.service = service
        """Decides."""
        self.journal = journal
        """Remembers."""
        self.max_body_bytes = max_body_bytes
        """Largest body of a request."""
        self.connections: set[Connection] = set()
        """Connections that are open."""
        self.tasks: set[asyncio.Task[None]] = set()
        """Answers that take time."""


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection by a reset instead of the ordinary way.

    Parameters
    ----------
    transport : asyncio.BaseTransport
        The connection.
    """
    found = transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


class Connection(asyncio.Protocol):
    """One connection.

    Parameters
    ----------
    shared : Surroundings
        Service and journal.
    port : int
        The port that it comes to.
    take_fault : callable
        Called once; returns the connect fault that strikes this connection, or "".
    """

    _transport: asyncio.Transport
    _record: ConnectionRecord

    def __init__(self, shared: Surroundings, port: int, take_fault: Callable[[], str]) -> None:
        self._shared = shared
        self._port = port
        self._take_fault = take_fault
        self._parser = RequestParser(shared.max_body_bytes)
        self._task: asyncio.Task[None] | None = None
        self._task_may_outlive = False
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._deaf = False
        self._ended_by_us = False
        self._was_reset = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection, and strike if the port is for that.

        Parameters
        ----------
        transport : asyncio.BaseTransport
            The connection.
        """
        self._transport = cast("asyncio.Transport", transport)
        self._writable.set()
        self._record = self._shared.journal.open_connection(self._port, self._take_fault())
        self._shared.connections.add(self)
        if self._record.fault == "reset":
            self._ended_by_us = self._was_reset = True
            reset(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end, and give up what nobody waits for.

        Parameters
        ----------
        exc : Exception or None
            None for an ordinary end.
        """
        self._gone.set()
        self._writable.set()
        self._shared.connections.discard(self)
        if self._task is not None and not self._task_may_outlive:
            self._task.cancel()
        by_reset = self._was_reset or isinstance(exc, ConnectionError)
        self._shared.journal.close_connection(
            self._record, "server" if self._ended_by_us else "client", was_reset=by_reset
        )

    def pause_writing(self) -> None:
        """Wait with further bytes."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and answer what is complete.

        Parameters
        ----------
        data : bytes
            What came in.
        """
        record = self._record
        if not record.bytes_in:
            self._shared.journal.first_byte(record)
        record.bytes_in += len(data)
        if record.fault in {"tls-garbage", "half-close"}:
            self._strike(record.fault)
        if not self._deaf:
            self._parser.feed(data)
            self._answer_waiting()

    def close(self) -> None:
        """End the connection because the server stops."""
        self._ended_by_us = True
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    def _strike(self, fault: str) -> None:
        if not self._deaf:
            self._deaf = True
            if fault == "tls-garbage":
                self._write(TLS_ALERT)
            self._transport.write_eof()

    def _answer_waiting(self) -> None:
        while self._task is None and len(self._parser) and not self._transport.is_closing():
            try:
                incoming = self._parser.next()
            except WireError as error:
                self._refuse(error)
                return
            if incoming is None:
                if self._parser.awaits_continue():
                    self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            self._serve(incoming)
        if len(self._parser) > self._shared.max_body_bytes + _FILL_BYTES:
            self._end()

    def _refuse(self, error: WireError) -> None:
        body = encode({"error": {"message": str(error)}})
        close = [("connection", "close")]
        self._write(head(error.status, "application/json", len(body), close) + body)
        # Closing now would reset the connection before a client that still sends has read why.
        self._deaf = True
        self._transport.write_eof()

    def _serve(self, incoming: IncomingRequest) -> None:
        request = self._shared.journal.open_request(incoming, self._record.number)
        plan = self._shared.service.plan(request)
        request.status = plan.status
        if all(type(action) is Send for action in plan.actions):
            self._send_at_once(request, plan)
            if not incoming.keep_alive:
                self._end()
            return
        self._task_may_outlive = plan.finishes_alone
        carried = self._carry_out(request, plan, keep_alive=incoming.keep_alive)
        self._task = asyncio.get_running_loop().create_task(carried)
        self._shared.tasks.add(self._task)
        self._task.add_done_callback(self._shared.tasks.discard)

    def _send_at_once(self, request: RequestRecord, plan: Plan) -> None:
        first, *others = (action for action in plan.actions if isinstance(action, Send))
        data, read, written = first.data, first.input_tokens, first.output_tokens
        if others:
            data += b"".join(send.data for send in others)
            read += sum(send.input_tokens for send in others)
            written += sum(send.output_tokens for send in others)
        # Before the bytes leave: who has the answer must find its bill.
        self._shared.journal.answered(request, len(data), read, written)
        self._write(data)

    async def _carry_out(self, request: RequestRecord, plan: Plan, *, keep_alive: bool) -> None:
        journal = self._shared.journal
        outcome: Outcome = "client_left"
        try:
            for action in plan.actions:
                await self._do(action, request)
            ends = any(isinstance(action, End) for action in plan.actions)
            if not self._gone.is_set() or ends:
                outcome = "cut" if ends else "answered"
        finally:
            if self._ended_by_us and outcome == "client_left":
                outcome = "cut"
            journal.close_request(request, outcome)
            self._task = None
        if not keep_alive:
            self._end()
        self._answer_waiting()

    async def _do(self, action: Action, request: RequestRecord) -> None:
        match action:
            case Send():
                await self._send(action, request)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Fill(n_bytes):
                await self._fill(n_bytes, request)
            case Repeat(send, every_s):
                while not self._gone.is_set():
                    await asyncio.sleep(every_s)
                    await self._send(send, request)
            case End(how):
                self._end(how)

    async def _send(self, send: Send, request: RequestRecord) -> None:
        n_bytes = 0 if self._gone.is_set() else len(send.data)
        self._shared.journal.sent(request, n_bytes, send.input_tokens, send.output_tokens)
        if n_bytes:
            self._write(send.data)
        await self._writable.wait()

    async def _fill(self, n_bytes: int, request: RequestRecord) -> None:
        block = b"x" * min(n_bytes, _FILL_BYTES)
        while n_bytes > 0 and not self._gone.is_set():
            await self._send(Send(block[:n_bytes]), request)
            n_bytes -= len(block)

    def _write(self, data: bytes) -> None:
        self._record.bytes_out += len(data)
        self._transport.write(data)

    def _end(self, how: str = "close") -> None:
        if self._transport.is_closing():
            return
        self._ended_by_us = True
        if how == "reset":
            self._was_reset = True
            reset(self._transport)
        else:
            self._transport.close()
