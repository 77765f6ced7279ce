"""Weights are learned so that right routes get the largest shares."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.crossfit import Outcome
from stratarouter.scoring.candidates import ScoredCandidates
from stratarouter.weighing import MIN_OUTCOMES, learn_sharpness, learn_weights, log_losses

PUBLISHED = FusionWeights.published(0.6427, 0.2891, 0.0682)
WITH_HEAD = FusionWeights(0.25, 0.25, 0.2, 0.07, head=0.3, sharpness=20.0, residual=1.5)
PARTS = ("head", "nearest", "prototype", "keyword")


def outcome(
    parts: np.ndarray, target: int | None, weights: FusionWeights, *, complete: bool = True
) -> Outcome:
    """Return an outcome from rows of head, nearest, prototype and keyword score."""
    head = parts[:, 0] if weights.head > 0.0 else None
    scored = ScoredCandidates(
        np.arange(len(parts)),
        head,
        parts[:, 1],
        parts[:, 2],
        parts[:, 3],
        None,
        parts[:, 1],
        parts[:, 1],
        weights,
        complete,
    )
    return Outcome(scored.reweighed(weights), target)


def sampled(
    n: int, truth: FusionWeights, start: FusionWeights, *, seed: int = 0, n_routes: int = 6
) -> list[Outcome]:
    """Return outcomes whose right routes are drawn from the shares under known weights."""
    rng = np.random.default_rng(seed)
    outcomes: list[Outcome] = []
    for _ in range(n):
        parts = rng.random((n_routes, 4))
        z = truth.sharpness * parts @ [getattr(truth, name) for name in PARTS]
        shares = np.exp(z - z.max())
        target = int(rng.choice(n_routes, p=shares / shares.sum()))
        outcomes.append(outcome(parts, target, start))
    return outcomes


def components(weights: FusionWeights) -> list[float]:
    return [getattr(weights, name) for name in PARTS]


# Losses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [PUBLISHED, WITH_HEAD])
@pytest.mark.parametrize("complete", [True, False])
def test_losses_equal_a_plain_computation(weights: FusionWeights, complete: bool) -> None:
    rng = np.random.default_rng(3)
    outcomes = [
        outcome(rng.uniform(-0.5, 1.0, (4, 4)), number % 5, weights, complete=complete)
        for number in range(10)
        if number % 5 < 4 or not complete
    ]

    losses = log_losses(outcomes, weights)

    for entry, loss in zip(outcomes, losses, strict=True):
        scored = entry.scored
        totals = []
        for place in range(4):
            head = 0.0 if scored.head is None else float(scored.head[place])
            values = (
                head,
                max(0.0, float(scored.nearest[place])),
                max(0.0, float(scored.prototype[place])),
                float(scored.keyword[place]),
            )
            totals.append(sum(a * b for a, b in zip(components(weights), values, strict=True)))
        odds = [math.exp(weights.sharpness * total) for total in totals]
        if not complete:
            odds.append(math.exp(weights.sharpness * min(totals) + weights.residual))
        right = -1 if entry.target == 4 else entry.target
        assert right is not None
        assert loss == pytest.approx(-math.log(odds[right] / sum(odds)))


@given(st.integers(0, 10_000), st.booleans(), st.integers(2, 8))
def test_losses_are_those_of_the_log_odds(seed: int, complete: bool, n_routes: int) -> None:
    rng = np.random.default_rng(seed)
    target = int(rng.integers(n_routes))
    entry = outcome(rng.random((n_routes, 4)), target, WITH_HEAD, complete=complete)

    [loss] = log_losses([entry], WITH_HEAD)

    log_odds = entry.scored.log_odds(target)
    assert loss == pytest.approx(math.log1p(math.exp(-log_odds)))


def test_queries_of_no_route_have_no_loss() -> None:
    inside = outcome(np.eye(4), 0, PUBLISHED)
    outside = replace(inside, target=None)

    assert len(log_losses([outside, inside, outside], PUBLISHED)) == 1
    assert len(log_losses([outside], PUBLISHED)) == 0
    assert len(log_losses([], PUBLISHED)) == 0


# Weights -----------------------------------------------------------------------------------------


def test_known_weights_are_found_again() -> None:
    truth = FusionWeights(0.1, 0.3, 0.2, 0.07, head=0.4, sharpness=15.0)

    found = learn_weights(sampled(4_000, truth, WITH_HEAD), WITH_HEAD)

    assert components(found) == pytest.approx(components(truth), abs=0.05)
    assert found.sharpness == pytest.approx(15.0, rel=0.1)


@given(st.integers(0, 10_000), st.sampled_from([PUBLISHED, WITH_HEAD]), st.integers(30, 60))
def test_learned_weights_are_weights_and_no_worse(seed: int, start: FusionWeights, n: int) -> None:
    rng = np.random.default_rng(seed)
    outcomes = [outcome(rng.random((5, 4)), int(rng.integers(5)), start) for _ in range(n)]

    found = learn_weights(outcomes, start)

    assert min(components(found)) >= 0.0
    assert sum(components(found)) == pytest.approx(1.0)
    assert found.sharpness > 0.0
    assert found.pattern == start.pattern
    assert log_losses(outcomes, found).sum() <= log_losses(outcomes, start).sum() + 1e-6


@pytest.mark.parametrize("misleading", [1, 2, 3])
def test_a_score_that_misleads_gets_no_weight(misleading: int) -> None:
    rng = np.random.default_rng(0)
    outcomes: list[Outcome] = []
    for number in range(300):
        parts = 0.5 + 0.1 * rng.random((5, 4))
        parts[number % 5] += 0.2
        parts[number % 5, misleading] = 0.0
        outcomes.append(outcome(parts, number % 5, PUBLISHED))

    found = learn_weights(outcomes, PUBLISHED)

    assert components(found)[misleading] == 0.0
    assert sum(components(found)) == pytest.approx(1.0)


def test_without_a_head_none_gets_weight() -> None:
    found = learn_weights(sampled(200, WITH_HEAD, PUBLISHED), PUBLISHED)

    assert found.head == 0.0
    assert found != PUBLISHED


def test_a_useful_head_gets_most_of_the_weight() -> None:
    rng = np.random.default_rng(0)
    outcomes: list[Outcome] = []
    for number in range(300):
        parts = rng.random((5, 4))
        parts[:, 0] = 0.2
        parts[number % 5, 0] = 0.9
        outcomes.append(outcome(parts, number % 5, WITH_HEAD))

    assert learn_weights(outcomes, WITH_HEAD).head > 0.5


@pytest.mark.parametrize("learn", [learn_weights, learn_sharpness])
def test_too_few_outcomes_teach_nothing(learn: object) -> None:
    outcomes = sampled(MIN_OUTCOMES, PUBLISHED, PUBLISHED)
    foreign = [replace(entry, target=None) for entry in outcomes] * 5

    assert callable(learn)
    assert learn(outcomes[:-1] + foreign, PUBLISHED) is PUBLISHED
    assert learn(foreign, PUBLISHED) is PUBLISHED
    assert learn(outcomes, PUBLISHED) != PUBLISHED


@pytest.mark.parametrize("learn", [learn_weights, learn_sharpness])
def test_queries_of_no_route_are_passed_over(learn: object) -> None:
    outcomes = sampled(50, WITH_HEAD, WITH_HEAD)
    foreign = [replace(entry, target=None) for entry in sampled(50, PUBLISHED, WITH_HEAD, seed=5)]

    assert callable(learn)
    assert learn([*foreign, *outcomes], WITH_HEAD) == learn(outcomes, WITH_HEAD)


def test_routes_that_are_no_candidates_raise_the_residual() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.random((4, 4)) for _ in range(200)]
    start = replace(PUBLISHED, residual=0.0)

    seldom, often = (
        learn_weights(
            [
                outcome(rows, 99 if number % 10 < share else number % 4, start, complete=False)
                for number, rows in enumerate(parts)
            ],
            start,
        ).residual
        for share in (1, 8)
    )

    assert often > seldom


# Sharpness ---------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.sampled_from([PUBLISHED, WITH_HEAD]))
def test_weights_chosen_by_hand_are_kept_and_only_sharpened(
    seed: int, start: FusionWeights
) -> None:
    rng = np.random.default_rng(seed)
    outcomes = [outcome(rng.random((5, 4)), int(rng.integers(5)), start) for _ in range(40)]

    found = learn_sharpness(outcomes, start)

    assert (components(found), found.pattern) == (components(start), start.pattern)
    assert found.sharpness >= 1.0
    assert log_losses(outcomes, found).sum() <= log_losses(outcomes, start).sum() + 1e-6


@pytest.mark.parametrize("sharpness", [5.0, 40.0])
def test_a_known_sharpness_is_found_again(sharpness: float) -> None:
    truth = replace(PUBLISHED, sharpness=sharpness)

    found = learn_sharpness(sampled(3_000, truth, PUBLISHED), PUBLISHED)

    assert found.sharpness == pytest.approx(sharpness, rel=0.1)


def test_scores_that_always_mislead_are_not_turned_round() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.random((5, 4)) for _ in range(200)]
    worst = [int((rows @ components(PUBLISHED)).argmin()) for rows in parts]
    outcomes = [outcome(rows, target, PUBLISHED) for rows, target in zip(parts, worst, strict=True)]

    assert learn_sharpness(outcomes, PUBLISHED).sharpness == 1.0
