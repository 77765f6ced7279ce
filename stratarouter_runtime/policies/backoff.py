"""How long to wait before the same call is made again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stratarouter.errors import InvalidInputError

__all__ = ["Backoff", "attempt_timeout_s"]

_MAX_EXPONENT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential waiting with full jitter: any time up to a bound that grows.

    Raises
    ------
    InvalidInputError
        If a length is negative or no finite number, or the factor is below 1.

    Examples
    --------
    >>> Backoff(base_s=0.1).delay_s(3, 0.5)
    0.2
    >>> Backoff(base_s=0.1).delay_s(1, 0.5, retry_after_s=2.0)
    2.05
    """

    base_s: float = 0.1
    """Bound of the first wait, seconds."""
    factor: float = 2.0
    """What the bound grows by with every failure."""
    cap_s: float = 30.0
    """Greatest bound, seconds."""

    def __post_init__(self) -> None:
        for name in ("base_s", "cap_s"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise InvalidInputError(f"{name} must be a finite number >= 0, got {value!r}")
        if not 1.0 <= self.factor < math.inf:
            raise InvalidInputError(f"factor must be a finite number >= 1, got {self.factor!r}")

    def bound_s(self, failures: int) -> float:
        """Return the longest wait after some failures.

        Parameters
        ----------
        failures : int, >= 1
            Failures of this call at this target so far.

        Returns
        -------
        float
            Seconds, in [0, cap_s].
        """
        exponent = min(failures - 1, _MAX_EXPONENT)
        return min(self.cap_s, self.base_s * self.factor**exponent)

    def delay_s(
        self, failures: int, fraction: float, *, retry_after_s: float | None = None
    ) -> float:
        """Return how long to wait.

        Parameters
        ----------
        failures : int, >= 1
            Failures of this call at this target so far.
        fraction : float, in [0, 1)
            A random number, uniform, drawn for this wait alone.
        retry_after_s : float, seconds, >= 0, optional
            What the provider asks for. It is waited in full, and the jitter comes on top, so that
            those who were refused together do not return together.

        Returns
        -------
        float
            Seconds; whether so much time is left is for the caller to see.
        """
        jitter_s = fraction * self.bound_s(failures)
        return jitter_s if retry_after_s is None else retry_after_s + jitter_s


def attempt_timeout_s(own_s: float | None, remaining_s: float, targets_left: int) -> float:
    """Return how long one attempt may take, so that those after it get their share.

    Parameters
    ----------
    own_s : float, seconds, > 0, optional
        The target's own limit.
    remaining_s : float, seconds, >= 0
        What is left of the execution's deadline.
    targets_left : int, >= 1
        Targets that may still be asked, this one included.

    Returns
    -------
    float
        Seconds, the least of both.

    Examples
    --------
    >>> attempt_timeout_s(60.0, 2.0, 2), attempt_timeout_s(0.5, 2.0, 2)
    (1.0, 0.5)
    """
    share_s = remaining_s / max(1, targets_left)
    return share_s if own_s is None else min(own_s, share_s)
