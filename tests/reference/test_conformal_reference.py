"""The binomial kernels against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stratarouter.algorithms.conformal import (
    binomial_tail,
    clopper_pearson_upper,
    labels_needed,
)

SIZES = (1, 2, 10, 59, 333, 2_995, 20_000)
SHARES = (0.0, 0.001, 0.03, 0.2, 0.5, 0.9)
RISKS = (1e-6, 0.001, 0.05, 0.3, 0.5, 0.97)
DELTAS = (1e-9, 0.001, 0.05, 0.5, 0.9)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("risk", RISKS)
def test_the_tail_equals_binom_cdf(n: int, risk: float) -> None:
    for share in SHARES:
        n_wrong = int(share * n)
        expected = stats.binom.cdf(n_wrong, n, risk)
        assert binomial_tail(n_wrong, n, risk) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("delta", DELTAS)
def test_the_upper_bound_equals_the_beta_quantile(n: int, delta: float) -> None:
    for share in SHARES:
        n_wrong = int(share * n)
        expected = stats.beta.ppf(1.0 - delta, n_wrong + 1, n - n_wrong)
        assert clopper_pearson_upper(n_wrong, n, delta) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("n", SIZES)
def test_the_upper_bound_equals_the_exact_interval_of_binomtest(n: int) -> None:
    for share in SHARES:
        n_wrong = int(share * n)
        test = stats.binomtest(n_wrong, n, alternative="less")
        expected = test.proportion_ci(confidence_level=0.95, method="exact").high
        assert clopper_pearson_upper(n_wrong, n, 0.05) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.01])
@pytest.mark.parametrize("delta", [0.2, 0.05, 0.001])
@pytest.mark.parametrize("n_errors", [0, 1, 7, 40])
def test_labels_needed_is_where_binom_cdf_falls_to_delta(
    alpha: float, delta: float, n_errors: int
) -> None:
    sizes = np.arange(n_errors, 20_000)
    expected = sizes[np.argmax(stats.binom.cdf(n_errors, sizes, alpha) <= delta)]
    assert labels_needed(alpha, delta, n_errors) == expected
