"""A journal that keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from stratarouter_runtime.accounting import Reservation
    from stratarouter_runtime.conversation import Usage

__all__ = ["NullJournal"]


class NullJournal:
    """An `AttemptJournal` without accounts or budgets."""

    async def reserve(self, reservation: Reservation) -> None:
        """Announce nothing.

        Parameters
        ----------
        reservation : Reservation
            The attempt.
        """

    async def attempt(self, attempt_id: str) -> None:
        """Note nothing.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        """

    async def settle(
        self,
        attempt_id: str,
        *,
        cost_usd: Decimal | None,
        usage: Usage | None = None,
        error: str | None = None,
    ) -> None:
        """Note nothing.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        cost_usd : Decimal or None
            What it cost.
        usage : Usage, optional
            What it used.
        error : str, optional
            What it ended with.
        """

    async def unknown(self, attempt_id: str, *, error: str | None = None) -> None:
        """Note nothing.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        error : str, optional
            What it ended with.
        """

    async def release(self, attempt_id: str) -> None:
        """Note nothing.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        """
