"""From scores to a probability: range, direction, continuity, fitting."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.algorithms.logistic import sigmoid
from stratarouter.calibrating import (
    MIN_OUTCOMES,
    MIN_OUTCOMES_ISOTONIC,
    fit_to_examples,
    fit_to_labels,
)
from stratarouter.calibration import PRIOR, ConfidenceMap, OutcomeSample, outcome_sample
from stratarouter.crossfit import Outcome
from stratarouter.scoring.candidates import ScoredCandidates

if TYPE_CHECKING:
    from collections.abc import Callable

COSINE = st.floats(-1.0, 1.0)
LOG_ODDS = st.floats(-60.0, 60.0)


def outcomes(
    seed: int, n: int, *, slope: float = 1.0, shift: float = 0.0, foreign: float = 0.0
) -> OutcomeSample:
    """Draw picks whose chance of being right grows with the log-odds; some belong nowhere."""
    rng = np.random.default_rng(seed)
    log_odds = rng.uniform(-1.0, 5.0, n)
    similarity = rng.normal(0.7, 0.08, n)
    correct = rng.random(n) < sigmoid(slope * log_odds + shift)
    strange = rng.random(n) < foreign
    similarity[strange] -= 0.45
    correct[strange] = False
    return OutcomeSample(log_odds, similarity, correct.astype(float))


def separated(n: int) -> OutcomeSample:
    """Draw picks that are all right and alike, but for a few far away that are all wrong."""
    rng = np.random.default_rng(n)
    wrong = np.arange(n) % 20 == 0
    log_odds = np.where(wrong, -20.0, rng.uniform(8.0, 20.0, n))
    similarity = np.where(wrong, 0.0, 0.9 + rng.normal(0.0, 0.005, n))
    return OutcomeSample(log_odds, similarity, (~wrong).astype(float))


def with_correct(sample: OutcomeSample, correct: float) -> OutcomeSample:
    return replace(sample, correct=np.full(len(sample.correct), correct))


def selected(choose: Callable[[OutcomeSample], np.ndarray], sample: OutcomeSample) -> OutcomeSample:
    kept = choose(sample)
    return OutcomeSample(sample.log_odds[kept], sample.similarity[kept], sample.correct[kept])


def n_bins_that_keep_their_word(stated: np.ndarray, sample: OutcomeSample) -> int:
    """Check every tenth of the probabilities that enough picks fall into, and count them."""
    checked = 0
    for low in np.arange(0.0, 1.0, 0.1).tolist():
        inside = (stated >= low) & (stated < low + 0.1)
        if inside.sum() >= 500:
            checked += 1
            assert sample.correct[inside].mean() == pytest.approx(stated[inside].mean(), abs=0.08)
    return checked


EXAMPLES = fit_to_examples(outcomes(2, 800))
MAPS = {
    "prior": PRIOR,
    "few examples": fit_to_examples(outcomes(1, 40)),
    "examples": EXAMPLES,
    "many examples": fit_to_examples(outcomes(2, 20_000, slope=0.4)),
    "few queries": fit_to_labels(outcomes(1, 120), PRIOR),
    "queries": fit_to_labels(outcomes(3, 800, foreign=0.3), PRIOR),
    "few refitted": fit_to_labels(outcomes(4, 100, foreign=0.3), EXAMPLES),
    "refitted": fit_to_labels(outcomes(4, 300, foreign=0.3), EXAMPLES),
    "separated": fit_to_labels(separated(400), PRIOR),
    "separated examples": fit_to_examples(separated(3_000)),
    "all right": fit_to_examples(with_correct(outcomes(5, 300), 1.0)),
    "all right queries": fit_to_labels(with_correct(outcomes(5, 300), 1.0), EXAMPLES),
    "all wrong": fit_to_labels(with_correct(outcomes(6, 300), 0.0), EXAMPLES),
    "all alike": fit_to_examples(
        OutcomeSample(np.full(50, 2.0), np.full(50, 0.5), np.arange(50) % 2.0)
    ),
}
any_map = pytest.mark.parametrize("confidence", MAPS.values(), ids=MAPS)


# What a probability is ---------------------------------------------------------------------------


@any_map
@settings(max_examples=80)
@given(log_odds=st.one_of(LOG_ODDS, st.floats(-1e9, 1e9)), similarity=COSINE)
def test_a_confidence_is_strictly_inside_0_and_1(
    confidence: ConfidenceMap, log_odds: float, similarity: float
) -> None:
    assert 0.0 < confidence.confidence(log_odds, similarity) < 1.0


@any_map
@settings(max_examples=80)
@given(log_odds=st.tuples(LOG_ODDS, LOG_ODDS), similarity=st.tuples(COSINE, COSINE))
def test_a_confidence_never_falls_when_an_argument_rises(
    confidence: ConfidenceMap, log_odds: tuple[float, float], similarity: tuple[float, float]
) -> None:
    low = confidence.confidence(min(log_odds), min(similarity))
    high = confidence.confidence(max(log_odds), max(similarity))

    assert low <= high + 1e-12


@any_map
@pytest.mark.parametrize(
    ("low", "high"),
    [((-30.0, 0.7), (30.0, 0.7)), ((2.0, -1.0), (2.0, 1.0)), ((-10.0, -1.0), (10.0, 1.0))],
    ids=["log-odds", "similarity", "both"],
)
def test_a_confidence_is_continuous(
    confidence: ConfidenceMap, low: tuple[float, float], high: tuple[float, float]
) -> None:
    # Close in on the largest rise: a jump would stay as large as it is, a slope vanishes.
    start, end, rise = 0.0, 1.0, 1.0
    for _ in range(5):
        shares = np.linspace(start, end, 501)
        points = [np.interp(shares, [0.0, 1.0], pair) for pair in zip(low, high, strict=True)]
        rises = np.diff([confidence.confidence(*point) for point in np.transpose(points).tolist()])
        place = int(rises.argmax())
        start, end, rise = float(shares[place]), float(shares[place + 1]), float(rises[place])

    assert rise < 1e-6


@any_map
def test_many_confidences_equal_single_ones(confidence: ConfidenceMap) -> None:
    sample = outcomes(0, 20, foreign=0.3)
    pairs = zip(sample.log_odds.tolist(), sample.similarity.tolist(), strict=True)

    assert confidence.confidences(sample) == pytest.approx(
        [confidence.confidence(*pair) for pair in pairs], abs=1e-12
    )


@any_map
def test_every_number_of_a_map_is_finite(confidence: ConfidenceMap) -> None:
    assert np.isfinite([*confidence.knots, *confidence.levels]).all()
    assert np.isfinite([confidence.intercept, confidence.slope, confidence.tail]).all()
    assert (np.diff(confidence.knots) > 0.0).all()
    assert (np.diff(confidence.levels) >= 0.0).all()


def test_a_map_never_changes() -> None:
    for name in PRIOR.to_dict():
        with pytest.raises(FrozenInstanceError):
            setattr(PRIOR, name, 0.5)


# The prior ---------------------------------------------------------------------------------------


def test_the_prior_says_that_it_is_one() -> None:
    assert PRIOR.source == "prior"
    assert not PRIOR.calibrated


@given(LOG_ODDS, COSINE)
def test_the_prior_is_never_surer_than_the_shares_of_the_totals(
    log_odds: float, similarity: float
) -> None:
    share = float(sigmoid(np.array([log_odds]))[0])
    stated = PRIOR.confidence(log_odds, similarity)

    assert stated <= max(share, 0.5) + 1e-12


def test_the_prior_doubts_a_tie_and_trusts_a_lead() -> None:
    assert PRIOR.confidence(-1.0, 0.8) < 0.5
    assert PRIOR.confidence(0.0, 0.8) == 0.5
    assert PRIOR.confidence(3.0, 0.8) > 0.8


def test_the_prior_doubts_a_query_that_is_like_no_route() -> None:
    assert PRIOR.confidence(2.0, 0.1) < 0.5 < PRIOR.confidence(2.0, 0.4)
    assert PRIOR.confidence(2.0, 0.4) == PRIOR.confidence(2.0, 1.0)


# What a confidence depends on --------------------------------------------------------------------


def candidates(totals: list[float], cosines: list[float]) -> ScoredCandidates:
    total, cosine = np.array(totals), np.array(cosines)
    weights = FusionWeights.published(1.0, 1.0, 0.0)
    routes = 3 + np.arange(len(total))
    zero = np.zeros(len(total))
    return ScoredCandidates(
        routes, None, cosine, 0.5 * cosine, zero, None, cosine, total, weights, complete=True
    )


def test_outcomes_tell_of_the_leader_only() -> None:
    first = candidates([0.2, 0.6, 0.4], [0.9, 0.8, 0.7])
    second = candidates([0.5, 0.4, 0.1], [-0.4, 0.3, 0.2])

    sample = outcome_sample([Outcome(first, 4), Outcome(second, 4), Outcome(second, None)])

    assert sample.correct.tolist() == [1.0, 0.0, 0.0]
    assert sample.log_odds.tolist() == [first.log_odds(1), *[second.log_odds(0)] * 2]
    assert sample.similarity == pytest.approx([0.345 * 1.2, -0.345 * 0.6, -0.345 * 0.6])


# Fitting to the routes' own examples -------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, MIN_OUTCOMES - 1])
def test_too_few_outcomes_leave_the_start(n: int) -> None:
    assert fit_to_examples(outcomes(0, n)) is PRIOR
    assert fit_to_labels(outcomes(0, n), EXAMPLES) is EXAMPLES


def test_enough_examples_are_fitted() -> None:
    fitted = fit_to_examples(outcomes(0, MIN_OUTCOMES))

    assert fitted.source == "examples"
    assert fitted.calibrated


def all_typical(sample: OutcomeSample) -> OutcomeSample:
    """Give one pick of five a higher similarity, which leaves none far below the mean."""
    return replace(sample, similarity=np.where(np.arange(len(sample.correct)) % 5 == 0, 0.9, 0.7))


@pytest.mark.parametrize(("n", "slope", "shift"), [(800, 1.0, 0.0), (40_000, 0.5, 0.3)])
def test_a_map_of_own_examples_says_what_it_saw_of_typical_queries(
    n: int, slope: float, shift: float
) -> None:
    # Few outcomes rely on the shares of the totals, which are right in the first case only.
    fitted = fit_to_examples(all_typical(outcomes(2, n, slope=slope, shift=shift)))
    unseen = all_typical(outcomes(11, 20_000, slope=slope, shift=shift))

    assert n_bins_that_keep_their_word(fitted.confidences(unseen), unseen) >= 3


def test_a_map_of_own_examples_promises_little_of_untypical_queries() -> None:
    # Own examples show no strangers, so unlike queries are distrusted beyond what was seen.
    unseen = selected(
        lambda one: one.similarity < EXAMPLES.similarity_mean - 2.0 * EXAMPLES.similarity_spread,
        outcomes(11, 40_000),
    )

    assert EXAMPLES.confidences(unseen).mean() < unseen.correct.mean() - 0.1


def test_a_few_right_examples_do_not_make_a_tie_certain() -> None:
    lucky = OutcomeSample(np.zeros(40), np.full(40, 0.7), np.ones(40))

    assert fit_to_examples(lucky).confidence(0.0, 0.7) < 0.7


def test_the_more_outcomes_the_more_they_count() -> None:
    # The shares of the totals promise far more here than what happened keeps.
    at_four = [
        np.mean(
            [
                fit_to_examples(outcomes(seed, n, slope=0.0)).confidence(4.0, 0.7)
                for seed in range(8)
            ]
        )
        for n in (MIN_OUTCOMES, 100, 10_000)
    ]

    assert at_four[0] > at_four[1] > at_four[2]
    assert at_four[0] > 0.7
    assert at_four[2] == pytest.approx(0.5, abs=0.05)


def test_own_examples_do_not_forget_the_penalty_of_low_similarities() -> None:
    # They hold nothing foreign, so they would set its weight to 0.
    assert EXAMPLES.tail == PRIOR.tail
    assert EXAMPLES.confidence(4.0, 0.2) < 0.5 < EXAMPLES.confidence(4.0, 0.7)


def test_what_is_typical_is_that_of_right_picks() -> None:
    sample = outcomes(3, 2_000, foreign=0.4)
    right = sample.similarity[sample.correct > 0.5]

    for fitted in (fit_to_examples(sample), fit_to_labels(sample, PRIOR)):
        assert fitted.similarity_mean == pytest.approx(right.mean())
        assert fitted.similarity_spread == pytest.approx(right.std())


# Fitting to labelled queries ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "curved"),
    [(MIN_OUTCOMES, False), (MIN_OUTCOMES_ISOTONIC - 1, False), (MIN_OUTCOMES_ISOTONIC, True)],
)
def test_the_curve_is_bent_only_by_enough_queries(n: int, curved: bool) -> None:
    fitted = fit_to_labels(outcomes(1, n), PRIOR)

    assert fitted.source == "queries"
    assert bool(fitted.knots) is curved


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.4, 0.5), (2.0, -2.0)])
@pytest.mark.parametrize("start", [PRIOR, EXAMPLES], ids=["prior", "examples"])
def test_a_map_of_queries_says_what_it_saw(
    slope: float, shift: float, start: ConfidenceMap
) -> None:
    seen = outcomes(10, 3_000, slope=slope, shift=shift, foreign=0.2)
    unseen = outcomes(11, 20_000, slope=slope, shift=shift, foreign=0.2)

    stated = fit_to_labels(seen, start).confidences(unseen)

    assert n_bins_that_keep_their_word(stated, unseen) >= 3


def test_labelled_foreign_queries_lower_the_confidence_of_low_similarities() -> None:
    unaware, aware = (
        fit_to_labels(outcomes(3, 1_000, foreign=share), PRIOR) for share in (0.0, 0.4)
    )

    assert aware.confidence(2.0, 0.25) < unaware.confidence(2.0, 0.25) - 0.1
    assert aware.confidence(2.0, 0.25) < 0.3 < aware.confidence(2.0, 0.7)


def test_what_is_typical_stays_that_of_the_own_examples() -> None:
    refitted = MAPS["refitted"]

    assert refitted.source == "queries"
    assert (refitted.similarity_mean, refitted.similarity_spread) == (
        EXAMPLES.similarity_mean,
        EXAMPLES.similarity_spread,
    )


@pytest.mark.parametrize("n", [100, 500])
def test_evidence_that_speaks_against_a_pick_is_ignored(n: int) -> None:
    sample = outcomes(7, n, slope=3.0, shift=-3.0)
    inverted = replace(sample, correct=1.0 - sample.correct)

    fitted = fit_to_labels(inverted, EXAMPLES)

    assert 0.0 < fitted.slope <= 0.01
    assert fitted.tail >= 0.0


def test_likeness_that_speaks_against_a_pick_is_ignored() -> None:
    sample = outcomes(7, 3_000)
    alike = sample.similarity > 0.65
    strange = replace(sample, correct=np.where(alike, 0.0, 1.0))

    assert fit_to_labels(strange, EXAMPLES).tail == 0.0


def test_equal_samples_give_equal_maps() -> None:
    assert fit_to_examples(outcomes(8, 500)) == fit_to_examples(outcomes(8, 500))
    assert fit_to_labels(outcomes(8, 500), EXAMPLES) == fit_to_labels(outcomes(8, 500), EXAMPLES)


def test_the_order_of_outcomes_does_not_matter() -> None:
    sample = outcomes(8, 500, foreign=0.2)
    order = np.random.default_rng(0).permutation(500)
    shuffled = selected(lambda _: order, sample)

    for one, other in (
        (fit_to_examples(sample), fit_to_examples(shuffled)),
        (fit_to_labels(sample, EXAMPLES), fit_to_labels(shuffled, EXAMPLES)),
    ):
        assert one.confidences(sample) == pytest.approx(other.confidences(sample), abs=1e-8)


def test_certain_outcomes_have_finite_log_odds() -> None:
    for name in ("separated", "separated examples"):
        confidence = MAPS[name]
        assert np.isfinite(confidence.levels).all()
        assert confidence.confidence(-20.0, 0.0) < 0.05
        assert confidence.confidence(15.0, 0.9) > 0.9
