"""How component scores become one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.fusion import FusionWeights, blend_cosines, fuse_scores

UNIT = st.floats(0.0, 1.0)
WEIGHTS = st.builds(FusionWeights, st.floats(0.01, 10.0), st.floats(0.0, 10.0), UNIT)


def total(semantic: float, keyword: float, pattern: float | None, weights: FusionWeights) -> float:
    fired = None if pattern is None else np.array([pattern])
    return fuse_scores(np.array([semantic]), np.array([keyword]), fired, weights).item()


def test_the_published_weights_are_renormalised_over_two_signals() -> None:
    weights = FusionWeights(0.6427, 0.2891, 0.0682)

    assert weights.semantic_share == pytest.approx(0.6427 / 0.9318)
    assert total(0.5, 0.25, None, weights) == pytest.approx((0.6427 * 0.5 + 0.2891 * 0.25) / 0.9318)


def test_a_fired_pattern_covers_its_share_of_the_way_to_one() -> None:
    weights = FusionWeights(1.0, 1.0, 0.0682)

    assert total(0.4, 0.6, 1.0, weights) == pytest.approx(0.5 + 0.0682 * 0.5)


def test_a_weight_of_zero_silences_a_signal() -> None:
    assert total(0.3, 0.9, None, FusionWeights(1.0, 0.0, 0.5)) == pytest.approx(0.3)
    assert total(0.3, 0.9, None, FusionWeights(0.0, 2.0, 0.5)) == pytest.approx(0.9)
    assert total(0.3, 0.3, 1.0, FusionWeights(1.0, 1.0, 0.0)) == pytest.approx(0.3)


@given(UNIT, UNIT, st.sampled_from([None, 0.0, 1.0]), WEIGHTS)
def test_a_total_lies_within_0_and_1(
    semantic: float, keyword: float, pattern: float | None, weights: FusionWeights
) -> None:
    assert 0.0 <= total(semantic, keyword, pattern, weights) <= 1.0 + 1e-12


@given(UNIT, UNIT, UNIT, UNIT, WEIGHTS)
def test_a_total_never_falls_when_a_component_rises(
    semantic: float, keyword: float, more_semantic: float, more_keyword: float, w: FusionWeights
) -> None:
    low = total(min(semantic, more_semantic), min(keyword, more_keyword), 0.0, w)
    high = total(max(semantic, more_semantic), max(keyword, more_keyword), 1.0, w)

    assert low <= high + 1e-12


@given(UNIT, UNIT, WEIGHTS)
def test_an_unfired_pattern_changes_nothing(
    semantic: float, keyword: float, weights: FusionWeights
) -> None:
    assert total(semantic, keyword, 0.0, weights) == total(semantic, keyword, None, weights)


def test_cosines_are_averaged_and_kept_within_0_and_1() -> None:
    nearest = np.array([1.0000002, 0.8, -0.2, -1.0])
    prototype = np.array([1.0000001, 0.4, 0.1, -1.0])

    assert blend_cosines(nearest, prototype) == pytest.approx([1.0, 0.6, 0.0, 0.0])
    assert blend_cosines(nearest, prototype).max() <= 1.0
