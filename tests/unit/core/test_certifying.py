"""Certificates: what is certified, for which routes, and what is said where labels are missing."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from stratarouter.algorithms.conformal import clopper_pearson_upper
from stratarouter.certifying import Certificate, certify
from stratarouter.errors import InvalidInputError


def descending(n: int) -> np.ndarray:
    """Return n distinct confidences, highest first."""
    return np.linspace(0.99, 0.11, n)


def first_right(n: int, n_right: int) -> np.ndarray:
    """Return n outcomes of which the first are right."""
    return np.arange(n) < n_right


def certified(n: int = 1_000, n_right: int = 900, **options: Any) -> Certificate:
    """Return the certificate of one route."""
    settings = {"alpha": 0.05, "delta": 0.05, **options}
    return certify(descending(n), first_right(n, n_right), **settings)


def two_routes(n_first: int, n_second: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return labelled queries of a route that is always right and one whose lower half is wrong."""
    confidences = np.concatenate([descending(n_first), descending(n_second)])
    correct = np.concatenate([first_right(n_first, n_first), first_right(n_second, n_second // 2)])
    return confidences, correct, ["sure"] * n_first + ["unsure"] * n_second


def test_the_accepted_are_those_that_reach_the_threshold() -> None:
    certificate = certified()
    accepted = descending(1_000) >= certificate.threshold
    assert certificate.holds
    assert certificate.n_accepted == accepted.sum()
    assert certificate.n_wrong == (~first_right(1_000, 900))[accepted].sum()
    assert certificate.coverage == certificate.n_accepted / 1_000
    assert certificate.n_wrong / certificate.n_accepted < certificate.upper_bound <= 0.05


def test_where_all_is_right_everything_is_accepted() -> None:
    certificate = certified(n_right=1_000)
    assert (certificate.threshold, certificate.coverage) == (0.0, 1.0)


def test_too_few_labels_certify_nothing_and_say_how_many_are_missing() -> None:
    certificate = certified(n=40, n_right=40)
    assert not certificate.holds
    assert certificate.threshold == 1.0
    assert (certificate.n_accepted, certificate.coverage, certificate.n_wrong) == (0, 0.0, 0)
    assert certificate.upper_bound == 1.0
    assert certificate.labels_needed == 19
    assert "about 19 more labels" in str(certificate)


def test_a_certificate_that_holds_needs_no_labels() -> None:
    assert certified().labels_needed == 0


def test_a_handful_of_labels_is_no_reason_to_despair() -> None:
    certificate = certify(np.array([0.9, 0.8]), np.array([False, True]), alpha=0.05, delta=0.05)
    assert certificate.labels_needed == 57


def test_the_labels_that_are_named_suffice_if_they_are_alike() -> None:
    n = 100
    correct = np.ones(n, dtype=bool)
    correct[[40, 80]] = False
    before = certify(descending(n), correct, alpha=0.02, delta=0.05)
    assert not before.holds
    assert before.labels_needed is not None
    times = math.ceil((n + before.labels_needed) / n) + 1
    after = certify(
        np.sort(np.repeat(descending(n), times) + 1e-6 * np.arange(n * times))[::-1],
        np.repeat(correct, times),
        alpha=0.02,
        delta=0.05,
    )
    assert after.holds


def test_where_everything_is_wrong_more_labels_do_not_help() -> None:
    certificate = certified(n_right=0)
    assert not certificate.holds
    assert certificate.labels_needed is None
    assert "more may not help" in str(certificate)


def test_a_few_right_answers_at_the_top_are_no_promise() -> None:
    correct = np.arange(1_000) % 5 != 4
    certificate = certify(descending(1_000), correct, alpha=0.05, delta=0.05)
    assert correct[:4].all()
    assert certificate.labels_needed is None


def test_a_risk_just_above_alpha_names_no_number() -> None:
    correct = np.arange(2_000) % 10 != 0
    certificate = certify(descending(2_000), correct, alpha=0.09, delta=0.05)
    assert not certificate.holds
    assert certificate.labels_needed is None


def test_routes_with_enough_labels_have_thresholds_of_their_own() -> None:
    confidences, correct, routes = two_routes(600, 1_200)
    certificate = certify(confidences, correct, routes, alpha=0.05, delta=0.05)
    assert certificate.thresholds["sure"] == 0.0
    assert 0.4 < certificate.thresholds["unsure"] < 0.6
    assert [group.route_id for group in certificate.groups] == ["unsure", "sure"]
    assert certificate.threshold_of("unsure") == certificate.thresholds["unsure"]


def test_nothing_is_accepted_for_routes_that_no_label_speaks_of() -> None:
    confidences, correct, routes = two_routes(600, 1_200)
    certificate = certify(confidences, correct, routes, alpha=0.05, delta=0.05)
    assert certificate.threshold_of("never seen") == certificate.threshold == 1.0


def test_the_routes_with_few_labels_share_a_threshold() -> None:
    confidences, correct, routes = two_routes(600, 900)
    routes = [f"{route}{number % 20}" for number, route in enumerate(routes)]
    certificate = certify(confidences, correct, routes, alpha=0.05, delta=0.05)
    assert certificate.thresholds == {}
    assert [group.route_id for group in certificate.groups] == [None]
    assert certificate.threshold_of("sure1") == certificate.threshold < 1.0


def test_the_others_are_left_enough_labels() -> None:
    # Alone, 100 labels of the small route could prove little; so it shares with the middle one.
    n = 2_100
    routes = ["large"] * 1_400 + ["middle"] * 600 + ["small"] * 100
    certificate = certify(descending(n), np.ones(n), routes, alpha=0.05, delta=0.05)
    assert [(group.route_id, group.n) for group in certificate.groups] == [
        ("large", 1_400),
        (None, 700),
    ]


def test_per_route_can_be_declined() -> None:
    confidences, correct, routes = two_routes(600, 1_200)
    pooled = certify(confidences, correct, routes, alpha=0.05, delta=0.05, per_route=False)
    plain = certify(confidences, correct, alpha=0.05, delta=0.05)
    assert pooled == plain
    assert pooled.thresholds == {}


def test_a_single_route_has_the_threshold_of_all_together() -> None:
    plain = certified()
    single = certify(
        descending(1_000), first_right(1_000, 900), ["a"] * 1_000, alpha=0.05, delta=0.05
    )
    assert single.threshold_of("a") == plain.threshold


def test_delta_is_divided_among_the_groups() -> None:
    confidences, correct, routes = two_routes(600, 1_200)
    together = certify(confidences, correct, routes, alpha=0.05, delta=0.05)
    unsure, sure = together.groups
    assert sure.upper_bound == clopper_pearson_upper(0, 600, 0.025)
    assert together.upper_bound == unsure.upper_bound > sure.upper_bound


def test_a_part_of_delta_has_to_suffice_for_a_route_of_its_own() -> None:
    # 4 x 59 labels would do for one threshold, but two need 4 x 72 each.
    n = 550
    routes = ["large"] * 250 + [f"r{number % 10}" for number in range(300)]
    certificate = certify(descending(n), np.ones(n), routes, alpha=0.05, delta=0.05)
    assert certificate.thresholds == {}


def test_missing_labels_of_a_route_are_counted_over_all_routes() -> None:
    hard, easy = np.arange(600) % 22 != 0, np.arange(600) % 30 != 0
    alone = [certify(descending(600), part, alpha=0.05, delta=0.025) for part in (hard, easy)]
    certificate = certify(
        np.tile(descending(600), 2),
        np.concatenate([hard, easy]),
        ["hard"] * 600 + ["easy"] * 600,
        alpha=0.05,
        delta=0.05,
    )
    needed = {group.route_id: group.labels_needed for group in certificate.groups}
    expected = [2 * (part.labels_needed or 0) for part in alone]
    assert (needed["hard"], needed["easy"]) == (expected[0], expected[1])
    assert expected[0] > expected[1] > 0
    assert certificate.labels_needed == expected[1]


def test_a_route_that_is_refused_is_named_beside_those_that_are_certified() -> None:
    confidences, correct, routes = two_routes(600, 600)
    correct[600:] = False
    certificate = certify(confidences, correct, routes, alpha=0.05, delta=0.05)
    assert certificate.holds
    assert certificate.labels_needed == 0
    assert certificate.thresholds == {"sure": 0.0, "unsure": 1.0}
    assert (certificate.n_accepted, certificate.n_wrong) == (600, 0)
    assert "unsure: nothing is accepted" in str(certificate)


def test_the_text_says_what_is_claimed_and_on_what_grounds() -> None:
    certificate = certified(alpha=0.125, delta=0.005)
    lines = str(certificate).splitlines()
    assert lines[0] == "certified: P(wrong | accepted) <= 12.5% with confidence 99.5%"
    assert f"all routes {certificate.threshold:.4f}" in lines[1]
    assert f"accepted {certificate.n_accepted} of 1,000 labelled queries" in lines[2]


def test_many_thresholds_are_not_all_spelled_out() -> None:
    n = 8_000
    routes = [f"r{number % 8}" for number in range(n)]
    certificate = certify(descending(n), np.ones(n), routes, alpha=0.05, delta=0.05)
    assert len(certificate.thresholds) == 8
    assert "r4 0.0000, 3 routes more" in str(certificate)


def test_labels_from_examples_are_noted() -> None:
    assert certified().source == "queries"
    certificate = certified(source="examples")
    assert certificate.source == "examples"
    assert "routes' own examples" in str(certificate)


def test_a_certificate_becomes_json_and_cannot_be_changed() -> None:
    confidences, correct, routes = two_routes(600, 1_200)
    certificate = certify(confidences, correct, routes, alpha=0.05, delta=0.05)
    data = json.loads(json.dumps(certificate.to_dict()))
    assert data["thresholds"] == dict(certificate.thresholds)
    assert data["groups"][1]["route_id"] == "sure"
    assert data["holds"] is True
    with pytest.raises(AttributeError):
        certificate.alpha = 0.5  # type: ignore[misc]


def test_outcomes_may_be_truths_or_numbers() -> None:
    correct = first_right(500, 480)
    assert certify(descending(500), correct, alpha=0.05, delta=0.05) == certify(
        descending(500), correct.astype(float), alpha=0.05, delta=0.05
    )


@pytest.mark.parametrize(
    ("confidences", "correct"),
    [([], []), ([0.5, 0.5], [True]), ([[0.5]], [[True]]), (0.5, True)],
)
def test_arrays_that_do_not_fit_are_refused(confidences: Any, correct: Any) -> None:
    with pytest.raises(InvalidInputError, match="one outcome for each"):
        certify(np.array(confidences), np.array(correct), alpha=0.05, delta=0.05)


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.1])
def test_confidences_outside_the_unit_interval_are_refused(value: float) -> None:
    with pytest.raises(InvalidInputError, match="not NaN"):
        certify(np.array([0.5, value]), np.ones(2), alpha=0.05, delta=0.05)


def test_an_outcome_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="outcome must be"):
        certify(np.array([0.5]), np.array([0.5]), alpha=0.05, delta=0.05)


@pytest.mark.parametrize("routes", [["a"], "ab"])
def test_routes_that_do_not_fit_are_refused(routes: Any) -> None:
    with pytest.raises(InvalidInputError, match="one route for each of the 2"):
        certify(np.array([0.5, 0.6]), np.ones(2), routes, alpha=0.05, delta=0.05)


@pytest.mark.parametrize("setting", ["alpha", "delta"])
@pytest.mark.parametrize("value", [0.0, 1.0, math.nan])
@pytest.mark.parametrize("n", [1, 100])
def test_shares_outside_the_open_unit_interval_are_refused(
    setting: str, value: float, n: int
) -> None:
    settings: dict[str, Any] = {"alpha": 0.05, "delta": 0.05, setting: value}
    with pytest.raises(InvalidInputError, match=f"{setting} must be strictly between"):
        certify(np.full(n, 0.5), np.ones(n), ["a"] * n, **settings)
