"""Logistic regression with a Gaussian prior."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.logistic import fit_logistic, sigmoid
from stratarouter.errors import InvalidInputError


def sample(seed: int, n: int = 40, p: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
    outcomes = (rng.random(n) < sigmoid(features @ rng.normal(size=p))).astype(float)
    return features, outcomes


@given(st.floats(-1e6, 1e6))
def test_sigmoid_is_a_probability_and_symmetric(z: float) -> None:
    low, high = sigmoid(np.array([-z, z]))

    assert 0.0 <= low <= 1.0
    assert low + high == pytest.approx(1.0)


def test_sigmoid_is_the_logistic_function() -> None:
    z = np.linspace(-20.0, 20.0, 101)

    assert sigmoid(z) == pytest.approx(1.0 / (1.0 + np.exp(-z)), abs=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_vanishes_at_the_answer(seed: int) -> None:
    features, outcomes = sample(seed)
    mean, precision = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.1, 3.0])

    weights = fit_logistic(features, outcomes, prior_mean=mean, prior_precision=precision)

    gradient = features.T @ (sigmoid(features @ weights) - outcomes) + precision * (weights - mean)
    assert np.abs(gradient).max() < 1e-6


def test_no_outcomes_leave_the_prior() -> None:
    mean = np.array([0.3, -0.7])

    weights = fit_logistic(
        np.empty((0, 2)), np.empty(0), prior_mean=mean, prior_precision=np.ones(2)
    )

    assert weights == pytest.approx(mean)


def test_a_firm_prior_is_kept_and_a_loose_one_forgotten() -> None:
    features, outcomes = sample(3, n=400)
    mean = np.array([4.0, -4.0, 4.0])

    firm = fit_logistic(features, outcomes, prior_mean=mean, prior_precision=np.full(3, 1e9))
    loose = fit_logistic(features, outcomes, prior_mean=mean, prior_precision=np.full(3, 1e-9))
    other = fit_logistic(features, outcomes, prior_mean=-mean, prior_precision=np.full(3, 1e-9))

    assert firm == pytest.approx(mean, abs=1e-5)
    assert loose == pytest.approx(other, abs=1e-5)


def test_separable_outcomes_have_a_finite_answer() -> None:
    x = np.column_stack([np.ones(20), np.arange(20.0)])
    outcomes = (np.arange(20) >= 10).astype(float)

    weights = fit_logistic(x, outcomes, prior_mean=np.zeros(2), prior_precision=np.full(2, 1e-6))

    assert np.isfinite(weights).all()
    assert ((sigmoid(x @ weights) > 0.5) == (outcomes > 0.5)).all()


def test_a_prior_far_from_the_data_converges() -> None:
    features, outcomes = sample(1)

    far, near = (
        fit_logistic(
            features, outcomes, prior_mean=np.full(3, mean), prior_precision=np.full(3, 1e-12)
        )
        for mean in (300.0, 0.0)
    )

    assert far == pytest.approx(near, abs=1e-4)


@pytest.mark.parametrize(
    ("n_outcomes", "n_means", "n_precisions"), [(3, 2, 2), (4, 3, 2), (4, 2, 1)]
)
def test_shapes_that_do_not_fit_are_refused(
    n_outcomes: int, n_means: int, n_precisions: int
) -> None:
    with pytest.raises(InvalidInputError, match="do not fit together"):
        fit_logistic(
            np.ones((4, 2)),
            np.zeros(n_outcomes),
            prior_mean=np.zeros(n_means),
            prior_precision=np.ones(n_precisions),
        )
