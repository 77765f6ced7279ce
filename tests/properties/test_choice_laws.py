"""The weights of scores are the minimum under their bounds."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stratarouter.algorithms.stacking import fit_choice


def problem(
    seed: int, p: int, n: int, alike: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw choices whose features are mixed, which is what makes weights change places."""
    rng = np.random.default_rng(seed)
    mixing = alike * rng.normal(size=(p, p)) + (1.0 - alike) * np.eye(p)
    features = rng.normal(size=(n, 4, p)) @ mixing
    weights = 3.0 * rng.normal(size=p)
    chosen = (features @ weights + rng.gumbel(size=(n, 4))).argmax(axis=1)
    return features, chosen, 2.0 * rng.normal(size=p), rng.uniform(0.01, 2.0, p)


def loss_and_gradient(
    weights: np.ndarray,
    features: np.ndarray,
    chosen: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
) -> tuple[float, np.ndarray]:
    """Return the penalised negative log likelihood and its slope, one query at a time."""
    loss = float(0.5 * precision @ (weights - mean) ** 2)
    gradient = precision * (weights - mean)
    for alternatives, right in zip(features, chosen.tolist(), strict=True):
        z = alternatives @ weights
        total = np.logaddexp.reduce(z)
        loss += float(total - z[right])
        gradient += np.exp(z - total) @ alternatives - alternatives[right]
    return loss, gradient


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    p=st.integers(1, 6),
    n=st.integers(1, 60),
    alike=st.floats(0.0, 0.98),
    n_signed=st.integers(0, 6),
)
@example(seed=0, p=6, n=60, alike=0.9, n_signed=0)
def test_no_weight_can_be_moved_for_the_better(
    seed: int, p: int, n: int, alike: float, n_signed: int
) -> None:
    features, chosen, mean, precision = problem(seed, p, n, alike)
    n_signed = min(n_signed, p)

    weights = fit_choice(
        features, chosen, prior_mean=mean, prior_precision=precision, n_signed=n_signed
    )

    # Karush, Kuhn and Tucker: level where a weight is free, rising from 0 where it is held.
    _, gradient = loss_and_gradient(weights, features, chosen, mean, precision)
    bounded = np.arange(p) < p - n_signed
    held = bounded & (weights == 0.0)
    assert (weights[bounded] >= 0.0).all()
    assert np.abs(gradient[~held]).max(initial=0.0) < 1e-4
    assert gradient[held].min(initial=0.0) > -1e-4


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100_000), alike=st.floats(0.0, 0.9))
def test_projected_gradient_descent_finds_nothing_lower(seed: int, alike: float) -> None:
    data = problem(seed, p=4, n=25, alike=alike)

    weights = fit_choice(data[0], data[1], prior_mean=data[2], prior_precision=data[3])

    walker = np.maximum(data[2], 0.0)
    length = 1.0 / (float((data[0] ** 2).sum()) + float(data[3].max()))
    for _ in range(400):
        _, gradient = loss_and_gradient(walker, *data)
        walker = np.maximum(walker - length * gradient, 0.0)
    assert loss_and_gradient(weights, *data)[0] <= loss_and_gradient(walker, *data)[0] + 1e-9


def test_a_weight_that_met_its_bound_is_let_go_again() -> None:
    # In some of these an unbounded minimum is negative in a weight that the bounded one needs.
    n_released = 0
    for seed in range(100):
        data = problem(seed, p=5, n=40, alike=0.9)
        signed, bounded = (
            fit_choice(data[0], data[1], prior_mean=data[2], prior_precision=data[3], n_signed=many)
            for many in (5, 0)
        )
        n_released += bool(((signed < 0.0) & (bounded > 1e-3)).any())

    assert n_released > 0
