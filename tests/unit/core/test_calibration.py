"""From scores to a probability: range, direction, continuity, fitting, and what is saved."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.logistic import sigmoid
from stratarouter.calibration import (
    MIN_OUTCOMES,
    MIN_OUTCOMES_ISOTONIC,
    PRIOR,
    ConfidenceMap,
    _isotonic_curve,
    fit_confidence,
    fit_override,
)
from stratarouter.crossfit import OutcomeSample
from stratarouter.errors import CorruptSaveError

UNIT = st.floats(0.0, 1.0)
MARGIN = st.floats(-1.0, 1.0)


def outcomes(seed: int, n: int, *, steep: float = 12.0, foreign: float = 0.0) -> OutcomeSample:
    """Draw picks whose chance of being right grows with the margin; some belong nowhere."""
    rng = np.random.default_rng(seed)
    semantic = rng.uniform(0.3, 1.0, n)
    margin = rng.uniform(0.0, 0.4, n)
    correct = rng.random(n) < sigmoid(steep * margin - 1.0)
    strange = rng.random(n) < foreign
    semantic[strange] *= 0.2
    correct[strange] = False
    total = 0.8 * semantic + 0.1
    return OutcomeSample(np.column_stack([total, margin, semantic]), correct.astype(float))


def separated(n: int) -> OutcomeSample:
    """Draw picks that are all right and alike, but for a few far away that are all wrong."""
    rng = np.random.default_rng(n)
    wrong = np.arange(n) % 20 == 0
    total = np.where(wrong, 0.0, 0.9 + rng.normal(0.0, 0.005, n))
    margin = np.where(wrong, 0.0, rng.uniform(0.3, 0.8, n))
    semantic = np.where(wrong, 0.0, 0.9)
    return OutcomeSample(np.column_stack([total, margin, semantic]), (~wrong).astype(float))


MAPS = {
    "prior": PRIOR,
    "logistic": fit_confidence(outcomes(1, 120), "examples"),
    "isotonic": fit_confidence(outcomes(2, 800), "examples"),
    "queries": fit_confidence(outcomes(3, 800, foreign=0.3), "queries"),
    "refitted": fit_confidence(
        outcomes(4, 300, foreign=0.3), "queries", start=fit_confidence(outcomes(2, 800), "examples")
    ),
    "separated": fit_confidence(separated(400), "queries"),
    "separated examples": fit_confidence(separated(3_000), "examples"),
    "all right": fit_confidence(OutcomeSample(outcomes(5, 300).features, np.ones(300)), "examples"),
    "all wrong": fit_confidence(OutcomeSample(outcomes(6, 300).features, np.zeros(300)), "queries"),
}
any_map = pytest.mark.parametrize("confidence", MAPS.values(), ids=MAPS)


# What a probability is ---------------------------------------------------------------------------


@any_map
@given(total=UNIT, margin=MARGIN, semantic=UNIT)
def test_a_confidence_is_strictly_inside_0_and_1(
    confidence: ConfidenceMap, total: float, margin: float, semantic: float
) -> None:
    assert 0.0 < confidence.confidence(total, margin, semantic) < 1.0


@any_map
@given(
    total=st.tuples(UNIT, UNIT), margin=st.tuples(MARGIN, MARGIN), semantic=st.tuples(UNIT, UNIT)
)
def test_a_confidence_never_falls_when_a_feature_rises(
    confidence: ConfidenceMap,
    total: tuple[float, float],
    margin: tuple[float, float],
    semantic: tuple[float, float],
) -> None:
    low = confidence.confidence(min(total), min(margin), min(semantic))
    high = confidence.confidence(max(total), max(margin), max(semantic))

    assert low <= high + 1e-12


@any_map
def test_a_confidence_is_continuous(confidence: ConfidenceMap) -> None:
    # A jump would be as large on a fine grid as on a coarse one.
    largest = []
    for n in (2_001, 64_001):
        steps = np.linspace(0.0, 1.0, n)
        lines = (
            np.column_stack([steps, steps * 0.5, steps]),
            np.column_stack([steps, np.full(n, 0.2), np.full(n, 0.6)]),
            np.column_stack([np.full(n, 0.6), 2.0 * steps - 1.0, np.full(n, 0.6)]),
        )
        largest.append(max(np.abs(np.diff(confidence.confidences(line))).max() for line in lines))

    assert largest[1] <= largest[0] / 8.0


@any_map
def test_many_confidences_equal_single_ones(confidence: ConfidenceMap) -> None:
    features = np.random.default_rng(0).random((20, 3))

    assert confidence.confidences(features).tolist() == [
        confidence.confidence(*row) for row in features.tolist()
    ]


@any_map
def test_every_number_of_a_map_is_finite(confidence: ConfidenceMap) -> None:
    assert np.isfinite([*confidence.knots, *confidence.levels]).all()
    assert (np.diff(confidence.knots) > 0.0).all()
    assert (np.diff(confidence.levels) >= 0.0).all()


# The prior ---------------------------------------------------------------------------------------


def test_the_prior_says_that_it_is_one() -> None:
    assert PRIOR.source == "prior"
    assert not PRIOR.calibrated


def test_the_prior_doubts_a_tie_and_trusts_a_lead() -> None:
    assert PRIOR.confidence(0.8, 0.0, 0.8) < 0.5 < PRIOR.confidence(0.8, 0.3, 0.8)


def test_the_prior_finds_no_total_untypical() -> None:
    assert PRIOR.confidence(0.0, 0.2, 0.5) == PRIOR.confidence(1.0, 0.2, 0.5)


# Fitting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, MIN_OUTCOMES - 1])
def test_too_few_outcomes_leave_the_start(n: int) -> None:
    sample = outcomes(0, n)

    assert fit_confidence(sample, "examples") is PRIOR
    assert fit_confidence(sample, "queries", start=MAPS["isotonic"]) is MAPS["isotonic"]


@pytest.mark.parametrize(
    ("n", "curved"),
    [(MIN_OUTCOMES, False), (MIN_OUTCOMES_ISOTONIC - 1, False), (MIN_OUTCOMES_ISOTONIC, True)],
)
def test_the_curve_is_bent_only_by_enough_outcomes(n: int, curved: bool) -> None:
    fitted = fit_confidence(outcomes(1, n), "examples")

    assert fitted.calibrated
    assert bool(fitted.knots) is curved


def test_a_fitted_map_says_what_it_saw() -> None:
    unseen = outcomes(11, 20_000)
    stated = MAPS["isotonic"].confidences(unseen.features)

    for low in (0.3, 0.5, 0.7, 0.9):
        inside = (stated >= low) & (stated < low + 0.1)
        assert unseen.correct[inside].mean() == pytest.approx(stated[inside].mean(), abs=0.08)


def test_labelled_foreign_queries_lower_the_confidence_of_low_totals() -> None:
    unaware, aware = (
        fit_confidence(outcomes(3, 1_000, foreign=share), "queries") for share in (0.0, 0.4)
    )

    assert aware.confidence(0.15, 0.3, 0.1) < unaware.confidence(0.15, 0.3, 0.1) - 0.1
    assert aware.confidence(0.15, 0.3, 0.1) < 0.3 < aware.confidence(0.8, 0.3, 0.9)


def test_own_examples_do_not_forget_the_penalty_of_low_totals() -> None:
    # They hold nothing foreign, so they would set its weight to 0.
    assert MAPS["isotonic"].tail == pytest.approx(PRIOR.tail)


def test_what_is_typical_stays_that_of_the_own_examples() -> None:
    own, refitted = MAPS["isotonic"], MAPS["refitted"]

    assert (refitted.total_mean, refitted.total_spread) == (own.total_mean, own.total_spread)


def test_wrong_picks_do_not_define_what_is_typical() -> None:
    sample = outcomes(3, 1_000, foreign=0.4)
    right = sample.features[sample.correct > 0.5, 0]

    fitted = fit_confidence(sample, "queries")

    assert fitted.total_mean == pytest.approx(right.mean())
    assert fitted.total_spread == pytest.approx(right.std())
    assert fitted.total_mean > sample.features[:, 0].mean() + 0.05


def test_shrinking_small_steps_keeps_the_curve_rising() -> None:
    # The small step is pulled further towards the line than the large one above it.
    z = np.array([2.2] * 2 + [3.0] * 100)
    correct = np.array([0.0, 1.0] + [1.0] * 60 + [0.0] * 40)

    _, levels = _isotonic_curve(z, correct)

    assert (np.diff(levels) >= 0.0).all()


def test_a_lead_that_speaks_against_a_pick_is_ignored() -> None:
    sample = outcomes(7, 500)
    inverted = OutcomeSample(sample.features, 1.0 - sample.correct)

    assert fit_confidence(inverted, "queries").margin == 0.0


def test_equal_samples_give_equal_maps() -> None:
    assert fit_confidence(outcomes(8, 500), "queries") == fit_confidence(
        outcomes(8, 500), "queries"
    )


def test_certain_outcomes_have_finite_log_odds() -> None:
    for name in ("separated", "separated examples"):
        confidence = MAPS[name]
        assert np.isfinite(confidence.levels).all()
        assert confidence.confidence(0.0, 0.0, 0.0) < 0.05
        assert confidence.confidence(0.9, 0.5, 0.9) > 0.9


# Overrides ---------------------------------------------------------------------------------------


def test_no_override_leaves_the_map() -> None:
    assert fit_override(PRIOR, 0, 0).override == pytest.approx(PRIOR.override)


@pytest.mark.parametrize(("n_right", "n"), [(0, 10), (5, 10), (10, 10), (0, 10**9), (10**9, 10**9)])
def test_overrides_move_towards_what_was_observed(n_right: int, n: int) -> None:
    fitted = fit_override(PRIOR, n_right, n)

    between = sorted((PRIOR.override, n_right / n))
    assert between[0] <= fitted.override <= between[1]
    assert 0.0 < fitted.override < 1.0
    assert replace(fitted, override=PRIOR.override) == PRIOR


# Saving ------------------------------------------------------------------------------------------


@any_map
def test_a_map_survives_json_bit_for_bit(confidence: ConfidenceMap) -> None:
    text = json.dumps(confidence.to_dict(), allow_nan=False)

    assert ConfidenceMap.from_dict(json.loads(text)) == confidence


@pytest.mark.parametrize(
    "change",
    [
        {"source": "guess"},
        {"source": ["prior"]},
        {"intercept": "high"},
        {"intercept": None},
        {"intercept": math.nan},
        {"intercept": 10**400},
        {"margin": -1.0},
        {"semantic": math.inf},
        {"tail": -0.1},
        {"total_mean": math.nan},
        {"total_spread": 0.0},
        {"total_spread": math.nan},
        {"override": 1.0},
        {"override": 0.0},
        {"knots": 3},
        {"knots": [0.0]},
        {"knots": [1.0, 0.0], "levels": [0.0, 1.0]},
        {"knots": [0.0, 0.0], "levels": [0.0, 1.0]},
        {"knots": [0.0, 1.0], "levels": [1.0, 0.0]},
        {"knots": [0.0, 1.0], "levels": [0.0, math.nan]},
        {"extra": 1},
    ],
    ids=repr,
)
def test_numbers_that_cannot_be_a_map_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CorruptSaveError, match="confidence"):
        ConfidenceMap.from_dict({**MAPS["logistic"].to_dict(), **change})


@pytest.mark.parametrize("name", MAPS["isotonic"].to_dict())
def test_a_missing_number_is_refused(name: str) -> None:
    data = MAPS["isotonic"].to_dict()
    del data[name]

    with pytest.raises(CorruptSaveError, match="confidence"):
        ConfidenceMap.from_dict(data)
