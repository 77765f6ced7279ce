"""Writing into a journal so that no cancellation leaves a row open."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.accounting_errors import AttemptStateError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from stratarouter_runtime.accounting import Reservation
    from stratarouter_runtime.conversation import Usage
    from stratarouter_runtime.protocols import AttemptJournal

__all__ = ["Bookkeeper"]

_GRACE_S = 5.0


class Bookkeeper:
    """Closes what it opens in a journal, whenever its caller is cancelled.

    A write that a cancellation interrupts is made again, in a task of its own, and waited for; only
    then the cancellation goes on. A journal that does not answer holds a cancelled caller up for
    five seconds; then the write is left to itself, until `aclose`.

    Parameters
    ----------
    journal : AttemptJournal
        Where to write.
    """

    __slots__ = ("_journal", "_tasks")

    def __init__(self, journal: AttemptJournal) -> None:
        self._journal = journal
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """Writes that were left to themselves and still run."""
        return len(self._tasks)

    async def reserve(self, reservation: Reservation) -> None:
        """Announce an attempt; if it fails or is cancelled, nothing is announced.

        Parameters
        ----------
        reservation : Reservation
            The attempt.

        Raises
        ------
        BudgetExceededError
            If a budget has no room.
        LedgerFullError
            If the journal has none.
        """
        try:
            await self._journal.reserve(reservation)
        except asyncio.CancelledError:
            # It may have come to pass, and nobody will use it.
            await self._finish(lambda: self._forget(reservation.attempt_id))
            raise

    async def attempt(self, attempt_id: str) -> None:
        """Say that bytes are about to leave; if that fails or is cancelled, the row is closed.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        """
        try:
            await self._journal.attempt(attempt_id)
        except BaseException:
            await self._finish(lambda: self._forget(attempt_id))
            raise

    async def settle(
        self,
        attempt_id: str,
        *,
        cost_usd: Decimal | None,
        usage: Usage | None = None,
        error: str | None = None,
    ) -> None:
        """Close an attempt whose end is known.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        cost_usd : Decimal or None
            What it cost, US dollars; None if its price is not known.
        usage : Usage, optional
            What it used.
        error : str, optional
            Code of the error that it ended with.
        """
        settle = self._journal.settle
        try:
            await settle(attempt_id, cost_usd=cost_usd, usage=usage, error=error)
        except asyncio.CancelledError:
            await self._finish(
                lambda: settle(attempt_id, cost_usd=cost_usd, usage=usage, error=error)
            )
            raise

    async def unknown(self, attempt_id: str, *, error: str | None = None) -> None:
        """Close an attempt that may have cost something.

        Parameters
        ----------
        attempt_id : str
            The attempt.
        error : str, optional
            Code of the error that it ended with.
        """
        try:
            await self._journal.unknown(attempt_id, error=error)
        except asyncio.CancelledError:
            await self._finish(lambda: self._journal.unknown(attempt_id, error=error))
            raise

    async def aclose(self) -> None:
        """Wait for writes that were left to themselves."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE_S)

    async def _finish(self, write: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(write())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        while not task.done():
            try:
                await asyncio.wait((task,), timeout=_GRACE_S)
            except asyncio.CancelledError:
                # The caller is being cancelled already.
                continue
            break

    async def _forget(self, attempt_id: str) -> None:
        try:
            await self._journal.release(attempt_id)
        except AttemptStateError:
            # Not in the journal; or marked as sent, though nothing was.
            with suppress(AttemptStateError):
                await self._journal.settle(attempt_id, cost_usd=Decimal(0), error="CANCELLED")

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Reading it tells asyncio that nobody is missing this error.
            task.exception()
