"""Conditional logistic regression against scikit-learn and a general minimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from stratarouter.algorithms.stacking import fit_choice
from stratarouter.errors import InvalidInputError

SEEDS = pytest.mark.parametrize("seed", range(15))


def choices(
    seed: int, weights: np.ndarray, n: int = 120, alternatives: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Draw queries whose alternatives are chosen with the shares that the weights give."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, alternatives, len(weights)))
    # The largest of values with Gumbel noise is drawn with the probability of its softmax.
    noise = rng.gumbel(size=(n, alternatives))
    return features, (features @ weights + noise).argmax(axis=1)


def loss(
    weights: np.ndarray,
    features: np.ndarray,
    chosen: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
) -> float:
    """Penalised negative log likelihood, one query at a time."""
    total = 0.5 * float(precision @ (weights - mean) ** 2)
    for alternatives, right in zip(features, chosen, strict=True):
        z = alternatives @ weights
        total += float(np.logaddexp.reduce(z) - z[right])
    return total


@SEEDS
def test_signed_weights_minimise_the_penalised_loss(seed: int) -> None:
    rng = np.random.default_rng(seed + 100)
    p = int(rng.integers(1, 6))
    features, chosen = choices(seed, rng.normal(size=p) * 2.0)
    prior = (rng.normal(size=p), rng.uniform(0.05, 3.0, p))
    best = minimize(
        loss, prior[0], (features, chosen, *prior), method="BFGS", options={"gtol": 1e-5}
    )

    ours = fit_choice(features, chosen, prior_mean=prior[0], prior_precision=prior[1], n_signed=p)

    assert ours == pytest.approx(best.x, abs=1e-4)
    assert loss(ours, features, chosen, *prior) <= best.fun + 1e-9


@SEEDS
def test_two_alternatives_are_logistic_regression_on_their_difference(seed: int) -> None:
    features, chosen = choices(seed, np.array([2.0, -1.0, 0.3]), alternatives=2)
    theirs = LogisticRegression(
        C=0.5, fit_intercept=False, solver="newton-cholesky", tol=1e-12, max_iter=1_000
    ).fit(features[:, 1] - features[:, 0], chosen)

    ours = fit_choice(
        features, chosen, prior_mean=np.zeros(3), prior_precision=np.full(3, 2.0), n_signed=3
    )

    assert ours == pytest.approx(theirs.coef_[0], abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_block_per_alternative_is_multinomial_logistic_regression(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, chosen = rng.normal(size=(150, 3)), np.arange(150) % 4
    rows[:, 0] += chosen
    theirs = LogisticRegression(
        C=1.0, fit_intercept=False, solver="newton-cg", tol=1e-10, max_iter=1_000
    ).fit(rows, chosen)
    features = np.zeros((150, 4, 12))
    for alternative in range(4):
        features[:, alternative, 3 * alternative : 3 * alternative + 3] = rows

    ours = fit_choice(
        features, chosen, prior_mean=np.zeros(12), prior_precision=np.ones(12), n_signed=12
    )

    assert ours.reshape(4, 3) == pytest.approx(theirs.coef_, abs=1e-4)


@SEEDS
def test_a_weight_that_would_be_negative_is_the_bounded_optimum(seed: int) -> None:
    truth = np.array([2.0, 1.5, -1.0, -0.5])
    features, chosen = choices(seed, truth, n=300)
    prior = (np.array([1.0, 1.0, 0.5, 0.0]), np.full(4, 0.1))
    best = minimize(
        loss,
        prior[0],
        (features, chosen, *prior),
        method="L-BFGS-B",
        bounds=[(0.0, None)] * 3 + [(None, None)],
        options={"ftol": 1e-14, "gtol": 1e-7},
    )

    ours = fit_choice(features, chosen, prior_mean=prior[0], prior_precision=prior[1], n_signed=1)

    assert ours[2] == 0.0
    assert ours[3] < 0.0 < min(ours[0], ours[1])
    assert ours == pytest.approx(best.x, abs=2e-4)


@SEEDS
def test_weights_that_are_not_signed_are_never_negative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = int(rng.integers(1, 6))
    features, chosen = choices(seed, rng.normal(size=p) - 0.7)

    fitted = fit_choice(features, chosen, prior_mean=np.ones(p), prior_precision=np.full(p, 0.01))

    assert (fitted >= 0.0).all()
    # What was fixed at 0 is out of the model: the rest is the optimum without it.
    kept = fitted > 0.0
    if kept.any():
        assert fitted[kept] == pytest.approx(
            fit_choice(
                features[:, :, kept],
                chosen,
                prior_mean=np.ones(kept.sum()),
                prior_precision=np.full(kept.sum(), 0.01),
                n_signed=int(kept.sum()),
            ),
            abs=1e-6,
        )


def test_all_weights_are_zero_where_everything_speaks_against_the_right_one() -> None:
    features = np.tile([[0.0, 0.0], [1.0, 1.0]], (40, 1, 1))

    fitted = fit_choice(
        features,
        np.zeros(40, dtype=int),
        prior_mean=np.ones(2),
        prior_precision=np.full(2, 0.1),
    )

    assert fitted.tolist() == [0.0, 0.0]


def test_no_query_leaves_the_prior() -> None:
    fitted = fit_choice(
        np.zeros((0, 3, 2)),
        np.zeros(0, dtype=int),
        prior_mean=np.array([2.0, 0.5]),
        prior_precision=np.ones(2),
    )

    assert fitted.tolist() == [2.0, 0.5]


def test_a_firm_prior_outweighs_the_choices() -> None:
    features, chosen = choices(0, np.array([3.0, 0.0]))
    mean = np.array([0.5, 1.0])

    firm, loose = (
        fit_choice(features, chosen, prior_mean=mean, prior_precision=np.full(2, precision))
        for precision in (1e8, 1e-3)
    )

    assert firm == pytest.approx(mean, abs=1e-4)
    assert loose[0] > 2.0


def test_certain_choices_have_finite_weights() -> None:
    features = np.tile([[1.0], [0.0]], (5_000, 1, 1))

    fitted = fit_choice(
        features,
        np.zeros(5_000, dtype=int),
        prior_mean=np.ones(1),
        prior_precision=np.full(1, 1e-4),
    )

    assert np.isfinite(fitted).all()
    assert 5.0 < fitted[0] < 100.0


def test_what_all_alternatives_share_teaches_nothing() -> None:
    features, chosen = choices(1, np.array([1.0, 0.5]))

    plain, moved = (
        fit_choice(inputs, chosen, prior_mean=np.ones(2), prior_precision=np.full(2, 0.5))
        for inputs in (features, features + 100.0 * features[:, :1])
    )

    assert moved == pytest.approx(plain, abs=1e-6)


def test_the_inputs_are_left_alone() -> None:
    features, chosen = choices(2, np.array([1.0, -1.0]))
    arrays = [features, chosen, np.array([0.3, 0.4]), np.ones(2)]
    before = [array.copy() for array in arrays]

    fit_choice(features, chosen, prior_mean=arrays[2], prior_precision=arrays[3])

    assert all(np.array_equal(*pair) for pair in zip(arrays, before, strict=True))


@pytest.mark.parametrize(("n_chosen", "n_mean", "n_precision"), [(4, 2, 2), (5, 3, 2), (5, 2, 1)])
def test_shapes_that_do_not_fit_are_refused(n_chosen: int, n_mean: int, n_precision: int) -> None:
    with pytest.raises(InvalidInputError, match="do not fit together"):
        fit_choice(
            np.zeros((5, 3, 2)),
            np.zeros(n_chosen, dtype=int),
            prior_mean=np.zeros(n_mean),
            prior_precision=np.ones(n_precision),
        )
