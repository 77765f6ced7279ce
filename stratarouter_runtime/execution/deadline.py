"""One time limit for a whole execution."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stratarouter.errors import InvalidInputError

__all__ = ["Deadline"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment by which an execution ends, whatever it consists of.

    Examples
    --------
    >>> deadline = Deadline.after(5.0, now_s=100.0)
    >>> deadline.remaining_s(104.0), deadline.remaining_s(200.0)
    (1.0, 0.0)
    """

    at_s: float
    """The moment, by the clock that the runtime was handed."""
    timeout_s: float
    """Length of the whole limit, for messages."""

    @classmethod
    def after(cls, timeout_s: float, now_s: float) -> Deadline:
        """Return the deadline of an execution that starts now.

        Parameters
        ----------
        timeout_s : float, seconds, > 0
            Time limit.
        now_s : float
            The time now.

        Returns
        -------
        Deadline
            The moment.

        Raises
        ------
        InvalidInputError
            If the limit is not a finite number > 0.
        """
        limit_s = _checked(timeout_s)
        return cls(now_s + limit_s, limit_s)

    def remaining_s(self, now_s: float) -> float:
        """Return the time that is left.

        Parameters
        ----------
        now_s : float
            The time now.

        Returns
        -------
        float, seconds, >= 0
            Nothing below zero.
        """
        return max(0.0, self.at_s - now_s)


def _checked(value: object) -> float:
    # The comparison is written so that NaN fails it.
    valid = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not valid or not 0.0 < value < math.inf:  # type: ignore[operator]
        raise InvalidInputError(f"timeout_s must be a finite number > 0, got {value!r}")
    return float(value)  # type: ignore[arg-type]
