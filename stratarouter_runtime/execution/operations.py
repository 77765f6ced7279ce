"""What the engine is handed: a call that it can make at any target, and the limits of it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable
    from decimal import Decimal

    from stratarouter_runtime.conversation import Completion, Usage
    from stratarouter_runtime.execution.deadline import Deadline
    from stratarouter_runtime.policies.cost_cap import CostCap
    from stratarouter_runtime.policies.stream_assembly import StreamAssembler
    from stratarouter_runtime.policies.targets import FallbackChains, Target
    from stratarouter_runtime.provider_errors import AttemptFailure
    from stratarouter_runtime.provider_protocol import EventStream
    from stratarouter_runtime.types import Partition

__all__ = ["Bill", "CallOperation", "Execution", "Operation", "StreamOperation"]

T_co = TypeVar("T_co", covariant=True)


@dataclass(slots=True)
class Bill:
    """What one answer cost."""

    cost_usd: Decimal | None
    """Price, US dollars; None if it is not known."""
    usage: Usage
    """Tokens used."""
    model: str | None
    """Model that answered."""
    warnings: tuple[str, ...] = ()
    """What has to be said about it."""


@dataclass(slots=True, kw_only=True)
class Execution:
    """One execution over all its attempts: whose it is, and what is left of its limits."""

    execution_id: str
    """Unique name."""
    partition: Partition
    """Whose money it is."""
    deadline: Deadline
    """When it ends at the latest."""
    cap: CostCap
    """The most that it may cost."""
    route_id: str | None = None
    """Route that is carried out."""
    chains: FallbackChains | None = None
    """Targets for special failures."""
    attempts: int = 0
    """How many attempts were begun."""
    failures: list[AttemptFailure] = field(default_factory=list)
    """Those that failed, oldest first."""
    answered_by: Target | None = None
    """Who answered in the end; None as long as nobody has."""


class Operation(Protocol):
    """What is done, whoever does it."""

    @property
    def what(self) -> str:
        """Name of it in messages."""
        ...

    def breaker_key(self, target: Target) -> Hashable:
        """Return what shares a breaker.

        Parameters
        ----------
        target : Target
            Who is asked.

        Returns
        -------
        Hashable
            Provider, model and key.
        """
        ...

    def ceiling_usd(self, target: Target) -> Decimal | None:
        """Return the most that a call can cost.

        Parameters
        ----------
        target : Target
            Who is asked.

        Returns
        -------
        Decimal or None
            US dollars; None if the price is not known.
        """
        ...


class CallOperation(Operation, Protocol[T_co]):
    """An operation whose answer comes as a whole."""

    async def call(self, target: Target, timeout_s: float) -> tuple[T_co, Bill]:
        """Make the call, once.

        Parameters
        ----------
        target : Target
            Who is asked.
        timeout_s : float, seconds, > 0
            Longest time.

        Returns
        -------
        answer : T
            The answer, with its price.
        bill : Bill
            What it cost.

        Raises
        ------
        StrataError
            If there is no answer.
        """
        ...


class StreamOperation(Operation, Protocol):
    """An operation whose answer comes piece by piece."""

    def open(self, target: Target, timeout_s: float) -> EventStream:
        """Make the call, once; nothing happens before the first event is asked for.

        Parameters
        ----------
        target : Target
            Who is asked.
        timeout_s : float, seconds, > 0
            Longest time for the whole stream.

        Returns
        -------
        EventStream
            The events.
        """
        ...

    def assembler(self, target: Target) -> StreamAssembler:
        """Return what follows the events of one attempt.

        Parameters
        ----------
        target : Target
            Who is asked.

        Returns
        -------
        StreamAssembler
            A new one.
        """
        ...

    def bill(self, target: Target, answer: Completion) -> Bill:
        """Return what a finished answer cost.

        Parameters
        ----------
        target : Target
            Who answered.
        answer : Completion
            The answer.

        Returns
        -------
        Bill
            The price.
        """
        ...
