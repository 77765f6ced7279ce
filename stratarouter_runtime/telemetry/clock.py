"""The clock of this machine."""

from __future__ import annotations

import time

__all__ = ["SystemClock"]


class SystemClock:
    """Time as the operating system tells it; every other module is handed a clock."""

    __slots__ = ()

    def now_s(self) -> float:
        """Return seconds since any fixed moment; never goes back.

        Returns
        -------
        float
            Seconds.
        """
        return time.monotonic()

    def wall_s(self) -> float:
        """Return the time of day.

        Returns
        -------
        float
            Seconds since 1970 UTC.
        """
        return time.time()  # noqa: TID251 -- this is the clock.
