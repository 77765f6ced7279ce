"""What the accounts can object to.

The tree::

    StrataError
    ├── BudgetExceededError (RuntimeError)
    ├── CostCapExceededError (RuntimeError)
    ├── LedgerFullError (RuntimeError)
    └── AttemptStateError (RuntimeError)
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from stratarouter.errors import StrataError

__all__ = [
    "AttemptStateError",
    "BudgetExceededError",
    "CostCapExceededError",
    "LedgerFullError",
]


class BudgetExceededError(StrataError, RuntimeError):
    """A budget has no room for a call; no call was made.

    Parameters
    ----------
    budget : str
        Name of the budget.
    limit_usd : Decimal, US dollars, >= 0
        Its limit.
    used_usd : Decimal, US dollars, >= 0
        What is spent or reserved of it.
    asked_usd : Decimal, US dollars, >= 0, or None
        What the call can cost at most; None if its price is not known.
    resets_in_s : float, seconds, > 0, optional
        When the budget begins anew; None if it never does.
    """

    code: ClassVar[str] = "BUDGET_EXCEEDED"
    failover: ClassVar[bool] = True

    def __init__(
        self,
        budget: str,
        *,
        limit_usd: Decimal,
        used_usd: Decimal,
        asked_usd: Decimal | None,
        resets_in_s: float | None = None,
    ) -> None:
        if asked_usd is None:
            problem = (
                "cannot be kept, because the price of the call is not known; "
                "give the model a price, or the budget on_unknown_price='allow'"
            )
        else:
            problem = (
                f"has {_dollars(max(limit_usd - used_usd, Decimal(0)))} of {_dollars(limit_usd)} "
                f"left, and the call may cost {_dollars(asked_usd)}; raise it or lower max_tokens"
            )
        super().__init__(f"budget {budget!r} {problem}")
        self.budget = budget
        self.limit_usd = limit_usd
        self.used_usd = used_usd
        self.asked_usd = asked_usd
        self.resets_in_s = resets_in_s


class CostCapExceededError(StrataError, RuntimeError):
    """One execution may not cost more; the call that would exceed its cap was not made.

    Parameters
    ----------
    cap_usd : Decimal, US dollars, >= 0
        The cap.
    used_usd : Decimal, US dollars, >= 0
        What its attempts have cost or may have cost.
    asked_usd : Decimal, US dollars, >= 0, or None
        What the next one can cost at most; None if its price is not known.
    """

    code: ClassVar[str] = "COST_CAP_EXCEEDED"
    failover: ClassVar[bool] = True

    def __init__(self, cap_usd: Decimal, used_usd: Decimal, asked_usd: Decimal | None) -> None:
        asked = "an unknown sum" if asked_usd is None else f"up to {_dollars(asked_usd)}"
        super().__init__(
            f"the next call may cost {asked}, "
            f"and {_dollars(used_usd)} of {_dollars(cap_usd)} are used; "
            "raise the cost cap, lower max_tokens, or give the model a price"
        )
        self.cap_usd = cap_usd
        self.used_usd = used_usd
        self.asked_usd = asked_usd


class AttemptStateError(StrataError, RuntimeError):
    """An attempt is settled twice, or is not in the journal.

    Parameters
    ----------
    attempt_id : str
        Name of the attempt.
    problem : str
        What is wrong.
    """

    code: ClassVar[str] = "ATTEMPT_STATE"

    def __init__(self, attempt_id: str, problem: str) -> None:
        super().__init__(f"attempt {attempt_id!r} {problem}")
        self.attempt_id = attempt_id


class LedgerFullError(StrataError, RuntimeError):
    """The journal has no room for one more open attempt or budget; no call was made.

    Parameters
    ----------
    what : str
        What there are too many of.
    limit : int
        How many there may be.
    """

    code: ClassVar[str] = "LEDGER_FULL"
    retryable: ClassVar[bool] = True

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"the ledger holds {limit} {what} already; raise its limit or ask later")
        self.what = what
        self.limit = limit


def _dollars(amount_usd: Decimal) -> str:
    return f"${amount_usd.normalize():f}"
