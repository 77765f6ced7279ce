"""How many candidates have to be scored in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratarouter.crossfit import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.config import RouterConfig
    from stratarouter.types import IntArray

__all__ = ["MIN_OUTCOMES", "enough_candidates", "narrowed"]

MIN_OUTCOMES = 200
"""Below this many outcomes as many candidates are kept as the settings allow."""

# So many winners of a thousand may be lost, and so many candidates are always kept.
_LOST_SHARE = 0.002
_FEWEST = 5


def enough_candidates(outcomes: Sequence[Outcome], config: RouterConfig) -> int:
    """Find how many candidates contain the winner nearly always.

    Candidates are found by one signal and decided by all, so the winner may stand anywhere among
    them, but rarely stands far back. Every candidate costs the cosines to all its examples.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Routed examples, with as many candidates as the settings allow.
    config : RouterConfig
        Settings; alternatives and explanations are made of candidates.

    Returns
    -------
    int
        The least number that loses at most 0.2 % of the winners, not below 5 and ``top_k``, and at
        most ``max_candidates``.
    """
    if len(outcomes) < MIN_OUTCOMES:
        return config.max_candidates
    places = [int((_order(outcome) == outcome.scored.leader()).argmax()) for outcome in outcomes]
    counts = np.bincount(places)
    lost = len(places) - counts.cumsum()
    enough = 1 + int((lost <= _LOST_SHARE * len(places)).argmax())
    return min(config.max_candidates, max(enough, _FEWEST, config.top_k))


def narrowed(outcomes: Sequence[Outcome], n_candidates: int) -> list[Outcome]:
    """Return what the outcomes would have been with fewer candidates.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Routed examples.
    n_candidates : int
        How many candidates to keep, >= 1.

    Returns
    -------
    list of Outcome
        The same if there are no more candidates than that.
    """
    kept: list[Outcome] = []
    for outcome in outcomes:
        scored = outcome.scored
        if len(scored.routes) > n_candidates:
            scored = scored.selected(np.sort(_order(outcome)[:n_candidates]))
        kept.append(Outcome(scored, outcome.target))
    return kept


def _order(outcome: Outcome) -> IntArray:
    """Return the places of the candidates in the order in which they were found."""
    scored = outcome.scored
    found_by = scored.prototype if scored.head is None else scored.head
    return np.argsort(-found_by, kind="stable")
