"""The evaluation report on results made by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stratarouter.algorithms.metrics import expected_calibration_error
from stratarouter.errors import InvalidInputError, RouteNotFoundError
from stratarouter.evaluation import Confusion, RouteFigures, evaluate
from stratarouter.types import Alternative, RouteResult, RouteScores


def result_for(
    candidate: str,
    confidence: float,
    *,
    accepted: bool = True,
    query: str = "some text",
    latency_ms: float = 1.0,
    fallback: str | None = None,
) -> RouteResult:
    scores = RouteScores(0.5, 0.5, 0.0, 0.5, confidence=confidence)
    best = Alternative(candidate, scores)
    return RouteResult(
        route_id=candidate if accepted else fallback,
        confidence=confidence,
        scores=scores,
        reason="accepted" if accepted else ("fallback" if fallback else "below_threshold"),
        alternatives=() if accepted else (best,),
        latency_ms=latency_ms,
        query=query,
    )


RESULTS = [
    result_for("billing", 0.9, query="invoice", latency_ms=1.0),
    result_for("support", 0.8, query="crash", latency_ms=2.0),
    result_for("support", 0.7, query="refund", latency_ms=3.0),
    result_for("billing", 0.4, accepted=False, query="pay", latency_ms=4.0),
    result_for("billing", 0.6, query="weather", latency_ms=5.0),
    result_for("support", 0.2, accepted=False, query="poem", latency_ms=6.0),
]
LABELS = ["billing", "support", "billing", "billing", None, None]


def test_figures_agree_with_counting_by_hand() -> None:
    report = evaluate(RESULTS, LABELS)
    assert (report.n, report.n_in_scope, report.n_out_of_scope) == (6, 4, 2)
    # "refund" went to support; "pay" is right although it was not accepted.
    assert report.accuracy == 3 / 4
    assert report.coverage == 4 / 6
    assert report.in_scope_coverage == 3 / 4
    assert report.precision == 2 / 4
    assert report.out_of_scope_recall == 1 / 2
    # All in-scope queries must be accepted to reach 95 %: the threshold is 0.4.
    assert report.out_of_scope_recall_at_95 == 1 / 2
    # Right answers 0.9, 0.8, 0.4 against 0.6, 0.2: five of six pairs in order.
    assert report.auroc == pytest.approx(5 / 6)
    assert report.brier == pytest.approx((0.01 + 0.04 + 0.49 + 0.36 + 0.36 + 0.04) / 6)
    assert report.latency_p50_ms == 3.5
    assert report.latency_p99_ms == pytest.approx(5.95)


def test_calibration_counts_every_candidate_of_an_out_of_scope_query_as_wrong() -> None:
    confidence = np.array([entry.confidence for entry in RESULTS])
    right = np.array([True, True, False, True, False, False])
    report = evaluate(RESULTS, LABELS)
    assert report.ece == pytest.approx(expected_calibration_error(confidence, right))
    assert 0.0 < report.ece_if_calibrated < report.ece_if_calibrated_p95 < 1.0


def test_routes_are_judged_on_what_they_accepted() -> None:
    report = evaluate(RESULTS, LABELS, known=["support", "billing", "idle"])
    assert report.routes == (
        RouteFigures(route_id="support", n=1, n_right=1, n_accepted=2, precision=0.5, recall=1.0),
        RouteFigures(route_id="billing", n=3, n_right=2, n_accepted=2, precision=0.5, recall=1 / 3),
        RouteFigures(route_id="idle", n=0, n_right=0, n_accepted=0, precision=None, recall=None),
    )


def test_confusions_count_wrong_candidates_but_no_rightly_rejected_query() -> None:
    twice = evaluate([*RESULTS, RESULTS[2]], [*LABELS, "billing"])
    assert twice.confusions == (
        Confusion(label="billing", route_id="support", n=2),
        Confusion(label=None, route_id="billing", n=1),
    )


def test_worst_mistakes_are_the_most_confident_and_keep_their_result() -> None:
    report = evaluate(RESULTS, LABELS)
    assert [entry.result.query for entry in report.worst] == ["refund", "weather"]
    assert report.worst[0].result is RESULTS[2]


def test_reliability_bins_hold_every_query_and_give_the_calibration_error() -> None:
    report = evaluate(RESULTS, LABELS)
    assert len(report.reliability) == 15
    assert [entry.n for entry in report.reliability if entry.n] == [1, 1, 1, 1, 1, 1]
    gaps = sum(
        entry.n * abs(entry.accuracy - entry.confidence)
        for entry in report.reliability
        if entry.accuracy is not None and entry.confidence is not None
    )
    assert gaps / report.n == pytest.approx(report.ece)
    empty = next(entry for entry in report.reliability if not entry.n)
    assert (empty.confidence, empty.accuracy) == (None, None)


def test_reliability_bin_is_open_on_its_left() -> None:
    report = evaluate([result_for("a", 0.2)], ["a"])
    filled = next(entry for entry in report.reliability if entry.n)
    assert filled.upper == pytest.approx(0.2)


def test_risk_curve_starts_with_the_surest_and_ends_with_all() -> None:
    risk = evaluate(RESULTS, LABELS).risk
    assert risk.thresholds == (0.9, 0.8, 0.7, 0.6, 0.4, 0.2)
    assert risk.coverage == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0])
    assert risk.risk == pytest.approx([0.0, 0.0, 1 / 3, 2 / 4, 2 / 5, 3 / 6])


def test_risk_curve_as_data_is_thinned_but_keeps_both_ends() -> None:
    results = [result_for("a", (i + 1) / 1002) for i in range(1000)]
    report = evaluate(results, ["a"] * 1000)
    thinned = report.to_dict()["risk"]
    assert len(report.risk.thresholds) == 1000
    assert {len(column) for column in thinned.values()} == {200}
    assert (thinned["thresholds"][0], thinned["coverage"][-1]) == (1000 / 1002, 1.0)


def test_confusion_matrix_shows_pairs_with_what_went_right() -> None:
    matrix = evaluate(RESULTS, LABELS).confusion_matrix()
    assert matrix.candidates == ("billing", "support")
    assert matrix.labels == ("billing", "support", None)
    assert matrix.counts == ((2, 1), (0, 1), (1, 0))


def test_confusion_matrix_takes_the_most_confused_pairs_and_whole_pairs_only() -> None:
    names = [*"abcdef"]
    results = [result_for(name, 0.5) for name in (*"bbb", *"dd", "f")]
    report = evaluate(results, [*"aaa", *"cc", "e"], known=names)
    assert report.confusion_matrix(5).candidates == ("a", "b", "c", "d")
    assert report.confusion_matrix(6).candidates == tuple(names)


def test_confusion_matrix_without_mistakes_is_empty() -> None:
    matrix = evaluate(RESULTS[:2], LABELS[:2]).confusion_matrix()
    assert (matrix.labels, matrix.candidates, matrix.counts) == ((), (), ())


def test_rejected_in_scope_query_with_wrong_candidate_is_a_mistake() -> None:
    report = evaluate([result_for("support", 0.3, accepted=False)], ["billing"])
    assert report.worst[0].to_dict() == {
        "query": "some text",
        "label": "billing",
        "route_id": "support",
        "confidence": 0.3,
        "accepted": False,
    }


def test_fallback_route_is_no_acceptance_and_not_the_candidate() -> None:
    report = evaluate([result_for("billing", 0.3, accepted=False, fallback="support")], ["billing"])
    assert report.accuracy == 1.0
    assert report.coverage == 0.0
    assert report.precision is None


def test_without_out_of_scope_queries_their_figures_are_none() -> None:
    report = evaluate(RESULTS[:4], LABELS[:4])
    assert report.out_of_scope_recall is None
    assert report.out_of_scope_recall_at_95 is None
    assert report.auroc is None
    assert report.accuracy == 3 / 4


def test_without_in_scope_queries_accuracy_is_none() -> None:
    report = evaluate(RESULTS[4:], LABELS[4:])
    assert report.accuracy is None
    assert report.in_scope_coverage is None
    assert report.auroc is None
    assert report.precision == 0.0


def test_without_right_answers_separation_is_none() -> None:
    report = evaluate([result_for("a", 0.5), result_for("a", 0.5)], ["b", None])
    assert report.auroc is None
    assert report.out_of_scope_recall_at_95 == 0.0


def test_equal_seeds_give_equal_reports() -> None:
    assert evaluate(RESULTS, LABELS, seed=5) == evaluate(RESULTS, LABELS, seed=5)


def test_report_as_data_survives_json() -> None:
    report = evaluate(RESULTS, LABELS)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["accuracy"] == report.accuracy
    assert data["confusions"][0] == {"label": "billing", "route_id": "support", "n": 1}
    assert data["worst"][0]["query"] == "refund"
    assert len(data["routes"]) == 2


def test_report_as_text_names_figures_and_mistakes() -> None:
    text = str(evaluate(RESULTS, LABELS))
    assert "6 queries, 4 in scope, 2 out of scope" in text
    accuracy = next(line for line in text.splitlines() if line.startswith("in-scope accuracy"))
    assert accuracy.split()[2:4] == ["75.0", "%"]
    assert "1 x  billing -> support" in text
    assert "0.600  out of scope -> billing: 'weather'" in text


def test_report_as_text_shows_a_dash_where_there_is_no_figure() -> None:
    text = str(evaluate(RESULTS[:1], LABELS[:1]))
    recall = next(line for line in text.splitlines() if line.startswith("out-of-scope recall"))
    assert recall.split()[2] == "-"
    assert "mistakes" not in text


def test_label_that_no_route_has_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RouteNotFoundError, match="did you mean 'billing'"):
        evaluate(RESULTS[:1], ["biling"], known=["billing", "support"])


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="6 results and 1 labels"):
        evaluate(RESULTS, ["billing"])


def test_nothing_to_evaluate_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no queries"):
        evaluate([], [])


def test_result_without_any_candidate_is_refused_by_position() -> None:
    bare = RouteResult(
        route_id=None, confidence=0.1, scores=RESULTS[0].scores, reason="below_threshold"
    )
    with pytest.raises(InvalidInputError, match="result 1 was not accepted"):
        evaluate([RESULTS[0], bare], ["billing", None])
