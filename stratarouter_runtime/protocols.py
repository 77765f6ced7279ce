"""Contracts that implementations outside this package can fulfil."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from stratarouter.types import FloatArray, Route, RouteResult
    from stratarouter_runtime.accounting import Reservation
    from stratarouter_runtime.conversation import Completion, CompletionRequest, Usage
    from stratarouter_runtime.types import Event, ExecutionRecord, Partition

__all__ = [
    "AttemptJournal",
    "BackendStats",
    "BlockingDoor",
    "CacheBackend",
    "Clock",
    "CoreRouter",
    "EventSink",
    "LLMClient",
]

T = TypeVar("T")


class Clock(Protocol):
    """The only source of time; tests hand in one that they turn by hand."""

    def now_s(self) -> float:
        """Return seconds since any fixed moment; never goes back.

        Returns
        -------
        float
            Seconds.
        """
        ...

    def wall_s(self) -> float:
        """Return the time of day.

        Returns
        -------
        float
            Seconds since 1970 UTC.
        """
        ...


class BlockingDoor(Protocol):
    """The one way by which blocking work leaves the event loop."""

    async def run(
        self, fn: Callable[..., T], *args: Any, timeout_s: float | None = None, what: str = ...
    ) -> T:
        """Call `fn` in a thread and wait for it.

        Parameters
        ----------
        fn : callable
            What to call.
        *args : Any
            Its arguments.
        timeout_s : float, seconds, > 0, optional
            Longest wait, queueing included; None waits for ever.
        what : str
            Name of the work in error messages.

        Returns
        -------
        T
            What `fn` returned.
        """
        ...


class BackendStats(Protocol):
    """State of a cache backend at one moment."""

    @property
    def entries(self) -> int:
        """Number of stored entries."""
        ...

    @property
    def size_bytes(self) -> int:
        """Memory that they take."""
        ...


class CacheBackend(Protocol):
    """Stores bytes under (partition, key). Partitions share nothing.

    Methods raise `CacheBackendError`, and nothing else, when the store cannot be used.
    """

    async def get(self, partition: Partition, key: str) -> bytes | None:
        """Return what is stored and not expired.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry inside the partition.

        Returns
        -------
        bytes or None
            The value, or None.
        """
        ...

    async def set(
        self, partition: Partition, key: str, value: bytes, *, ttl_s: float | None = None
    ) -> bool:
        """Store a value, replacing an older one.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry inside the partition.
        value : bytes
            What to store.
        ttl_s : float, seconds, > 0, optional
            How long it may be used; None takes the backend's own limit.

        Returns
        -------
        bool
            Whether it was stored; False if it is larger than the backend can hold.
        """
        ...

    async def delete(self, partition: Partition, key: str) -> bool:
        """Remove an entry.

        Parameters
        ----------
        partition : Partition
            Whose entry it is.
        key : str
            Name of the entry inside the partition.

        Returns
        -------
        bool
            Whether there was one.
        """
        ...

    async def clear(self, partition: Partition | None = None) -> int:
        """Remove the entries of one partition, or all.

        Parameters
        ----------
        partition : Partition, optional
            Whose entries; None means everybody's.

        Returns
        -------
        int
            How many were removed.
        """
        ...

    async def stats(self, partition: Partition | None = None) -> BackendStats:
        """Return the state of one partition, or of the whole.

        Parameters
        ----------
        partition : Partition, optional
            Whose state; None means everybody's together.

        Returns
        -------
        BackendStats
            Entries and bytes.
        """
        ...


class LLMClient(Protocol):
    """The least that talks to a language model; `provider_protocol.ModelClient` is the whole.

    A ``name`` (str), and any other method of the whole, are optional.
    """

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer a conversation.

        Must be cancellable: when the caller gives up, the upstream call ends.

        Parameters
        ----------
        request : CompletionRequest
            Messages and parameters.

        Returns
        -------
        Completion
            The answer.
        """
        ...


class AttemptJournal(Protocol):
    """Where every attempt is written down before bytes leave, and closed afterwards.

    The order is `reserve`, `attempt`, then one of `settle` and `unknown`; or `reserve`, `release`.
    An attempt that is unknown may still be settled, should the truth arrive. To close an attempt
    twice in the same way is allowed and changes nothing, so that a caller who lost the first answer
    may repeat it. All but `reserve` raise `AttemptStateError` for what is not in the journal, or
    does not follow from its state.
    """

    async def reserve(self, reservation: Reservation) -> None:
        """Announce an attempt and keep room for it in every budget; all of them, or none.

        Parameters
        ----------
        reservation : Reservation
            The attempt.

        Raises
        ------
        BudgetExceededError
            If a budget has no room.
        LedgerFullError
            If the journal has none.
        AttemptStateError
            If the name is taken.
        """
        ...

    async def attempt(self, attempt_id: str) -> None:
        """Say that bytes are about to leave.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        """
        ...

    async def settle(
        self,
        attempt_id: str,
        *,
        cost_usd: Decimal | None,
        usage: Usage | None = None,
        error: str | None = None,
    ) -> None:
        """Close an attempt whose end is known.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        cost_usd : Decimal or None
            What it cost, US dollars; 0 for one that the provider refused; None if its price is not
            known: then the budgets count what had been reserved.
        usage : Usage, optional
            What it used.
        error : str, optional
            Code of the error that it ended with.
        """
        ...

    async def unknown(self, attempt_id: str, *, error: str | None = None) -> None:
        """Close an attempt that the provider may charge for, nobody knows what.

        The budgets go on counting what had been reserved.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        error : str, optional
            Code of the error that it ended with.
        """
        ...

    async def release(self, attempt_id: str) -> None:
        """Close an attempt of which no byte has left.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        """
        ...


class EventSink(Protocol):
    """Receives telemetry, in the event loop; must be quick and must not block."""

    def emit(self, event: Event) -> None:
        """Receive one event.

        Parameters
        ----------
        event : Event
            What happened.
        """
        ...

    def complete(self, record: ExecutionRecord) -> None:
        """Receive the summary of a finished execution.

        Parameters
        ----------
        record : ExecutionRecord
            The summary.
        """
        ...


@runtime_checkable
class CoreRouter(Protocol):
    """What the runtime needs of a router; `stratarouter.Router` is one."""

    @property
    def encoder(self) -> Any:
        """Encoder of the routes, or None if vectors come from outside."""
        ...

    @property
    def routes(self) -> Iterable[Route]:
        """Registered routes, in order."""
        ...

    def route(
        self, query: str, embedding: FloatArray | None = None, k: int | None = None
    ) -> RouteResult:
        """Decide where a query goes.

        Parameters
        ----------
        query : str
            The text.
        embedding : FloatArray, shape (d,), optional
            Its embedding; the bridge always passes one.
        k : int, optional
            How many routes to rank, the winner included.

        Returns
        -------
        RouteResult
            The decision.
        """
        ...
