"""What a router learns from its own examples: a head, the weights of the scores, the confidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.calibrating import fit_to_examples
from stratarouter.calibration import PRIOR, ConfidenceMap, outcome_sample
from stratarouter.crossfit import ENOUGH_EXAMPLES, MAX_FOLDS_WITH_HEAD, Outcome, cross_fit
from stratarouter.errors import CorruptSaveError
from stratarouter.narrowing import enough_candidates, narrowed
from stratarouter.training import HeadKind, head_cost_s, train_head
from stratarouter.weighing import learn_sharpness, learn_weights, log_losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.algorithms.heads import LinearHead
    from stratarouter.config import RouterConfig
    from stratarouter.crossfit import Examples
    from stratarouter.index.choosing import IndexReport
    from stratarouter.protocols import BuildProgress
    from stratarouter.scoring.hybrid import HybridScorer
    from stratarouter.types import FloatArray

__all__ = ["BuildReport", "Learned", "Verdict", "learn", "reweigh"]

_KINDS = (
    HeadKind("logistic", reads_words=False),
    HeadKind("logistic+words", reads_words=True),
)
# With fewer, cross-validation could not tell a good head from a bad one.
_FEWEST_EXAMPLES = 100
# A head is a linear function of the embedding times this; a rough start, which the data correct.
_HEAD_START = 0.3
# What saved weights may be: far more than learning makes.
_LARGEST_NUMBER = 1e6
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Verdict:
    """Weights of the scores, and the confidence and the candidates that belong to them."""

    weights: FusionWeights
    """How the component scores are combined."""
    confidence: ConfidenceMap
    """From totals to probabilities."""
    n_candidates: int
    """How many routes are scored in full, >= 1."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data.

        Returns
        -------
        dict
            Fields by name.
        """
        return {
            "weights": asdict(self.weights),
            "confidence": self.confidence.to_dict(),
            "n_candidates": self.n_candidates,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Verdict:
        """Rebuild a verdict from `to_dict`.

        Parameters
        ----------
        data : dict
            Fields by name.

        Returns
        -------
        Verdict
            An equal verdict.

        Raises
        ------
        CorruptSaveError
            If fields are missing, unknown or of the wrong type.
        """
        try:
            numbers = {name: float(value) for name, value in data["weights"].items()}
            weights = FusionWeights(**numbers)
            confidence = ConfidenceMap.from_dict(data["confidence"])
            n_candidates = data["n_candidates"]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise CorruptSaveError(f"the saved weights are not usable: {error}") from error
        if not _are_usable(weights) or type(n_candidates) is not int or n_candidates < 1:
            raise CorruptSaveError("the saved weights are not usable: their numbers do not fit")
        return cls(weights, confidence, n_candidates)


def _are_usable(weights: FusionWeights) -> bool:
    # Comparisons are written so that NaN fails them.
    parts = (weights.head, weights.nearest, weights.prototype, weights.keyword)
    return (
        min(parts) >= 0.0
        and abs(sum(parts) - 1.0) < _ROUNDING
        and 0.0 <= weights.pattern <= 1.0
        and 0.0 <= weights.sharpness < _LARGEST_NUMBER
        and abs(weights.residual) < _LARGEST_NUMBER
    )


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was tried while building, and what was chosen."""

    head: str
    """The chosen head: "similarity", "logistic" or "logistic+words"."""
    n_outcomes: int
    """Cross-fitted outcomes behind the choice."""
    log_loss: dict[str, float]
    """Mean negative log share of the right route, nats, per head that was tried."""
    accuracy: dict[str, float]
    """Cross-fitted accuracy per head that was tried, in [0, 1]."""
    skipped: tuple[str, ...]
    """Heads whose estimated time was over the budget."""
    index: IndexReport | None = None
    """What finds the candidates; None where a learned head does."""

    def __str__(self) -> str:
        tried = ", ".join(
            f"{name} {self.accuracy[name]:.1%} ({self.log_loss[name]:.3f} nats)"
            for name in self.log_loss
        )
        parts = [f"head: {self.head}"]
        if tried:
            parts.append(f"cross-fitted on {self.n_outcomes} examples: {tried}")
        if self.skipped:
            parts.append(f"over the time budget: {', '.join(self.skipped)}")
        if self.index is not None:
            parts.append(f"index: {self.index}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Learned:
    """Everything that was learned from the examples."""

    head: LinearHead | None
    """The chosen head; None for similarity alone."""
    verdict: Verdict
    """Weights and confidence with that head."""
    plain: Verdict
    """Weights and confidence without a head, for routes that change later."""
    report: BuildReport
    """What was tried."""


def learn(
    scorer: HybridScorer,
    examples: Examples,
    config: RouterConfig,
    progress: BuildProgress | None = None,
) -> Learned:
    """Choose a head by cross-validation on the routes' own examples, and fit what follows from it.

    Parameters
    ----------
    scorer : HybridScorer
        Scorer over all routes, without a head.
    examples : Examples
        The routes' examples.
    config : RouterConfig
        Settings: which heads may be tried, in what time, and whether weights were chosen by hand.
    progress : BuildProgress, optional
        Is told of every step.

    Returns
    -------
    Learned
        Head, weights and confidence.
    """
    if not config.enable_calibration:
        untouched = Verdict(scorer.weights, PRIOR, config.max_candidates)
        return Learned(None, untouched, untouched, BuildReport("similarity", 0, {}, {}, ()))
    kinds, skipped = _affordable(scorer, config)
    steps = _Steps(progress, total=3 + len(kinds) if kinds else 1)
    learned = _learned(scorer, examples, config, (kinds, skipped), steps)
    steps.end()
    return learned


def _learned(
    scorer: HybridScorer,
    examples: Examples,
    config: RouterConfig,
    affordable: tuple[tuple[HeadKind, ...], tuple[str, ...]],
    steps: _Steps,
) -> Learned:
    kinds, skipped = affordable
    steps.begin("similarity")
    outcomes, _ = cross_fit(scorer, examples, config.seed)
    plain = _fitted(outcomes, scorer.weights, config)
    if not kinds or not outcomes:
        tried = {"similarity": _Trial.of(outcomes, plain)} if outcomes else {}
        return Learned(
            None, plain, plain, _report("similarity", tried, skipped if outcomes else ())
        )
    steps.begin("similarity on the folds of heads")
    coarse, _ = cross_fit(scorer, examples, config.seed, coarse=True)
    tried = {"similarity": _Trial.of(coarse, _fitted(coarse, scorer.weights, config))}
    chosen: HeadKind | None = None
    best = tried["similarity"]
    for kind in kinds:
        steps.begin(kind.name)
        start = _with_head(scorer.weights)
        outcomes, scale = cross_fit(scorer.revised(start, None), examples, config.seed, kind)
        trial = _Trial.of(outcomes, _fitted(outcomes, start, config), scale)
        tried[kind.name] = trial
        # A head has similarity beside it and gains more than that from the examples that a fold
        # lacks, so it is taken unless it is clearly worse; a richer head has to be clearly better.
        better = not best.clearly_beats(trial) if chosen is None else trial.clearly_beats(best)
        if trial.verdict.weights.head > 0.0 and better:
            chosen, best = kind, trial
    if chosen is None:
        return Learned(None, plain, plain, _report("similarity", tried, skipped))
    steps.begin(f"{chosen.name} on all examples")
    head = train_head(examples.training, chosen, config.seed, best.scale)
    return Learned(head, best.verdict, plain, _report(chosen.name, tried, skipped))


class _Steps:
    """Counts the steps of a build for whoever wants to know."""

    def __init__(self, progress: BuildProgress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def begin(self, step: str) -> None:
        if self._progress is not None:
            self._progress(step, self._done, self._total)
        self._done += 1

    def end(self) -> None:
        if self._progress is not None:
            self._progress("done", self._total, self._total)


@dataclass(frozen=True, slots=True)
class _Trial:
    """How well a head did on examples that it had not seen."""

    verdict: Verdict
    """Weights and confidence with this head."""
    losses: FloatArray
    """Negative log share of the right route per example, nats."""
    accuracy: float
    """Share of the examples that were routed right."""
    scale: tuple[float, float] | None
    """Scale of the head's scores."""

    @classmethod
    def of(
        cls,
        outcomes: Sequence[Outcome],
        verdict: Verdict,
        scale: tuple[float, float] | None = None,
    ) -> _Trial:
        """Judge outcomes under the weights that were learned from them."""
        outcomes = narrowed(outcomes, verdict.n_candidates)
        right = [outcome.correct for outcome in _reweighed(outcomes, verdict.weights)]
        losses = log_losses(outcomes, verdict.weights)
        return cls(verdict, losses, sum(right) / len(right), scale)

    def clearly_beats(self, other: _Trial) -> bool:
        """Say whether the loss is lower by more than the standard error of the difference."""
        gain = other.losses - self.losses
        error = float(gain.std()) / len(gain) ** 0.5
        return bool(float(gain.mean()) > error)


def _report(head: str, tried: dict[str, _Trial], skipped: tuple[str, ...]) -> BuildReport:
    return BuildReport(
        head=head,
        n_outcomes=max((len(trial.losses) for trial in tried.values()), default=0),
        log_loss={name: float(trial.losses.mean()) for name, trial in tried.items()},
        accuracy={name: trial.accuracy for name, trial in tried.items()},
        skipped=skipped,
    )


def _with_head(weights: FusionWeights) -> FusionWeights:
    share = 1.0 - _HEAD_START
    return replace(
        weights,
        head=_HEAD_START,
        nearest=share * weights.nearest,
        prototype=share * weights.prototype,
        keyword=share * weights.keyword,
    )


def reweigh(
    outcomes: Sequence[Outcome], start: FusionWeights, config: RouterConfig
) -> FusionWeights:
    """Learn weights from outcomes, unless they were chosen by hand.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Queries with their right routes.
    start : FusionWeights
        What is believed beforehand.
    config : RouterConfig
        Settings; weights that differ from the defaults were chosen on purpose and are kept.

    Returns
    -------
    FusionWeights
        Learned weights, or the same weights with a learned sharpness.
    """
    return (
        learn_weights(outcomes, start) if config.learns_fusion else learn_sharpness(outcomes, start)
    )


def _fitted(outcomes: Sequence[Outcome], start: FusionWeights, config: RouterConfig) -> Verdict:
    weights = reweigh(outcomes, start, config)
    n_candidates = enough_candidates(_reweighed(outcomes, weights), config)
    if n_candidates < config.max_candidates:
        outcomes = narrowed(outcomes, n_candidates)
        weights = reweigh(outcomes, start, config)
    sample = outcome_sample(_reweighed(outcomes, weights))
    return Verdict(weights, fit_to_examples(sample), n_candidates)


def _reweighed(outcomes: Sequence[Outcome], weights: FusionWeights) -> list[Outcome]:
    return [Outcome(outcome.scored.reweighed(weights), outcome.target) for outcome in outcomes]


def _affordable(
    scorer: HybridScorer, config: RouterConfig
) -> tuple[tuple[HeadKind, ...], tuple[str, ...]]:
    if config.head == "similarity" or scorer.n_routes < 2 or not config.learns_fusion:
        return (), ()
    n_rows, dimension = scorer.semantic.vectors.shape
    if n_rows < max(_FEWEST_EXAMPLES, 2 * scorer.n_routes):
        return (), ()
    folds = 2.0 if n_rows >= ENOUGH_EXAMPLES else float(MAX_FOLDS_WITH_HEAD)
    n_fits = 1.0 + folds * (MAX_FOLDS_WITH_HEAD - 1.0) / MAX_FOLDS_WITH_HEAD
    affordable = tuple(
        kind
        for kind in _KINDS
        if n_fits * head_cost_s(n_rows, scorer.n_routes, dimension, kind) <= config.head_budget_s
    )
    return affordable, tuple(kind.name for kind in _KINDS if kind not in affordable)
