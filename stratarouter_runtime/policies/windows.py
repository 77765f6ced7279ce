"""Counting what happened lately."""

from __future__ import annotations

__all__ = ["SlidingCounts"]


class SlidingCounts:
    """Sums over the latest stretch of time, in constant memory.

    Time is cut into slots, and whole slots are forgotten, so the stretch is between one slot
    shorter than the window and the window.

    Parameters
    ----------
    columns : int, >= 1
        How many things are counted.
    window_s : float, seconds, > 0
        Length of the window.
    slots : int, >= 1
        How many slots it has.

    Examples
    --------
    >>> counts = SlidingCounts(2, window_s=10.0)
    >>> counts.add(0.0, 1, 5)
    >>> counts.add(4.0, 1, 0)
    >>> counts.totals(5.0), counts.totals(10.0), counts.totals(14.0)
    ([2, 5], [1, 0], [0, 0])
    """

    __slots__ = ("_latest", "_rows", "_slot_s", "_totals")

    def __init__(self, columns: int, window_s: float, slots: int = 10) -> None:
        self._slot_s = window_s / slots
        self._rows = [[0] * columns for _ in range(slots)]
        self._totals = [0] * columns
        self._latest: int | None = None

    def add(self, now_s: float, *amounts: int) -> None:
        """Count something.

        Parameters
        ----------
        now_s : float
            The time now.
        *amounts : int
            What to add to each column.
        """
        row = self._advance(now_s)
        totals = self._totals
        for column, amount in enumerate(amounts):
            row[column] += amount
            totals[column] += amount

    def totals(self, now_s: float) -> list[int]:
        """Return the sums.

        Parameters
        ----------
        now_s : float
            The time now.

        Returns
        -------
        list of int
            One for each column.
        """
        self._advance(now_s)
        return list(self._totals)

    def clear(self) -> None:
        """Forget everything."""
        columns = len(self._totals)
        self._totals = [0] * columns
        self._rows = [[0] * columns for _ in self._rows]

    def _advance(self, now_s: float) -> list[int]:
        rows, slot = self._rows, int(now_s // self._slot_s)
        latest = self._latest
        if latest is None:
            latest = self._latest = slot
        if slot > latest:
            for number in range(latest + 1, latest + 1 + min(slot - latest, len(rows))):
                row = rows[number % len(rows)]
                for column, amount in enumerate(row):
                    self._totals[column] -= amount
                    row[column] = 0
            latest = self._latest = slot
        return rows[latest % len(rows)]
