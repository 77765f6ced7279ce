"""Isotonic regression by pool-adjacent-violators."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.isotonic import isotonic_blocks, thinned
from stratarouter.errors import InvalidInputError

POINTS = st.lists(
    st.tuples(st.integers(-3, 3), st.sampled_from([0.0, 0.25, 1.0])), min_size=1, max_size=25
)


def test_rising_outcomes_stay_as_they_are() -> None:
    centres, values, sizes = isotonic_blocks(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.5, 1.0]))

    assert (centres.tolist(), values.tolist()) == ([1.0, 2.0, 3.0], [0.0, 0.5, 1.0])
    assert sizes.tolist() == [1.0, 1.0, 1.0]


def test_falling_outcomes_become_their_mean() -> None:
    centres, values, sizes = isotonic_blocks(np.array([0.0, 1.0]), np.array([1.0, 0.0]))

    assert (centres.tolist(), values.tolist(), sizes.tolist()) == ([0.5], [0.5], [2.0])


def test_equal_inputs_get_one_value() -> None:
    centres, values, _ = isotonic_blocks(np.array([2.0, 2.0, 5.0]), np.array([0.0, 1.0, 1.0]))

    assert (centres.tolist(), values.tolist()) == ([2.0, 5.0], [0.5, 1.0])


def test_the_order_of_the_points_does_not_matter() -> None:
    x, y = np.array([3.0, 1.0, 2.0]), np.array([1.0, 0.0, 0.0])
    order = np.array([2, 0, 1])

    for one, other in zip(isotonic_blocks(x, y), isotonic_blocks(x[order], y[order]), strict=True):
        assert one.tolist() == other.tolist()


@pytest.mark.parametrize(("n_inputs", "n_outcomes"), [(0, 0), (2, 1), (1, 2)])
def test_unequal_or_no_points_are_refused(n_inputs: int, n_outcomes: int) -> None:
    with pytest.raises(InvalidInputError, match=f"{n_inputs}, {n_outcomes}"):
        isotonic_blocks(np.zeros(n_inputs), np.zeros(n_outcomes))


@given(POINTS)
def test_steps_rise_and_keep_size_and_mean(points: list[tuple[int, float]]) -> None:
    x, y = np.array(points, dtype=float).T

    centres, values, sizes = isotonic_blocks(x, y)

    assert (np.diff(centres) > 0.0).all()
    assert (np.diff(values) > 0.0).all()
    assert sizes.sum() == len(points)
    assert values @ sizes == pytest.approx(y.sum())
    assert centres @ sizes == pytest.approx(x.sum(), abs=1e-9)


@given(POINTS)
def test_a_second_fit_changes_nothing(points: list[tuple[int, float]]) -> None:
    x, y = np.array(points, dtype=float).T
    centres, values, _ = isotonic_blocks(x, y)

    again_centres, again_values, _ = isotonic_blocks(centres, values)

    assert again_centres.tolist() == centres.tolist()
    assert again_values.tolist() == values.tolist()


# Curves of fewer points --------------------------------------------------------------------------


@given(
    st.lists(st.floats(-20.0, 20.0), min_size=1, max_size=60), st.sampled_from([0.0, 0.1, 1.0, 5.0])
)
def test_a_thinned_curve_stays_close_to_the_whole(values: list[float], tolerance: float) -> None:
    x, y = np.arange(len(values)) ** 1.5, np.array(values)

    places = thinned(x, y, tolerance)

    assert places[0] == 0
    assert places[-1] == len(x) - 1
    assert (np.diff(places) > 0).all()
    assert np.abs(np.interp(x, x[places], y[places]) - y).max() <= tolerance + 1e-9


def test_points_on_a_line_are_left_out() -> None:
    x = np.linspace(0.0, 1.0, 50)

    assert thinned(x, 3.0 * x - 1.0, 1e-9).tolist() == [0, 49]
    assert thinned(x, np.abs(x - x[20]), 1e-9).tolist() == [0, 20, 49]


def test_no_points_stay_none() -> None:
    assert thinned(np.zeros(0), np.zeros(0), 0.1).tolist() == []
