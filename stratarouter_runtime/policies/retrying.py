"""Whether a call that failed is made again at the same target, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from stratarouter.errors import StrataError
from stratarouter_runtime.errors import ProviderError

if TYPE_CHECKING:
    from stratarouter_runtime.policies.backoff import Backoff
    from stratarouter_runtime.policies.retry_budget import RetryBudget

__all__ = ["RetryDecision", "RetryVerdict", "decide_retry"]

RetryVerdict: TypeAlias = Literal["retry", "final", "attempts", "deadline", "budget"]
"""Again; or not: it would not help, was tried often enough, would be too late, or is too much."""


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What to do about a failure."""

    verdict: RetryVerdict
    """Whether to repeat, or why not."""
    delay_s: float = 0.0
    """How long to wait before, seconds."""

    @property
    def is_retry(self) -> bool:
        """Whether to repeat."""
        return self.verdict == "retry"


def decide_retry(
    error: BaseException,
    failures: int,
    *,
    max_retries: int,
    remaining_s: float,
    backoff: Backoff,
    fraction: float,
    budget: RetryBudget,
    now_s: float,
) -> RetryDecision:
    """Decide about one failure; a repetition is taken from the budget.

    Parameters
    ----------
    error : BaseException
        What the call failed with. If only the budget forbids to repeat it, its
        `retry_budget_exhausted` is set.
    failures : int, >= 1
        Failures of this call at this target, this one included.
    max_retries : int, >= 0
        Repetitions that are allowed at one target.
    remaining_s : float, seconds, >= 0
        What is left for this target; a wait has to end before.
    backoff : Backoff
        How long to wait.
    fraction : float, in [0, 1)
        A random number for the jitter.
    budget : RetryBudget
        Repetitions that all traffic together may make.
    now_s : float
        The time now.

    Returns
    -------
    RetryDecision
        What to do.

    Examples
    --------
    >>> from stratarouter_runtime.policies.backoff import Backoff
    >>> from stratarouter_runtime.policies.retry_budget import RetryBudget
    >>> decide_retry(
    ...     ProviderError("p", "down"),
    ...     1,
    ...     max_retries=3,
    ...     remaining_s=10.0,
    ...     backoff=Backoff(base_s=0.1),
    ...     fraction=0.5,
    ...     budget=RetryBudget(),
    ...     now_s=0.0,
    ... )
    RetryDecision(verdict='retry', delay_s=0.05)
    """
    if not isinstance(error, StrataError) or not error.retryable:
        return RetryDecision("final")
    if failures > max_retries:
        return RetryDecision("attempts")
    wish_s = error.retry_after_s if isinstance(error, ProviderError) else None
    delay_s = backoff.delay_s(failures, fraction, retry_after_s=wish_s)
    if delay_s >= remaining_s:
        return RetryDecision("deadline")
    # Asked last, so that nothing is taken for a repetition that is not made.
    if not budget.try_withdraw(now_s):
        if isinstance(error, ProviderError):
            error.retry_budget_exhausted = True
        return RetryDecision("budget")
    return RetryDecision("retry", delay_s)
