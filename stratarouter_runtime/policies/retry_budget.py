"""Repetitions as a share of traffic, so that they never make an outage worse."""

from __future__ import annotations

import math

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.policies.windows import SlidingCounts

__all__ = ["RetryBudget"]

# Shares such as 0.29 have no exact form, and 0.29 * 100 is a little below 29.
_ROUNDING = 1e-9


class RetryBudget:
    """Allows so many repetitions per call of the latest time, and always a few.

    Calls and repetitions are forgotten together, once the window has passed. What a flood of calls
    has earned is therefore never saved up for later.

    Parameters
    ----------
    share : float, in [0, 1]
        Repetitions per call.
    floor : int, >= 0
        Repetitions per window that are allowed however few calls there are.
    window_s : float, seconds, > 0
        Length of the window.

    Raises
    ------
    InvalidInputError
        If a figure is out of its range.

    Examples
    --------
    >>> budget = RetryBudget(share=0.5, floor=0)
    >>> for _ in range(4):
    ...     budget.deposit(0.0)
    >>> [budget.try_withdraw(0.0) for _ in range(3)]
    [True, True, False]
    """

    __slots__ = ("_counts", "_floor", "_share")

    def __init__(self, share: float = 0.2, floor: int = 10, window_s: float = 60.0) -> None:
        if not 0.0 <= share <= 1.0:
            raise InvalidInputError(f"share must be a number from 0 to 1, got {share!r}")
        if floor < 0:
            raise InvalidInputError(f"floor must be >= 0, got {floor!r}")
        if not 0.0 < window_s < math.inf:
            raise InvalidInputError(f"window_s must be a finite number > 0, got {window_s!r}")
        self._share = share
        self._floor = floor
        self._counts = SlidingCounts(2, window_s)

    def deposit(self, now_s: float) -> None:
        """Count a call that is made for the first time.

        Parameters
        ----------
        now_s : float
            The time now.
        """
        self._counts.add(now_s, 1, 0)

    def try_withdraw(self, now_s: float) -> bool:
        """Ask for a repetition.

        Parameters
        ----------
        now_s : float
            The time now.

        Returns
        -------
        bool
            Whether it may be made; then it is counted.
        """
        if self.balance(now_s) < 1:
            return False
        self._counts.add(now_s, 0, 1)
        return True

    def balance(self, now_s: float) -> int:
        """Return how many repetitions are left.

        Parameters
        ----------
        now_s : float
            The time now.

        Returns
        -------
        int
            Repetitions, >= 0.
        """
        calls, repetitions = self._counts.totals(now_s)
        allowed = max(self._floor, int(self._share * calls + _ROUNDING))
        return max(0, allowed - repetitions)
