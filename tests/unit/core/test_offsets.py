"""Groups that differ are told apart, groups that do not are left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratarouter.algorithms.logistic import sigmoid
from stratarouter.algorithms.offsets import fit_offsets
from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from stratarouter.types import FloatArray, IntArray

N_GROUPS = 12


def drawn(
    seed: int, spread: float, n: int = 1_200
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray]:
    """Return log-odds that are right on the whole, outcomes, groups, and the groups' offsets."""
    rng = np.random.default_rng(seed)
    offsets = spread * rng.normal(size=N_GROUPS)
    groups = rng.integers(0, N_GROUPS, n)
    log_odds = rng.uniform(-1.0, 4.0, n)
    right = rng.random(n) < sigmoid(log_odds + offsets[groups])
    return log_odds, right.astype(float), groups, offsets


@pytest.mark.parametrize("seed", range(8))
def test_groups_that_differ_get_about_their_true_offsets(seed: int) -> None:
    log_odds, outcomes, groups, true = drawn(seed, spread=1.0, n=4_000)

    found = fit_offsets(log_odds, outcomes, groups, n_groups=N_GROUPS, least=20)

    assert np.corrcoef(found, true)[0, 1] > 0.95
    assert np.abs(found - true).mean() < 0.3


def test_groups_that_are_alike_hardly_ever_get_an_offset() -> None:
    n_moved = sum(
        bool(fit_offsets(*drawn(seed, 0.0)[:3], n_groups=N_GROUPS, least=20).any())
        for seed in range(100)
    )

    assert n_moved <= 3


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_offsets_make_new_outcomes_no_less_probable(spread: float) -> None:
    gains = []
    for seed in range(30):
        log_odds, outcomes, groups, true = drawn(seed, spread)
        found = fit_offsets(log_odds, outcomes, groups, n_groups=N_GROUPS, least=20)
        rng = np.random.default_rng(seed + 1_000)
        share = sigmoid(rng.uniform(-1.0, 4.0, 5_000))
        new_groups = rng.integers(0, N_GROUPS, 5_000)
        straight = np.log(share / (1.0 - share))
        right = rng.random(5_000) < sigmoid(straight + true[new_groups])
        sign = np.where(right, 1.0, -1.0)
        before = np.logaddexp(0.0, -sign * straight)
        gains.append((before - np.logaddexp(0.0, -sign * (straight + found[new_groups]))).mean())

    assert np.mean(gains) >= -1e-4
    if spread == 1.0:
        assert np.mean(gains) > 0.03


def test_the_offsets_are_the_mode_under_a_normal_prior() -> None:
    log_odds, outcomes, groups, _ = drawn(3, spread=1.5, n=4_000)

    found = fit_offsets(log_odds, outcomes, groups, n_groups=N_GROUPS, least=20)

    # Spread 1: at the mode, what pulls an offset equals what the prior pulls back.
    excess = outcomes - sigmoid(log_odds + found[groups])
    assert np.bincount(groups, weights=excess) == pytest.approx(found, abs=1e-6)


def test_groups_with_few_outcomes_are_taken_to_be_like_the_others() -> None:
    log_odds, outcomes, groups, _ = drawn(3, spread=1.5)
    rare = np.flatnonzero(groups == 4)[19:]
    kept = np.setdiff1d(np.arange(len(groups)), rare)

    found = fit_offsets(log_odds[kept], outcomes[kept], groups[kept], n_groups=14, least=20)

    assert found.shape == (14,)
    assert found[[4, 12, 13]].tolist() == [0.0, 0.0, 0.0]
    assert np.count_nonzero(found) == 11


@pytest.mark.parametrize("n", [0, 19])
def test_too_little_of_everything_gives_no_offsets(n: int) -> None:
    found = fit_offsets(np.zeros(n), np.zeros(n), np.zeros(n, int), n_groups=3, least=20)

    assert found.tolist() == [0.0, 0.0, 0.0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    certainty=st.floats(0.0, 40.0),
    n=st.integers(1, 200),
)
def test_offsets_are_bounded_whatever_happened(seed: int, certainty: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    log_odds = certainty * rng.normal(size=n)
    outcomes = (rng.random(n) < 0.5).astype(float)

    found = fit_offsets(log_odds, outcomes, rng.integers(0, 3, n), n_groups=3, least=5)

    # A normal prior of spread 1 gives way by at most one per outcome.
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= n


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="as many"):
        fit_offsets(np.zeros(3), np.zeros(2), np.zeros(3, int), n_groups=1, least=1)
