"""The immutable built router."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stratarouter.types import RouteScores

if TYPE_CHECKING:
    from stratarouter.calibration import ConfidenceMap
    from stratarouter.config import RouterConfig
    from stratarouter.learning import BuildReport, Verdict
    from stratarouter.scoring.candidates import RankedCandidates
    from stratarouter.scoring.hybrid import HybridScorer
    from stratarouter.types import FloatArray, IntArray, Route

__all__ = ["EXTERNAL_ENCODER_ID", "Snapshot"]

EXTERNAL_ENCODER_ID = "external"
"""Encoder identity of vectors that were handed in without an encoder."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything that is needed to route; never changed after it is made.

    Readers take one reference and use it to the end, so they need no lock and never see a mixture
    of two states.
    """

    version: int
    """Number that grows with every change of the routes."""
    config: RouterConfig
    """Settings that the snapshot was built with."""
    routes: tuple[Route, ...]
    """Routes in the order in which they were added."""
    aligned: tuple[bool, ...]
    """Per route: whether its vectors are those of its texts, in their order."""
    encoder_id: str
    """Identity of the encoder that made the vectors."""
    scorer: HybridScorer
    """Scorers over all routes, with the weights and the head in use."""
    confidence: ConfidenceMap
    """From totals to probabilities."""
    built: Verdict
    """Weights and confidence made at build time, from which a later fit starts."""
    plain: Verdict
    """Those without a head, for the snapshots that follow when routes change."""
    thresholds: tuple[float, ...]
    """Least confidence per route."""
    positions: dict[str, int] = field(init=False, repr=False)
    """Route id to its number."""
    dimension: int = field(init=False)
    """Width of the vectors."""
    fallback: Route | None = field(init=False, repr=False)
    """The route that takes what nothing was sure enough for."""
    calibrated: bool = field(init=False)
    """Whether the confidence was fitted to data."""
    report: BuildReport | None = None
    """What was tried while building; None for a router that was loaded or changed since."""
    head_stale: bool = False
    """Whether a head was learned for other routes and therefore is not used."""

    def __post_init__(self) -> None:
        numbers = {route.id: number for number, route in enumerate(self.routes)}
        object.__setattr__(self, "positions", numbers)
        object.__setattr__(self, "dimension", int(self.vectors.shape[1]))
        name = self.config.fallback_route
        object.__setattr__(self, "fallback", None if name is None else self.routes[numbers[name]])
        object.__setattr__(self, "calibrated", self.confidence.calibrated)

    @property
    def vectors(self) -> FloatArray:
        """Unit rows of all routes, shape (n, d)."""
        return self.scorer.semantic.vectors

    @property
    def offsets(self) -> IntArray:
        """Row ranges of the routes, shape (r + 1,)."""
        return self.scorer.semantic.offsets

    @property
    def used(self) -> Verdict:
        """Weights, confidence and number of candidates in use."""
        from stratarouter.learning import Verdict

        return Verdict(self.scorer.weights, self.confidence, self.scorer.max_candidates)

    def vectors_of(self, number: int) -> FloatArray:
        """Return the vectors of one route.

        Parameters
        ----------
        number : int
            Route number.

        Returns
        -------
        FloatArray, shape (m, d)
            A view; do not write to it.
        """
        return self.vectors[int(self.offsets[number]) : int(self.offsets[number + 1])]

    def scores_at(
        self, scored: RankedCandidates, place: int, *, overridden: bool = False
    ) -> RouteScores:
        """Return all scores of one candidate, its confidence included.

        Parameters
        ----------
        scored : RankedCandidates
            Candidates of a query.
        place : int
            Which of them.
        overridden : bool, optional
            Whether an overriding pattern chose it.

        Returns
        -------
        RouteScores
            Its scores.
        """
        confidence = self.confidence
        return RouteScores(
            semantic=scored.semantic(place),
            keyword=scored.keyword[place],
            pattern=0.0 if scored.pattern is None else scored.pattern[place],
            total=min(scored.total[place], 1.0),
            confidence=confidence.override
            if overridden
            else confidence.confidence(
                scored.log_odds(place), scored.similarity(place), int(scored.routes[place])
            ),
        )
