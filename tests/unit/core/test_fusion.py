"""How component scores become one, and what a total says against the others."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.fusion import FusionWeights, log_odds, similarity
from stratarouter.algorithms.logistic import sigmoid

UNIT = st.floats(0.0, 1.0)
COSINE = st.floats(-1.0, 1.0)
PUBLISHED = st.builds(FusionWeights.published, st.floats(0.01, 10.0), st.floats(0.0, 10.0), UNIT)


@st.composite
def learned_weights(draw: st.DrawFn) -> FusionWeights:
    parts = np.array([draw(st.floats(0.0, 1.0)) for _ in range(4)]) + 1e-3
    head, nearest, prototype, keyword = (parts / parts.sum()).tolist()
    sharpness, residual = draw(st.floats(1.0, 200.0)), draw(st.floats(-3.0, 8.0))
    return FusionWeights(nearest, prototype, keyword, draw(UNIT), head, sharpness, residual)


WEIGHTS = st.one_of(PUBLISHED, learned_weights())
TOTALS = st.lists(UNIT, min_size=1, max_size=6)


def total(semantic: float, keyword: float, pattern: float | None, weights: FusionWeights) -> float:
    fired = None if pattern is None else np.array([pattern])
    return weights.fuse(np.array([semantic]), np.array([keyword]), fired).item()


def blend(head: float | None, nearest: float, prototype: float, weights: FusionWeights) -> float:
    scores = None if head is None else np.array([head])
    return weights.blend(scores, np.array([nearest]), np.array([prototype])).item()


# Weights -----------------------------------------------------------------------------------------


def test_the_published_weights_are_renormalised_over_two_signals() -> None:
    weights = FusionWeights.published(0.6427, 0.2891, 0.0682)

    assert weights.semantic == pytest.approx(0.6427 / 0.9318)
    assert weights.keyword == pytest.approx(0.2891 / 0.9318)
    assert weights.nearest == weights.prototype
    assert (weights.pattern, weights.head) == (0.0682, 0.0)
    assert total(0.5, 0.25, None, weights) == pytest.approx((0.6427 * 0.5 + 0.2891 * 0.25) / 0.9318)


@given(WEIGHTS)
def test_weights_add_up_to_one(weights: FusionWeights) -> None:
    parts = (weights.head, weights.nearest, weights.prototype, weights.keyword)

    assert min(parts) >= 0.0
    assert sum(parts) == pytest.approx(1.0)
    assert weights.semantic + weights.keyword == pytest.approx(1.0)


def test_weights_never_change() -> None:
    weights = FusionWeights.published(1.0, 1.0, 0.0)

    for name in asdict(weights):
        with pytest.raises(FrozenInstanceError):
            setattr(weights, name, 0.5)


# Totals ------------------------------------------------------------------------------------------


def test_a_fired_pattern_covers_its_share_of_the_way_to_one() -> None:
    weights = FusionWeights.published(1.0, 1.0, 0.0682)

    assert total(0.4, 0.6, 1.0, weights) == pytest.approx(0.5 + 0.0682 * 0.5)


def test_a_weight_of_zero_silences_a_signal() -> None:
    published = FusionWeights.published

    assert total(0.3, 0.9, None, published(1.0, 0.0, 0.5)) == pytest.approx(0.3)
    assert total(0.3, 0.9, None, published(0.0, 2.0, 0.5)) == pytest.approx(0.9)
    assert total(0.3, 0.3, 1.0, published(1.0, 1.0, 0.0)) == pytest.approx(0.3)
    assert blend(0.9, 0.9, 0.9, published(0.0, 2.0, 0.5)) == 0.0
    assert blend(0.9, 0.4, 0.4, published(1.0, 1.0, 0.5)) == pytest.approx(0.4)


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


@given(UNIT, COSINE, COSINE, UNIT, learned_weights())
def test_a_total_is_the_weighted_mean_of_all_components(
    head: float, nearest: float, prototype: float, keyword: float, w: FusionWeights
) -> None:
    semantic = blend(head, nearest, prototype, w)

    expected = (
        w.head * head
        + w.nearest * max(nearest, 0.0)
        + w.prototype * max(prototype, 0.0)
        + w.keyword * keyword
    )
    assert total(semantic, keyword, None, w) == pytest.approx(expected, abs=1e-12)


# The semantic score ------------------------------------------------------------------------------


def test_cosines_are_averaged_and_kept_within_0_and_1() -> None:
    weights = FusionWeights.published(0.6427, 0.2891, 0.0682)
    nearest = np.array([1.0000002, 0.8, -0.2, -1.0])
    prototype = np.array([1.0000001, 0.4, 0.1, -1.0])

    blended = weights.blend(None, nearest, prototype)

    # What points away counts as nothing, not as an argument against.
    assert blended == pytest.approx([1.0, 0.6, 0.05, 0.0])
    assert blended.max() <= 1.0


@given(st.none() | UNIT, COSINE, COSINE, WEIGHTS)
def test_a_semantic_score_lies_within_0_and_1(
    head: float | None, nearest: float, prototype: float, weights: FusionWeights
) -> None:
    assert 0.0 <= blend(head, nearest, prototype, weights) <= 1.0


@given(st.tuples(UNIT, UNIT), st.tuples(COSINE, COSINE), st.tuples(COSINE, COSINE), WEIGHTS)
def test_a_semantic_score_never_falls_when_a_component_rises(
    head: tuple[float, float],
    nearest: tuple[float, float],
    prototype: tuple[float, float],
    weights: FusionWeights,
) -> None:
    low = blend(min(head), min(nearest), min(prototype), weights)
    high = blend(max(head), max(nearest), max(prototype), weights)

    assert low <= high + 1e-12


def test_scores_are_computed_without_touching_the_components() -> None:
    weights = FusionWeights(0.3, 0.2, 0.2, 0.1, 0.3)
    arrays = [np.array([0.2, 0.9]), np.array([-0.3, 0.7]), np.array([0.1, -0.4])]
    before = [array.copy() for array in arrays]

    weights.fuse(weights.blend(*arrays), arrays[0], np.ones(2))

    assert all(np.array_equal(*pair) for pair in zip(arrays, before, strict=True))


# Similarity --------------------------------------------------------------------------------------


@given(COSINE, COSINE, UNIT)
def test_similarity_is_the_published_mean_without_a_floor(
    nearest: float, prototype: float, keyword: float
) -> None:
    weights = FusionWeights.published(0.6427, 0.2891, 0.0682)
    expected = weights.nearest * nearest + weights.prototype * prototype + weights.keyword * keyword

    told = similarity(np.array([nearest]), np.array([prototype]), np.array([keyword])).item()

    assert told == pytest.approx(expected, abs=2e-3)
    assert -1.0 <= told <= 1.0 + 1e-12


@given(st.tuples(COSINE, COSINE), st.tuples(COSINE, COSINE), st.tuples(UNIT, UNIT))
def test_similarity_never_falls_when_a_component_rises(
    nearest: tuple[float, float], prototype: tuple[float, float], keyword: tuple[float, float]
) -> None:
    parts = [np.array([min(pair), max(pair)]) for pair in (nearest, prototype, keyword)]

    low, high = similarity(*parts).tolist()

    assert low <= high + 1e-12


# Log-odds ----------------------------------------------------------------------------------------


@given(TOTALS, WEIGHTS, st.booleans(), st.data())
def test_log_odds_are_those_of_a_softmax(
    totals: list[float], weights: FusionWeights, complete: bool, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(totals) - 1))
    z = [weights.sharpness * value for value in totals]
    rivals = [value for number, value in enumerate(z) if number != place]
    if not complete and rivals:
        rivals.append(min(z) + weights.residual)
    # A lone route competes with nothing; its total then speaks for itself.
    expected = z[place] - (float(np.logaddexp.reduce(rivals)) if rivals else 0.0)

    told = log_odds(np.array(totals), place, weights, complete=complete)

    assert told == pytest.approx(expected, abs=1e-9)
    assert math.isfinite(told)


@given(st.lists(UNIT, min_size=2, max_size=6), WEIGHTS)
def test_the_shares_of_all_routes_add_up_to_one(
    totals: list[float], weights: FusionWeights
) -> None:
    odds = [
        log_odds(np.array(totals), place, weights, complete=True) for place in range(len(totals))
    ]

    assert sigmoid(np.array(odds)).sum() == pytest.approx(1.0)


@given(TOTALS, UNIT, WEIGHTS, st.booleans(), st.data())
def test_log_odds_never_fall_with_the_own_total_nor_rise_with_that_of_another(
    totals: list[float],
    changed: float,
    weights: FusionWeights,
    complete: bool,
    data: st.DataObject,
) -> None:
    place, other = (data.draw(st.integers(0, len(totals) - 1)) for _ in range(2))
    low, high = np.array(totals), np.array(totals)
    low[other], high[other] = sorted([totals[other], changed])

    rise = log_odds(high, place, weights, complete=complete) - log_odds(
        low, place, weights, complete=complete
    )

    assert (rise if other == place else -rise) >= -1e-9


@given(st.lists(UNIT, min_size=2, max_size=6), WEIGHTS, st.booleans())
def test_the_best_total_has_the_best_odds(
    totals: list[float], weights: FusionWeights, complete: bool
) -> None:
    odds = [
        log_odds(np.array(totals), place, weights, complete=complete)
        for place in range(len(totals))
    ]

    assert odds[int(np.argmax(totals))] == pytest.approx(max(odds), abs=1e-9)


def test_a_tie_of_two_is_even() -> None:
    weights = FusionWeights.published(1.0, 1.0, 0.0)

    assert log_odds(np.array([0.4, 0.4]), 0, weights, complete=True) == 0.0


def test_unseen_routes_lower_the_odds() -> None:
    weights = FusionWeights.published(1.0, 1.0, 0.0)
    totals = np.array([0.2, 0.7, 0.5])

    seen = log_odds(totals, 1, weights, complete=True)
    few, many = (
        log_odds(totals, 1, replace(weights, residual=residual), complete=False)
        for residual in (0.0, 4.0)
    )

    assert many < few < seen


def test_sharper_weights_are_surer_of_the_best() -> None:
    weights = FusionWeights.published(1.0, 1.0, 0.0)
    totals = np.array([0.2, 0.7, 0.5])

    blunt, sharp = (
        log_odds(totals, 1, replace(weights, sharpness=sharpness), complete=True)
        for sharpness in (5.0, 50.0)
    )

    assert blunt < sharp


def test_the_largest_odds_do_not_overflow() -> None:
    weights = replace(FusionWeights.published(1.0, 1.0, 0.0), sharpness=1e6)
    totals = np.array([0.0, 1.0, 0.5])

    odds = [log_odds(totals, place, weights, complete=True) for place in range(3)]

    assert odds == pytest.approx([-1e6, 5e5, -5e5])
