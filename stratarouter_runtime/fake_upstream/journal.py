"""What happened: every request, connection and token. Clients are judged by it."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Literal

from stratarouter_runtime.fake_upstream.records import Billed, ConnectionRecord, RequestRecord

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.parsing import IncomingRequest
    from stratarouter_runtime.fake_upstream.records import Outcome

__all__ = ["Journal"]

_MOST_MODELS = 10_000
_MODEL_CHARACTERS = 200
_MOST_KEPT_BYTES = 64 * 1024 * 1024
_OTHER_MODELS = "…"


class Journal:
    """Remembers the latest requests and connections, and the sums of all.

    The server writes, any thread reads.

    Parameters
    ----------
    keep : int
        How many requests and connections are remembered, of requests 64 MiB at most.
    """

    def __init__(self, keep: int) -> None:
        self._changed = threading.Condition()
        self._keep = keep
        self._kept_bytes = 0
        self._requests: deque[RequestRecord] = deque()
        self._connections: deque[ConnectionRecord] = deque(maxlen=keep)
        self._bills: dict[str, list[int]] = {}
        self._n_requests = 0
        self._n_connections = 0
        self._n_requests_forgotten = 0
        self._n_connections_forgotten = 0
        self._n_open = 0
        self._n_waiting = 0

    def open_connection(self, port: int, fault: str) -> ConnectionRecord:
        """Note a new connection.

        Parameters
        ----------
        port : int
            Where it came.
        fault : str
            The connect fault there.

        Returns
        -------
        ConnectionRecord
            Its record, to be kept up to date.
        """
        with self._changed:
            self._n_connections += 1
            self._n_open += 1
            record = ConnectionRecord(
                number=self._n_connections, port=port, fault=fault, opened_s=monotonic()
            )
            self._connections.append(record)
            self._tell()
        return record

    def first_byte(self, record: ConnectionRecord) -> None:
        """Note that the first byte of a connection came in.

        Parameters
        ----------
        record : ConnectionRecord
            The connection.
        """
        with self._changed:
            record.first_byte_s = monotonic()
            self._tell()

    def close_connection(
        self, record: ConnectionRecord, by: Literal["client", "server"], *, was_reset: bool
    ) -> None:
        """Note the end of a connection.

        Parameters
        ----------
        record : ConnectionRecord
            The connection.
        by : {"client", "server"}
            Who ended it.
        was_reset : bool
            Whether by a reset.
        """
        with self._changed:
            record.closed_by, record.was_reset = by, was_reset
            record.closed_s = monotonic()
            self._n_open -= 1
            self._tell()

    def open_request(self, incoming: IncomingRequest, connection: int) -> RequestRecord:
        """Note a request.

        Parameters
        ----------
        incoming : IncomingRequest
            The request.
        connection : int
            Number of its connection.

        Returns
        -------
        RequestRecord
            Its record, to be kept up to date.
        """
        with self._changed:
            self._n_requests += 1
            record = RequestRecord(
                number=self._n_requests,
                connection=connection,
                method=incoming.method,
                target=incoming.target,
                head=incoming.head,
                body=incoming.body,
                bytes_in=incoming.n_bytes,
                started_s=monotonic(),
            )
            self._remember(record)
            self._tell()
        return record

    def sent(
        self, record: RequestRecord, n_bytes: int, input_tokens: int, output_tokens: int
    ) -> None:
        """Note that a part of an answer was sent, or done without being sent.

        Parameters
        ----------
        record : RequestRecord
            The request.
        n_bytes : int
            Bytes handed to the socket.
        input_tokens, output_tokens : int
            What is billed for it.
        """
        with self._changed:
            if record.first_byte_s is None and n_bytes:
                record.first_byte_s = monotonic()
            record.bytes_out += n_bytes
            self._charge(record, input_tokens, output_tokens)
            self._tell()

    def close_request(self, record: RequestRecord, outcome: Outcome) -> None:
        """Note that a request is over.

        Parameters
        ----------
        record : RequestRecord
            The request.
        outcome : {"answered", "cut", "client_left"}
            How it ended.
        """
        with self._changed:
            record.outcome = outcome
            record.ended_s = monotonic()
            self._tell()

    def answered(
        self, record: RequestRecord, n_bytes: int, input_tokens: int, output_tokens: int
    ) -> None:
        """Note that a whole answer was sent at once.

        Parameters
        ----------
        record : RequestRecord
            The request.
        n_bytes : int
            Bytes handed to the socket.
        input_tokens, output_tokens : int
            What is billed for it.
        """
        with self._changed:
            record.first_byte_s = record.ended_s = monotonic()
            record.outcome = "answered"
            record.bytes_out = n_bytes
            self._charge(record, input_tokens, output_tokens)
            self._tell()

    def wait(self, timeout_s: float) -> None:
        """Wait for a change.

        Parameters
        ----------
        timeout_s : float, seconds
            Longest wait.
        """
        with self._changed:
            self._n_waiting += 1
            try:
                self._changed.wait(timeout_s)
            finally:
                self._n_waiting -= 1

    def requests(self) -> list[RequestRecord]:
        """Return the requests that are remembered.

        Returns
        -------
        list of RequestRecord
            Oldest first; those that are under way still change.
        """
        with self._changed:
            return list(self._requests)

    def connections(self) -> list[ConnectionRecord]:
        """Return the connections that are remembered.

        Returns
        -------
        list of ConnectionRecord
            Oldest first; those that are open still change.
        """
        with self._changed:
            return list(self._connections)

    def counts(self) -> tuple[int, int, int]:
        """Return counts without copying records.

        Returns
        -------
        tuple of (int, int, int)
            Requests and connections since the last `forget`, and connections that are open.
        """
        with self._changed:
            return (
                self._n_requests - self._n_requests_forgotten,
                self._n_connections - self._n_connections_forgotten,
                self._n_open,
            )

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
        with self._changed:
            if model is not None:
                return Billed(*self._bills.get(model[:_MODEL_CHARACTERS], (0, 0, 0)))
            return Billed(*(sum(column) for column in zip(*self._bills.values(), strict=True)))

    def forget(self) -> None:
        """Forget requests, ended connections, and all sums; numbers go on."""
        with self._changed:
            self._requests.clear()
            self._kept_bytes = 0
            self._bills.clear()
            still_open = [entry for entry in self._connections if not entry.closed_by]
            self._connections.clear()
            self._connections.extend(still_open)
            self._n_requests_forgotten = self._n_requests
            self._n_connections_forgotten = self._n_connections
            self._tell()

    def _remember(self, record: RequestRecord) -> None:
        requests = self._requests
        requests.append(record)
        self._kept_bytes += record.bytes_in
        # The latest one stays, however large it is.
        while len(requests) > self._keep or (
            self._kept_bytes > _MOST_KEPT_BYTES and len(requests) > 1
        ):
            self._kept_bytes -= requests.popleft().bytes_in

    def _tell(self) -> None:
        if self._n_waiting:
            self._changed.notify_all()

    def _charge(self, record: RequestRecord, input_tokens: int, output_tokens: int) -> None:
        is_forgotten = record.number <= self._n_requests_forgotten
        if is_forgotten or not (input_tokens or output_tokens):
            return
        bill = self._bill_of(record.model)
        bill[0] += record.input_tokens == 0 and record.output_tokens == 0
        bill[1] += input_tokens
        bill[2] += output_tokens
        record.input_tokens += input_tokens
        record.output_tokens += output_tokens

    def _bill_of(self, model: str) -> list[int]:
        key = model[:_MODEL_CHARACTERS]
        if key not in self._bills and len(self._bills) >= _MOST_MODELS:
            key = _OTHER_MODELS
        return self._bills.setdefault(key, [0, 0, 0])
