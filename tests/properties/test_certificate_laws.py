"""Laws of certificates: monotony, and how often the guarantee is broken in simulated worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stratarouter.algorithms.conformal import (
    binomial_tail,
    clopper_pearson_upper,
    labels_needed,
    lowest_safe_threshold,
)
from stratarouter.certifying import certify
from stratarouter.types import FloatArray

BoolArray: TypeAlias = NDArray[np.bool_]
Curve: TypeAlias = Callable[[FloatArray], FloatArray]

N_DRAWS = 400
DELTA = 0.1

# P(wrong | confidence) for confidences that are uniform on (0, 1).
WORLDS: dict[str, Curve] = {
    "calibrated": lambda c: 1.0 - c,
    "hardly above alpha everywhere": lambda c: np.full_like(c, 0.1001),
    "far too sure of itself": lambda c: 0.02 + 0.5 * (c < 0.8),
    "worst where surest": lambda c: np.where(c > 0.9, 0.3, 0.05),
    "waves around alpha": lambda c: 0.1 + 0.1 * np.sin(40.0 * c),
    "waves that start high": lambda c: 0.1 + 0.1 * np.cos(25.0 * (1.0 - c)),
    "confidence means nothing": lambda c: np.full_like(c, 0.3),
}
GRID = (np.arange(100_000) + 0.5) / 100_000
THIN_GRID = GRID[::500]

outcomes = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=300)
shares = st.floats(0.02, 0.5)


def most_broken(n_draws: int) -> int:
    """Return how many draws break a bound that may fail with DELTA, with probability 0.9999."""
    return next(k for k in range(n_draws) if binomial_tail(k, n_draws, DELTA) > 0.9999)


def true_risk(curve: Curve, threshold: float) -> float:
    """Return P(wrong | confidence >= threshold)."""
    return float(curve(GRID[threshold <= GRID]).mean())


def draw(rng: np.random.Generator, curve: Curve, n: int) -> tuple[FloatArray, BoolArray]:
    """Return confidences and whether each was wrong."""
    confidences = rng.random(n)
    return confidences, rng.random(n) < curve(confidences)


@pytest.mark.parametrize("n", [60, 500])
@pytest.mark.parametrize("world", list(WORLDS))
def test_the_true_risk_exceeds_alpha_at_most_as_often_as_delta(world: str, n: int) -> None:
    curve = WORLDS[world]
    rng = np.random.default_rng(n)
    n_broken = 0
    for _ in range(N_DRAWS):
        confidences, wrong = draw(rng, curve, n)
        safe = lowest_safe_threshold(confidences, wrong.astype(int), alpha=0.1, delta=DELTA)
        n_broken += safe is not None and true_risk(curve, safe.threshold) > 0.1
    assert n_broken <= most_broken(N_DRAWS)


def test_the_threshold_that_looks_best_would_be_broken_too_often() -> None:
    # The same worlds refute the choice of the lowest threshold that passes a test by itself, so
    # they can refute ours.
    curve = WORLDS["hardly above alpha everywhere"]
    rng = np.random.default_rng(0)
    n_broken = 0
    for _ in range(N_DRAWS):
        confidences, wrong = draw(rng, curve, 500)
        n_wrong = np.cumsum(wrong[np.argsort(-confidences)])
        n_broken += any(
            binomial_tail(int(n_wrong[count - 1]), count, 0.1) <= DELTA
            for count in range(25, 501, 25)
        )
    assert n_broken > most_broken(N_DRAWS)


def test_the_guarantee_holds_where_many_confidences_are_equal() -> None:
    rng = np.random.default_rng(1)
    steps = np.linspace(0.0, 1.0, 11)
    # Risk falls with confidence and crosses alpha between two of eleven values.
    risks = np.linspace(0.5, 0.0, 11) ** 2
    n_broken = 0
    for _ in range(N_DRAWS):
        picks = rng.integers(0, 11, 500)
        wrong = rng.random(500) < risks[picks]
        safe = lowest_safe_threshold(steps[picks], wrong.astype(int), alpha=0.08, delta=DELTA)
        n_broken += safe is not None and risks[steps >= safe.threshold].mean() > 0.08
    assert n_broken <= most_broken(N_DRAWS)


def test_with_thresholds_per_route_the_guarantee_holds_in_all_groups_at_once() -> None:
    rng = np.random.default_rng(2)
    # The third route is about as frequent as it must be to have its own threshold.
    frequencies = np.array([0.4, 0.3, 0.155, 0.08, 0.065])
    curves: list[Curve] = [
        lambda c: 0.3 * (1.0 - c),
        lambda c: np.full_like(c, 0.101),
        lambda c: 0.4 * (1.0 - c) + 0.02,
        lambda c: 0.9 * (1.0 - c),
        lambda c: np.full_like(c, 0.01),
    ]
    risk_of = [np.array([true_risk(curve, float(t)) for t in THIN_GRID]) for curve in curves]
    n_broken = 0
    group_counts = set()
    for _ in range(150):
        picks = rng.choice(5, 900, p=frequencies)
        confidences = rng.random(900)
        risks = np.choose(picks, [curve(confidences) for curve in curves])
        certificate = certify(
            confidences,
            rng.random(900) >= risks,
            [f"r{number}" for number in picks],
            alpha=0.1,
            delta=DELTA,
        )
        group_counts.add(len(certificate.groups))
        cuts = np.array([certificate.threshold_of(f"r{number}") for number in range(5)])
        accepted = frequencies * (1.0 - cuts)
        place = np.searchsorted(THIN_GRID, cuts).clip(max=len(THIN_GRID) - 1)
        wrong = accepted * [risk_of[number][place[number]] for number in range(5)]
        own = [f"r{number}" in certificate.thresholds for number in range(5)]
        parts = [[number] for number in range(5) if own[number]]
        parts.append([number for number in range(5) if not own[number]])
        n_broken += any(
            wrong[part].sum() > 0.1 * accepted[part].sum() + 1e-12 for part in parts if part
        )
    assert len(group_counts) > 1
    assert n_broken <= most_broken(150)


@given(outcomes, shares, shares)
def test_what_is_returned_is_what_was_tested(
    rows: list[tuple[int, bool]], alpha: float, delta: float
) -> None:
    scores = np.array([score / 30 for score, _ in rows])
    wrong = np.array([int(is_wrong) for _, is_wrong in rows])
    safe = lowest_safe_threshold(scores, wrong, alpha=alpha, delta=delta)
    if safe is not None:
        accepted = scores >= safe.threshold
        assert safe.n_accepted == accepted.sum() > 0
        assert safe.n_wrong == wrong[accepted].sum()
        assert 0.0 < safe.level <= delta * (1.0 + 1e-12)
        assert clopper_pearson_upper(safe.n_wrong, safe.n_accepted, delta) <= alpha + 1e-12


@given(outcomes, shares, st.data())
def test_correcting_an_answer_never_accepts_less(
    rows: list[tuple[int, bool]], alpha: float, data: st.DataObject
) -> None:
    scores = np.array([score / 30 for score, _ in rows])
    wrong = np.array([int(is_wrong) for _, is_wrong in rows])
    better = wrong.copy()
    better[data.draw(st.integers(0, len(rows) - 1))] = 0
    before = lowest_safe_threshold(scores, wrong, alpha=alpha, delta=0.2)
    after = lowest_safe_threshold(scores, better, alpha=alpha, delta=0.2)
    if before is not None:
        assert after is not None
        assert after.threshold <= before.threshold


@given(outcomes, st.sampled_from([np.sqrt, np.square, lambda x: x / (2.0 - x)]))
def test_only_the_order_of_the_scores_matters(rows: list[tuple[int, bool]], bend: Curve) -> None:
    scores = np.array([score / 30 for score, _ in rows])
    wrong = np.array([int(is_wrong) for _, is_wrong in rows])
    plain = lowest_safe_threshold(scores, wrong, alpha=0.2, delta=0.2)
    bent = lowest_safe_threshold(bend(scores), wrong, alpha=0.2, delta=0.2)
    assert (plain is None) == (bent is None)
    if plain is not None and bent is not None:
        assert (plain.n_accepted, plain.n_wrong) == (bent.n_accepted, bent.n_wrong)


@given(st.floats(0.01, 0.9), st.floats(0.001, 0.9), st.integers(0, 20))
def test_labels_needed_is_the_least_number_whose_bound_reaches_alpha(
    alpha: float, delta: float, n_errors: int
) -> None:
    n = labels_needed(alpha, delta, n_errors)
    assert clopper_pearson_upper(n_errors, n, delta) <= alpha + 1e-9
    assert clopper_pearson_upper(n_errors, n - 1, delta) >= alpha - 1e-9


@given(st.integers(1, 400), st.floats(0.001, 0.999), st.data())
def test_the_bound_grows_with_errors_and_covers_the_share(
    n: int, delta: float, data: st.DataObject
) -> None:
    n_wrong = data.draw(st.integers(0, n - 1))
    bound = clopper_pearson_upper(n_wrong, n, delta)
    assert 0.0 < bound < clopper_pearson_upper(n_wrong + 1, n, delta)
    assert clopper_pearson_upper(n_wrong, n, delta / 2) > bound
    if delta <= 0.5:
        assert bound > n_wrong / n


@given(st.integers(1, 58))
def test_right_answers_too_few_to_certify_say_how_many_are_missing(n: int) -> None:
    certificate = certify(np.full(n, 0.9), np.ones(n), alpha=0.05, delta=0.05)
    assert not certificate.holds
    assert certificate.labels_needed == 59 - n
