"""How an engine repeats, waits and gives up."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.policies.circuit import CircuitRules
from stratarouter_runtime.policies.retry_budget import RetryBudget

__all__ = ["EngineRules", "RetryBudgets"]

_MAX_BUDGETS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRules:
    """Finer settings of an `ExecutionEngine`.

    Raises
    ------
    InvalidInputError
        If a figure is out of its range.
    """

    attempt_timeout_s: float | None = None
    """Longest attempt, seconds, > 0; None: its share of the execution's limit."""
    idle_timeout_s: float = 60.0
    """Longest pause inside a stream, seconds, > 0."""
    max_retry_delay_s: float = 30.0
    """Greatest bound of the random wait before a repetition, seconds, >= 0."""
    retry_share: float = 0.2
    """Repetitions per call at one target in the latest minute, in [0, 1]."""
    retry_floor: int = 10
    """Repetitions per minute and target that are allowed however few calls there are, >= 0."""
    circuit: CircuitRules = field(default_factory=CircuitRules)
    """Rules of the breakers; the engine's own threshold goes before `failures_in_row`."""

    def __post_init__(self) -> None:
        for name in ("attempt_timeout_s", "idle_timeout_s"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise InvalidInputError(f"{name} must be a finite number > 0, got {value!r}")

    def circuit_with(self, failures_in_row: int) -> CircuitRules:
        """Return the rules of the breakers.

        Parameters
        ----------
        failures_in_row : int, >= 1
            Failures in a row that open them.

        Returns
        -------
        CircuitRules
            The rules.
        """
        return replace(self.circuit, failures_in_row=failures_in_row)


class RetryBudgets:
    """A retry budget for each target, so that none lives on the traffic of others.

    Parameters
    ----------
    share : float, in [0, 1]
        Repetitions per call.
    floor : int, >= 0
        Repetitions per minute that are always allowed.
    """

    __slots__ = ("_budgets", "_floor", "_share")

    def __init__(self, share: float, floor: int) -> None:
        # Told at once if a figure is wrong.
        RetryBudget(share, floor)
        self._share = share
        self._floor = floor
        self._budgets: OrderedDict[object, RetryBudget] = OrderedDict()

    def get(self, key: object) -> RetryBudget:
        """Return the budget of a target.

        Parameters
        ----------
        key : object
            The target.

        Returns
        -------
        RetryBudget
            Its budget; of very many the one not used for longest is forgotten.
        """
        budget = self._budgets.get(key)
        if budget is None:
            if len(self._budgets) >= _MAX_BUDGETS:
                self._budgets.popitem(last=False)
            budget = self._budgets[key] = RetryBudget(self._share, self._floor)
        self._budgets.move_to_end(key)
        return budget
