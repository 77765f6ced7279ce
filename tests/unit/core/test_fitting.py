"""Fitting a built router to labelled queries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratarouter import InvalidInputError, Route, RouteNotFoundError, Router
from stratarouter.algorithms.metrics import expected_calibration_error
from stratarouter.calibrating import MIN_OUTCOMES, MIN_OUTCOMES_ISOTONIC
from tests.labelled_worlds import (
    DIMENSION,
    World,
    best_of,
    built,
    confidences,
    fit,
    world,
)

# What a fit learns -------------------------------------------------------------------------------


def test_confidences_fit_unseen_queries_after_the_fit() -> None:
    router, unseen = built(), world(3_000, seed=2)
    before = expected_calibration_error(*confidences(router, unseen))

    report = fit(router, world(1_500, seed=1))

    after = expected_calibration_error(*confidences(router, unseen))
    assert after < 0.04 < before
    assert report.ece_held_out is not None
    assert report.ece_before is not None
    assert report.ece_held_out == pytest.approx(after, abs=0.03)
    assert report.ece_held_out < report.ece_before
    assert router.route("query", unseen.embeddings[0]).calibrated


def test_labelled_foreign_queries_make_foreign_queries_less_sure() -> None:
    foreign = world(400, seed=3, foreign=1.0)
    unaware, aware = built(), built()

    fit(unaware, world(1_500, seed=1, foreign=0.0))
    fit(aware, world(1_500, seed=1, foreign=0.4))

    assert confidences(aware, foreign)[0].mean() < 0.5 * confidences(unaware, foreign)[0].mean()


def test_queries_that_are_all_foreign_can_be_learned_from() -> None:
    router = built()

    report = fit(router, world(200, seed=3, foreign=1.0))

    assert report.n_out_of_scope == report.n == 200
    assert report.accuracy is None
    assert report.method == "logistic"
    assert confidences(router, world(50, seed=4, foreign=1.0))[0].max() < 0.5


def test_overrides_are_learned_apart() -> None:
    urgent = Route("urgent", examples=["x"], patterns=["urgent"], pattern_mode="override")
    router = built(routes=[urgent])
    data = world(60, seed=5)
    override = World(
        [f"urgent {place}" for place in range(40)],
        ["r0" if place % 2 else "urgent" for place in range(40)],
        np.ones((40, DIMENSION)),
    )
    router.fit(
        data.queries + override.queries,
        data.labels + override.labels,
        np.vstack([data.embeddings, override.embeddings]),
    )

    # 20 of 40 were right, on top of 20 pseudo-observations of 0.99.
    expected = (20 + 20 * 0.99) / 60
    assert router.route("urgent!", np.ones(DIMENSION)).confidence == pytest.approx(expected)


def test_overrides_are_learned_even_from_few_queries_and_keep_the_fit() -> None:
    urgent = Route("urgent", examples=["x"], patterns=["urgent"], pattern_mode="override")
    router, unseen = built(routes=[urgent]), world(100, seed=2)
    fit(router, world(300, seed=1))
    before, _ = confidences(router, unseen)

    for _ in range(2):
        router.fit(["urgent"] * 20, ["r0"] * 20, np.ones((20, DIMENSION)))

    override = router.route("urgent!", np.ones(DIMENSION)).confidence
    assert override == pytest.approx(20 * 0.99 / 40)
    assert confidences(router, unseen)[0].tolist() == before.tolist()


# What a fit leaves alone -------------------------------------------------------------------------


def test_routes_and_vectors_stay() -> None:
    router, unseen = built(), world(50, seed=6)
    routes = router.routes

    def nearest() -> dict[tuple[str, str, str], float]:
        return {
            (query, route_id, text): cosine
            for query, embedding in zip(unseen.queries, unseen.embeddings, strict=True)
            for route_id, text, cosine in router.route(query, embedding).explain().nearest_examples
        }

    before = nearest()

    fit(router, world(400, seed=1))

    after = nearest()
    assert router.routes == routes
    shared = before.keys() & after.keys()
    assert len(shared) > 50
    assert [after[key] for key in shared] == [before[key] for key in shared]


def test_scores_and_winners_stay_if_the_weights_were_chosen_by_hand() -> None:
    router, unseen = built(dense_weight=0.7, bm25_weight=0.3), world(200, seed=6)

    def decided() -> list[tuple[str | None, float, float, float]]:
        results = router.route_batch(unseen.queries, unseen.embeddings)
        return [
            (best_of(result), result.scores.semantic, result.scores.keyword, result.scores.total)
            for result in results
        ]

    before = decided()

    fit(router, world(400, seed=1))

    assert decided() == before


def test_a_fit_is_a_new_version() -> None:
    router = built()
    before = router.version

    fit(router, world(50, seed=1))

    assert router.version == before + 1


def test_equal_fits_give_equal_confidences_however_often() -> None:
    once, twice = built(), built()
    fit(once, world(300, seed=1))
    for _ in range(2):
        fit(twice, world(300, seed=1))
    unseen = world(100, seed=2)

    assert confidences(once, unseen)[0].tolist() == confidences(twice, unseen)[0].tolist()


@pytest.mark.parametrize("n", [1, MIN_OUTCOMES - 1])
def test_too_few_queries_change_no_confidence(n: int) -> None:
    router, unseen = built(), world(100, seed=2)
    fit(router, world(300, seed=1))
    before, _ = confidences(router, unseen)

    report = fit(router, world(n, seed=9))

    assert report.method == "unchanged"
    assert report.ece_held_out == report.ece_before
    assert "too few" in str(report)
    assert confidences(router, unseen)[0].tolist() == before.tolist()


def test_the_fit_outlives_added_routes_but_not_a_build() -> None:
    router, unseen = built(), world(50, seed=2)
    fit(router, world(800, seed=1))
    fitted, _ = confidences(router, unseen)

    extra = np.full(DIMENSION, 1e-3)
    extra[0] = -1.0
    router.add_route(Route("extra", examples=["x"]), embeddings=extra)
    router.remove_route("extra")
    assert confidences(router, unseen)[0] == pytest.approx(fitted)

    router.build_index()
    assert not np.allclose(confidences(router, unseen)[0], fitted)


# The report --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "method"),
    [
        (MIN_OUTCOMES, "logistic"),
        (MIN_OUTCOMES_ISOTONIC - 1, "logistic"),
        (MIN_OUTCOMES_ISOTONIC, "isotonic"),
    ],
)
def test_the_report_names_method_and_counts(n: int, method: str) -> None:
    data = world(n, seed=1)

    report = fit(built(), data)

    assert (report.n, report.n_out_of_scope) == (n, data.labels.count(None))
    assert report.method == method
    assert method in str(report)
    assert report.to_dict()["method"] == method


def test_the_accuracy_is_that_of_the_best_candidates() -> None:
    router, data = built(), world(300, seed=1, noise=3.0)
    inside = np.array([label is not None for label in data.labels])

    report = fit(router, data)

    assert report.accuracy == pytest.approx(confidences(router, data)[1][inside].mean())
    assert report.accuracy is not None
    assert 0.2 < report.accuracy < 0.99


# The weights of the scores -----------------------------------------------------------------------


def misled(**options: Any) -> Router:
    """Return a router whose vectors mislead, while the words tell the truth."""
    router = Router(dimension=2, threshold=0.0, **options)
    router.add_routes([Route("a", examples=["apple"]), Route("b", examples=["berry"])])
    router.build_index([[1, 0], [0, 1]])
    return router


QUERIES = ["apple", "berry"] * 30
LABELS: list[str | None] = ["a", "b"] * 30
MISLEADING = [[0.6, 0.8], [0.8, 0.6]] * 30


def test_weights_are_learned_from_queries() -> None:
    router = misled()
    before = router.route("apple", MISLEADING[0])
    config = router.config

    report = router.fit(QUERIES, LABELS, MISLEADING)

    after = router.route("apple", MISLEADING[0])
    assert report.accuracy == 1.0
    assert report.semantic_share < 0.6
    assert router.config == config
    assert after.route_id == "a"
    # The total is the average of the two scores, by the share that the report names.
    share = report.semantic_share
    assert before.route_id == "b"
    assert after.scores.semantic == pytest.approx(0.6)
    assert after.scores.total == pytest.approx(
        share * after.scores.semantic + (1.0 - share) * after.scores.keyword
    )


def test_weights_that_were_chosen_by_hand_are_kept() -> None:
    router = misled(dense_weight=0.9, bm25_weight=0.1)
    totals = [result.scores.total for result in router.route_batch(QUERIES, MISLEADING)]

    report = router.fit(QUERIES, LABELS, MISLEADING)

    assert report.semantic_share == pytest.approx(0.9)
    assert [
        result.scores.total for result in router.route_batch(QUERIES, MISLEADING)
    ] == pytest.approx(totals)


@pytest.mark.parametrize(
    ("n", "labels"), [(MIN_OUTCOMES - 1, LABELS), (60, [None] * 60)], ids=["few", "foreign"]
)
def test_few_or_foreign_queries_do_not_move_the_weights(n: int, labels: list[str | None]) -> None:
    router = misled()
    before = router.route("apple", MISLEADING[0]).scores.total

    report = router.fit(QUERIES[:n], labels[:n], MISLEADING[:n])

    assert report.semantic_share == pytest.approx(0.6427 / (0.6427 + 0.2891))
    assert router.route("apple", MISLEADING[0]).scores.total == pytest.approx(before)


def test_a_route_that_is_no_candidate_counts_as_wrong() -> None:
    router = built(max_candidates=1)

    report = fit(router, world(300, seed=1))

    best, right = confidences(router, world(300, seed=1))
    assert np.isfinite(best).all()
    assert 0.5 < right.mean() < 1.0
    assert report.accuracy is not None
    assert 0.5 < report.accuracy < 1.0


# Refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "evaluate"])
@pytest.mark.parametrize(
    ("queries", "labels", "error", "message"),
    [
        (["q", "q"], ["r0"], InvalidInputError, "1 labels for 2 queries"),
        (["q"], ["r0", None], InvalidInputError, "2 labels for 1 queries"),
        (["q", "q"], "r0", InvalidInputError, "one label per query"),
        ([], [], InvalidInputError, "at least one"),
        ("query", ["r0"], InvalidInputError, "list of queries"),
        (["q", " "], ["r0", "r1"], InvalidInputError, r"queries\[1\]"),
        (["q"], ["r00"], RouteNotFoundError, "did you mean"),
        (["q"], [""], RouteNotFoundError, "no route ''"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    method: str, queries: Any, labels: Any, error: type[Exception], message: str
) -> None:
    router = built()
    version = router.version

    with pytest.raises(error, match=message):
        getattr(router, method)(queries, labels, np.ones((len(queries), DIMENSION)))

    assert router.version == version
