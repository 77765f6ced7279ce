"""Thresholds whose risk is bounded on finitely many labels, without assumptions on the scores.

A threshold that is chosen by looking at the same labels that are to prove it looks better than it
is. Here the candidates stand in an order that is fixed beforehand, each is tested by the exact
binomial test, and a candidate is only believed if those before it were: then the one that is chosen
is safe with the stated probability, whatever the scores are worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

__all__ = [
    "SafeThreshold",
    "binomial_tail",
    "clopper_pearson_upper",
    "labels_needed",
    "lowest_safe_threshold",
    "starting_counts",
]

# Between tests lie this many times sqrt(n) labels, about two standard errors of the risk. Finer
# steps would end where luck is best: the true risk would be bounded all the same, but the share
# seen in the next sample would exceed alpha twice as often.
_STEP = 2.0
# A start this deep would mostly be too deep for the risk; its share is better spent higher up.
_DEEPEST_START = 2 / 3
_MAX_LABELS = 2**53


@dataclass(frozen=True, slots=True)
class SafeThreshold:
    """The lowest threshold that passed, and what it rests on."""

    threshold: float
    """Least score that is accepted; 0.0 accepts everything."""
    n_accepted: int
    """Labelled scores at or above it."""
    n_wrong: int
    """How many of them were wrong."""
    level: float
    """Level at which the threshold was tested, at most delta."""


def binomial_tail(n_wrong: int, n: int, risk: float) -> float:
    """Return the probability of at most `n_wrong` among `n`, each wrong with probability `risk`.

    Summed in log space, so that neither large counts nor tiny probabilities overflow. Cost
    O(`n_wrong`).

    Parameters
    ----------
    n_wrong : int, >= 0
        Number of wrong ones.
    n : int, >= 0
        Number of trials.
    risk : float, in [0, 1]
        Probability of each to be wrong.

    Returns
    -------
    float, in [0, 1]
        Value of the binomial distribution function.

    Examples
    --------
    >>> round(binomial_tail(0, 59, 0.05), 4)
    0.0485
    """
    if n_wrong >= n or risk <= 0.0:
        return 1.0
    if risk >= 1.0:
        return 0.0
    i = np.arange(1, n_wrong + 1)
    log_odds = math.log(risk) - math.log1p(-risk)
    ratios = np.log((n + 1 - i) / i) + log_odds
    log_terms = np.concatenate([[0.0], np.cumsum(ratios)]) + n * math.log1p(-risk)
    largest = float(log_terms.max())
    return min(1.0, math.exp(largest) * float(np.exp(log_terms - largest).sum()))


def clopper_pearson_upper(n_wrong: int, n: int, delta: float) -> float:
    """Return the exact one-sided upper confidence bound of a risk [1]_.

    Parameters
    ----------
    n_wrong : int, in [0, n]
        Number of wrong ones.
    n : int, >= 0
        Number of trials.
    delta : float, in (0, 1)
        Probability with which the bound may fail.

    Returns
    -------
    float, in [0, 1]
        The largest risk that `n_wrong` does not refute at level `delta`; 1.0 without trials.

    Raises
    ------
    InvalidInputError
        If the counts are negative or out of order, or `delta` is outside (0, 1).

    References
    ----------
    .. [1] C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in
       the case of the binomial", Biometrika 26(4), 1934.

    Examples
    --------
    >>> round(clopper_pearson_upper(0, 59, 0.05), 4), round(clopper_pearson_upper(3, 100, 0.05), 4)
    (0.0495, 0.0757)
    """
    _require_share("delta", delta)
    if not 0 <= n_wrong <= n:
        raise InvalidInputError(f"need 0 <= n_wrong <= n, got {n_wrong} of {n}")
    if n_wrong == n:
        return 1.0
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2.0) < high:
        if binomial_tail(n_wrong, n, middle) > delta:
            low = middle
        else:
            high = middle
    return high


def labels_needed(alpha: float, delta: float, n_errors: int = 0) -> int:
    """Return how many labels prove a risk of at most `alpha`, if `n_errors` of them are wrong.

    Parameters
    ----------
    alpha : float, in (0, 1)
        Risk to prove.
    delta : float, in (0, 1)
        Probability with which the proof may fail.
    n_errors : int, >= 0
        Number of wrong ones among them.

    Returns
    -------
    int
        The least number of labels whose upper bound is at most `alpha`.

    Raises
    ------
    InvalidInputError
        If `alpha` or `delta` is outside (0, 1), or `n_errors` is negative.

    Examples
    --------
    >>> [labels_needed(alpha, 0.05) for alpha in (0.05, 0.01, 0.001)]
    [59, 299, 2995]
    >>> labels_needed(0.05, 0.05, n_errors=3)
    153
    """
    _require_share("alpha", alpha)
    _require_share("delta", delta)
    if n_errors < 0:
        raise InvalidInputError(f"n_errors must be at least 0, got {n_errors}")
    without_errors = math.ceil(math.log(delta) / math.log1p(-alpha))
    # Rounding may move it by one, and errors can only add to it.
    low, high = max(n_errors, without_errors - 2), max(n_errors, without_errors) + 1
    if high > _MAX_LABELS:
        raise InvalidInputError(f"alpha={alpha!r} is too small to be proved by counting")
    while binomial_tail(n_errors, high, alpha) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_tail(n_errors, middle, alpha) > delta:
            low = middle
        else:
            high = middle
    return high


def starting_counts(n: int, alpha: float, delta: float) -> list[int]:
    """Choose after how many of the highest scores testing may begin.

    One start would stake everything on the few highest scores: a single mislabelled one among the
    first 59 would end it. So there are several, each twice as deep as the one before and with an
    equal share of `delta`. The choice depends on nothing that was observed.

    Parameters
    ----------
    n : int, >= 0
        Number of labels.
    alpha : float, in (0, 1)
        Risk to prove.
    delta : float, in (0, 1)
        Probability with which the proof may fail.

    Returns
    -------
    list of int
        Ascending counts, the first just large enough to pass without an error; empty if `n` labels
        prove nothing.

    Examples
    --------
    >>> starting_counts(58, 0.05, 0.05), starting_counts(1_500, 0.05, 0.05)
    ([], [86, 172, 344, 688])
    """
    first = labels_needed(alpha, delta)
    if n < first:
        return []
    starts = [first]
    while True:
        share = delta / (len(starts) + 1)
        first = labels_needed(alpha, share)
        if first << len(starts) > _DEEPEST_START * n:
            return starts
        starts = [first << power for power in range(len(starts) + 1)]


def lowest_safe_threshold(
    scores: FloatArray, wrong: IntArray, *, alpha: float, delta: float
) -> SafeThreshold | None:
    """Find the lowest threshold at which P(wrong | score >= threshold) <= `alpha` is proved.

    Thresholds are tried from high to low, at counts of accepted scores that depend on `n`, `alpha`
    and `delta` only. Each test is the exact binomial test of "the risk exceeds `alpha`". A test
    that passes hands its level on to the next; one that fails loses it, and only a later start
    brings a new share (the fallback procedure [1]_, an instance of learn-then-test [2]_). Hence

        P(risk at the returned threshold > alpha) <= delta

    over the draw of the labels, if they are independent draws of what will be asked. It holds for
    every risk curve if no two scores are equal: given the next lower score, those above it are
    independent draws from what lies above it, and wherever the curve crosses `alpha` the mixture
    above has risk `alpha` exactly, so looking at the spacing of the scores gains nothing. Equal
    scores are accepted or refused together; then it holds if the risk does not rise with the score.

    Parameters
    ----------
    scores : FloatArray, shape (n,), >= 0
        Scores of labelled items, not NaN.
    wrong : IntArray, shape (n,)
        1 where the item was wrong, else 0.
    alpha : float, in (0, 1)
        Largest risk among the accepted.
    delta : float, in (0, 1)
        Probability with which the bound may fail.

    Returns
    -------
    SafeThreshold or None
        The threshold, or None if none passed.

    References
    ----------
    .. [1] B. L. Wiens, A. Dmitrienko, "The fallback procedure for evaluating a single family of
       hypotheses", Journal of Biopharmaceutical Statistics 15(6), 2005.
    .. [2] A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan, L. Lei, "Learn then Test:
       Calibrating predictive algorithms to achieve risk control", 2021.

    Examples
    --------
    >>> scores, wrong = np.linspace(0.9, 0.1, 200), np.arange(200) >= 120
    >>> safe = lowest_safe_threshold(scores, wrong.astype(int), alpha=0.05, delta=0.05)
    >>> safe.n_accepted, safe.n_wrong
    (116, 0)
    """
    n = len(scores)
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    n_wrong = np.concatenate([[0], np.cumsum(wrong[order])])
    best: SafeThreshold | None = None
    level, passed = 0.0, False
    for count, share in _tests(descending, alpha, delta):
        level = (level if passed else 0.0) + share
        errors = int(n_wrong[count])
        passed = level > 0.0 and binomial_tail(errors, count, alpha) <= level
        if passed:
            # Just above the next score: that is the set which the test is exact for.
            cut = 0.0 if count == n else float(np.nextafter(descending[count], np.inf))
            best = SafeThreshold(cut, count, errors, level)
    return best


def _tests(descending: FloatArray, alpha: float, delta: float) -> list[tuple[int, float]]:
    """Return (accepted scores, new share of delta) of each test, in order."""
    n = len(descending)
    starts = starting_counts(n, alpha, delta)
    if not starts:
        return []
    step = max(1, round(_STEP * math.sqrt(n)))
    shares: dict[int, float] = {}
    for count in sorted({*starts, *range(n, starts[0], -step)}):
        # Equal scores cannot be told apart by a threshold.
        reached = int(np.searchsorted(-descending, -descending[count - 1], side="right"))
        share = delta / len(starts) if count in starts else 0.0
        shares[reached] = shares.get(reached, 0.0) + share
    return list(shares.items())


def _require_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise InvalidInputError(f"{name} must be strictly between 0 and 1, got {value!r}")
