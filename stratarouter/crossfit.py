"""What the router would say of its own examples if it did not have them.

The examples are dealt into folds; each fold is routed by a router without it. The outcomes teach
the weights of the scores, and the confidence how often the router is right, without a labelled
query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.tokenize import words
from stratarouter.scoring.batch import chunks, rank_batch
from stratarouter.training import TrainingRows, train_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratarouter.algorithms.bm25 import WordCounts
    from stratarouter.scoring.candidates import ScoredCandidates
    from stratarouter.scoring.hybrid import HybridScorer
    from stratarouter.training import HeadKind
    from stratarouter.types import FloatArray, IntArray

__all__ = [
    "ENOUGH_EXAMPLES",
    "MAX_FOLDS",
    "MAX_FOLDS_WITH_HEAD",
    "MAX_SAMPLES",
    "Examples",
    "Outcome",
    "cross_fit",
]

MAX_FOLDS = 20
"""With this many folds a router lacks 5 % of its examples, which hardly lowers its accuracy."""
MAX_FOLDS_WITH_HEAD = 5
"""Every fold trains a head."""
ENOUGH_EXAMPLES = 5_000
"""With this many examples, two of the folds give enough outcomes."""
MAX_SAMPLES = 3_000
"""More outcomes would no longer move the fitted curve, but cost build time."""


@dataclass(frozen=True, slots=True)
class Examples:
    """The vectors of a built router, and the examples whose texts are known."""

    training: TrainingRows
    """All rows of the router with their words, as a head reads them."""
    texts: Sequence[str]
    """Text of each example."""
    rows: IntArray
    """Row of each example, shape (n,)."""
    routes: IntArray
    """Route of each example, shape (n,), ascending."""
    counts: WordCounts
    """Words of the routes, these examples among them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The candidates of a query whose right route is known."""

    scored: ScoredCandidates
    """Its candidates."""
    target: int | None
    """The right route; None if there is none."""

    @property
    def correct(self) -> bool:
        """Whether the best candidate is right."""
        return int(self.scored.routes[self.scored.leader()]) == self.target


def cross_fit(
    scorer: HybridScorer,
    examples: Examples,
    seed: int,
    kind: HeadKind | None = None,
    *,
    coarse: bool = False,
) -> tuple[list[Outcome], tuple[float, float] | None]:
    """Route a sample of the examples, each by a router without its fold.

    Every fold takes examples from all routes alike, so that no route is weakened against the
    others: leaving out single examples would make the router look worse than it is when routes have
    few.

    Parameters
    ----------
    scorer : HybridScorer
        Scorer of the built router.
    examples : Examples
        Its examples; those of routes with a single vector are passed over.
    seed : int
        Seed of the sample.
    kind : HeadKind, optional
        Head to train for each fold; None trains none.
    coarse : bool, optional
        Whether to use the few folds that heads are trained for, to compare with them.

    Returns
    -------
    outcomes : list of Outcome
        At most `MAX_SAMPLES` outcomes; may be empty.
    scale : (float, float) or None
        Scale of the heads' scores, which the head of all examples must share.
    """
    outcomes: list[Outcome] = []
    scale: tuple[float, float] | None = None
    n_rows = len(scorer.semantic.vectors)
    for fold, sampled in _folds(scorer, examples, seed, coarse=coarse or kind is not None):
        left_out = examples.rows[fold]
        texts = [
            (int(examples.routes[number]), words(examples.texts[number], scorer.stems))
            for number in fold.tolist()
        ]
        reduced = scorer.without(left_out, examples.counts.without(texts).compiled())
        if kind is not None:
            kept = np.setdiff1d(np.arange(n_rows), left_out)
            head = train_head(examples.training.select(kept), kind, seed, scale)
            scale = (head.low, head.high)
            reduced = reduced.revised(reduced.weights, head)
        outcomes.extend(_outcomes(reduced, examples, sampled, scorer.semantic.vectors))
    return outcomes, scale


def _outcomes(
    scorer: HybridScorer, examples: Examples, numbers: IntArray, vectors: FloatArray
) -> Iterator[Outcome]:
    for part in chunks(len(numbers), scorer.n_routes):
        some = numbers[part]
        texts = [examples.texts[number] for number in some.tolist()]
        batch = rank_batch(scorer, texts, vectors[examples.rows[some]])
        targets = examples.routes[some].tolist()
        yield from map(Outcome, batch.scored(), targets)


def _folds(
    scorer: HybridScorer, examples: Examples, seed: int, *, coarse: bool
) -> Iterator[tuple[IntArray, IntArray]]:
    vectors_per_route = np.diff(scorer.semantic.offsets)
    eligible = np.flatnonzero(vectors_per_route[examples.routes] >= 2)
    if not len(eligible):
        return
    owners = examples.routes[eligible]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    sizes = np.diff(starts, append=len(owners))
    rank = np.arange(len(owners)) - np.repeat(starts, sizes)
    most = MAX_FOLDS_WITH_HEAD if coarse else MAX_FOLDS
    n_folds = int(np.clip(sizes.max(), 2, most))
    n_used = 2 if coarse and len(eligible) >= ENOUGH_EXAMPLES else n_folds
    member_of = rank % n_folds
    chosen = member_of < n_used
    surplus = int(chosen.sum()) - MAX_SAMPLES
    if surplus > 0:
        rng = np.random.default_rng(seed)
        chosen[rng.permutation(np.flatnonzero(chosen))[:surplus]] = False
    for number in range(n_used):
        members = member_of == number
        sampled = eligible[members & chosen]
        if len(sampled):
            yield eligible[members], sampled
