"""Which routes have a pattern that matches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratarouter.algorithms.patterns import compile_pattern, first_match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.algorithms.patterns import PatternMatcher
    from stratarouter.types import Route

__all__ = ["PatternScorer"]


class PatternScorer:
    """The compiled patterns of all routes; immutable.

    Parameters
    ----------
    routes : sequence of Route
        Routes in the order of the snapshot.
    earlier : PatternScorer, optional
        Scorer of other routes; what it has compiled is used again.

    Raises
    ------
    InvalidPatternError
        If a pattern is not usable.
    """

    __slots__ = ("_matchers", "_overrides", "_owners", "compiled")

    def __init__(self, routes: Sequence[Route], earlier: PatternScorer | None = None) -> None:
        known = {} if earlier is None else earlier.compiled
        patterns = dict.fromkeys(pattern for route in routes for pattern in route.patterns)
        self.compiled: dict[str, PatternMatcher] = {
            pattern: known[pattern] if pattern in known else compile_pattern(pattern)
            for pattern in patterns
        }
        self._matchers: dict[int, list[PatternMatcher]] = {
            number: [self.compiled[pattern] for pattern in route.patterns]
            for number, route in enumerate(routes)
            if route.patterns
        }
        self._overrides = [
            (number, self._matchers[number])
            for number in self._matchers
            if routes[number].pattern_mode == "override"
        ]
        self._owners = frozenset(self._matchers)

    @property
    def has_overrides(self) -> bool:
        """Whether any route has an overriding pattern."""
        return bool(self._overrides)

    def override(self, query: str) -> int | None:
        """Return the first route, in their order, whose overriding pattern matches.

        Parameters
        ----------
        query : str
            Query text.

        Returns
        -------
        int or None
            Route number.
        """
        for number, matchers in self._overrides:
            if first_match(matchers, query) is not None:
                return number
        return None

    def scores(self, query: str, routes: list[int]) -> list[float] | None:
        """Return 1 for each route with a matching pattern, else 0.

        Parameters
        ----------
        query : str
            Query text.
        routes : list of int
            Routes to look at.

        Returns
        -------
        list of float, in {0, 1}, or None
            None if no pattern of these routes matches.
        """
        if not self._owners or self._owners.isdisjoint(routes):
            return None
        fired = [float(self.matches(query, number) is not None) for number in routes]
        return fired if any(fired) else None

    def matches(self, query: str, route: int) -> int | None:
        """Return the position of the first pattern of one route that matches.

        Parameters
        ----------
        query : str
            Query text.
        route : int
            Route number.

        Returns
        -------
        int or None
            Position among the route's patterns.
        """
        matchers = self._matchers.get(route)
        return None if matchers is None else first_match(matchers, query)
