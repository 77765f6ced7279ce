"""What becomes of confidences when patterns override them, and when they are saved."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stratarouter.algorithms.logistic import sigmoid
from stratarouter.calibrating import fit_override, fit_to_examples, fit_to_labels
from stratarouter.calibration import PRIOR, ConfidenceMap, OutcomeSample
from stratarouter.errors import CorruptSaveError


def outcomes(n: int) -> OutcomeSample:
    rng = np.random.default_rng(n)
    log_odds = rng.uniform(-1.0, 5.0, n)
    correct = rng.random(n) < sigmoid(log_odds)
    return OutcomeSample(log_odds, rng.normal(0.7, 0.08, n), correct.astype(float))


EXAMPLES = fit_to_examples(outcomes(800))
MAPS = {
    "prior": PRIOR,
    "examples": EXAMPLES,
    "few queries": fit_to_labels(outcomes(120), PRIOR),
    "queries": fit_to_labels(outcomes(400), EXAMPLES),
    "overridden": fit_override(EXAMPLES, 3, 7),
}
any_map = pytest.mark.parametrize("confidence", MAPS.values(), ids=MAPS)


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
        {"slope": -1.0},
        {"slope": math.inf},
        {"tail": -0.1},
        {"similarity_mean": math.nan},
        {"similarity_spread": 0.0},
        {"similarity_spread": math.nan},
        {"override": 1.0},
        {"override": 0.0},
        {"override": math.nan},
        {"similarity_mean": 10**400},
        {"knots": 3},
        {"knots": [0.0]},
        {"knots": [1.0, 0.0], "levels": [0.0, 1.0]},
        {"knots": [0.0, 0.0], "levels": [0.0, 1.0]},
        {"knots": [0.0, 1.0], "levels": [1.0, 0.0]},
        {"knots": [0.0, 1.0], "levels": [0.0, math.nan]},
        {"offsets": 3},
        {"offsets": [0.0, math.nan]},
        {"offsets": [0.0, "high"]},
        {"extra": 1},
    ],
    ids=repr,
)
def test_numbers_that_cannot_be_a_map_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CorruptSaveError, match="confidence"):
        ConfidenceMap.from_dict({**MAPS["few queries"].to_dict(), **change})


@pytest.mark.parametrize("name", EXAMPLES.to_dict())
def test_a_missing_number_is_refused(name: str) -> None:
    data = EXAMPLES.to_dict()
    del data[name]

    with pytest.raises(CorruptSaveError, match="confidence"):
        ConfidenceMap.from_dict(data)
