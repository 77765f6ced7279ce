"""How long each phase of one upstream call may take."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.provider_errors import ProviderTimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from stratarouter_runtime.provider_errors import TimeoutPhase

__all__ = ["CallLimits", "PhaseLimits"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseLimits:
    """Longest times of the phases of a call.

    Raises
    ------
    InvalidInputError
        If one is not > 0.
    """

    connect_s: float = 10.0
    """Until there is a connection, seconds."""
    first_byte_s: float = 600.0
    """From the start of the call until the answer begins, seconds; models may think first."""
    idle_s: float = 120.0
    """Between two pieces of the answer, seconds."""

    def __post_init__(self) -> None:
        """Refuse what is no time."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            # Written so that NaN fails.
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                name = f"{entry.name.removesuffix('_s')}_timeout_s"
                raise InvalidInputError(f"{name} must be a number of seconds > 0, got {value!r}")


class CallLimits:
    """Watches over one call; made inside the event loop, when the call begins.

    Parameters
    ----------
    provider : str
        Name of the provider, for errors.
    model : str or None
        Model that is asked.
    phases : PhaseLimits
        Limits of the phases.
    timeout_s : float, seconds, > 0, or None
        Limit of the whole call.

    Raises
    ------
    InvalidInputError
        If `timeout_s` is not > 0.
    """

    __slots__ = ("_end_s", "_loop", "_model", "_phases", "_provider", "_start_s", "timeout_s")

    def __init__(
        self, provider: str, model: str | None, phases: PhaseLimits, timeout_s: float | None
    ) -> None:
        if timeout_s is not None and not timeout_s > 0:
            raise InvalidInputError(f"timeout_s must be > 0 or None, got {timeout_s!r}")
        self._provider = provider
        self._model = model
        self._phases = phases
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self._end_s = math.inf if timeout_s is None else self._start_s + timeout_s
        self.timeout_s = timeout_s
        """Limit of the whole call, seconds, or None."""

    @property
    def longest_s(self) -> float:
        """The limit that an answer is waited for at most, seconds."""
        return self._phases.first_byte_s if self.timeout_s is None else self.timeout_s

    async def first(self, step: Awaitable[T]) -> T:
        """Wait for something that belongs to the beginning of the answer.

        Parameters
        ----------
        step : awaitable
            What to wait for.

        Returns
        -------
        T
            Its result.

        Raises
        ------
        ProviderTimeoutError
            If it took too long; it has been cancelled then.
        """
        limit_s = self._phases.first_byte_s
        return await self._wait(step, "first_byte", self._start_s + limit_s, limit_s)

    async def next(self, step: Awaitable[T]) -> T:
        """Wait for a further piece of the answer.

        Parameters
        ----------
        step : awaitable
            What to wait for.

        Returns
        -------
        T
            Its result.

        Raises
        ------
        ProviderTimeoutError
            If it took too long; it has been cancelled then.
        """
        limit_s = self._phases.idle_s
        return await self._wait(step, "idle", self._loop.time() + limit_s, limit_s)

    def require_time(self) -> None:
        """Refuse to go on after the end.

        Raises
        ------
        ProviderTimeoutError
            If the time of the whole call is over.
        """
        if self.timeout_s is not None and self._loop.time() >= self._end_s:
            raise ProviderTimeoutError(self._provider, self.timeout_s, "total", model=self._model)

    async def _wait(
        self, step: Awaitable[T], phase: TimeoutPhase, at_s: float, limit_s: float
    ) -> T:
        if self._end_s <= at_s and self.timeout_s is not None:
            phase, at_s, limit_s = "total", self._end_s, self.timeout_s
        timer = asyncio.timeout_at(None if math.isinf(at_s) else at_s)
        try:
            async with timer:
                return await step
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise ProviderTimeoutError(self._provider, limit_s, phase, model=self._model) from error
