"""The most that one execution may cost, over all its attempts."""

from __future__ import annotations

from decimal import Decimal

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.accounting_errors import CostCapExceededError

__all__ = ["CostCap"]


class CostCap:
    """Keeps what the attempts of one execution cost below its cap.

    Parameters
    ----------
    cap_usd : Decimal, US dollars, >= 0, or None
        The cap; None has none, and every attempt passes.

    Raises
    ------
    InvalidInputError
        If the cap is negative or no finite Decimal.

    Examples
    --------
    >>> cap = CostCap(Decimal("0.10"))
    >>> cap.reserve(Decimal("0.06"))
    >>> cap.settle(Decimal("0.06"), Decimal("0.01"))
    >>> cap.reserve(Decimal("0.09"))
    >>> cap.used_usd
    Decimal('0.10')
    """

    __slots__ = ("_cap_usd", "_used_usd")

    def __init__(self, cap_usd: Decimal | None = None) -> None:
        given: object = cap_usd
        if given is not None and (
            not isinstance(given, Decimal) or not given.is_finite() or given < 0
        ):
            raise InvalidInputError(f"a cost cap must be a Decimal >= 0 or None, got {given!r}")
        self._cap_usd = cap_usd
        self._used_usd = Decimal(0)

    @property
    def used_usd(self) -> Decimal:
        """What is spent, and the most that open attempts can cost, US dollars."""
        return self._used_usd

    def reserve(self, ceiling_usd: Decimal | None) -> None:
        """Keep room for an attempt.

        Parameters
        ----------
        ceiling_usd : Decimal, US dollars, >= 0, or None
            Most that it can cost; None if its price is not known, which no cap allows.

        Raises
        ------
        CostCapExceededError
            If there is no room; then none is kept.
        """
        cap = self._cap_usd
        if cap is not None and (ceiling_usd is None or self._used_usd + ceiling_usd > cap):
            raise CostCapExceededError(cap, self._used_usd, ceiling_usd)
        self._used_usd += ceiling_usd or Decimal(0)

    def settle(self, ceiling_usd: Decimal | None, cost_usd: Decimal | None) -> None:
        """Replace what was kept for an attempt by what it cost.

        Parameters
        ----------
        ceiling_usd : Decimal, US dollars, >= 0, or None
            What was kept.
        cost_usd : Decimal, US dollars, >= 0, or None
            What it cost; None if that is not known: then what was kept stays kept.
        """
        if cost_usd is not None:
            self._used_usd += cost_usd - (ceiling_usd or Decimal(0))
