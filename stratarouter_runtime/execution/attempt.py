"""An attempt that is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stratarouter_runtime.accounting import Reservation

if TYPE_CHECKING:
    from decimal import Decimal

    from stratarouter_runtime.execution.operations import Execution
    from stratarouter_runtime.policies.circuit import CircuitBreaker, CircuitPermit
    from stratarouter_runtime.policies.targets import Target

__all__ = ["Attempt"]


class Attempt:
    """An attempt that is under way.

    Parameters
    ----------
    target : Target
        Who is asked.
    execution : Execution
        What it belongs to; it counts its attempts.
    ceiling_usd : Decimal or None
        The most that it can cost, US dollars.
    breaker : CircuitBreaker
        Who let it pass.
    permit : CircuitPermit or None
        The leave; None for one that is made although the breaker is open.
    started_s : float
        When it began.
    """

    __slots__ = (
        "attempt_id",
        "breaker",
        "ceiling_usd",
        "execution",
        "number",
        "permit",
        "started_s",
        "state",
        "target",
    )

    def __init__(
        self,
        target: Target,
        execution: Execution,
        *,
        ceiling_usd: Decimal | None,
        breaker: CircuitBreaker,
        permit: CircuitPermit | None,
        started_s: float,
    ) -> None:
        execution.attempts += 1
        self.number = execution.attempts
        self.attempt_id = f"{execution.execution_id}/{self.number}"
        self.target = target
        self.execution = execution
        self.ceiling_usd = ceiling_usd
        self.breaker = breaker
        self.permit = permit
        self.started_s = started_s
        self.state: Literal["new", "sent", "closed"] = "new"

    def reservation(self) -> Reservation:
        """Return what is announced in the journal.

        Returns
        -------
        Reservation
            The row.
        """
        execution, target = self.execution, self.target
        return Reservation(
            attempt_id=self.attempt_id,
            execution_id=execution.execution_id,
            number=self.number,
            partition=execution.partition,
            route_id=execution.route_id,
            provider=target.provider,
            model=target.model,
            ceiling_usd=self.ceiling_usd,
        )
