"""A router chooses its head, weights and confidence from its own examples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import CorruptSaveError, Router
from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.building import assemble, build_snapshot, entries_of, training_rows
from stratarouter.calibration import PRIOR
from stratarouter.config import RouterConfig
from stratarouter.crossfit import Examples, cross_fit
from stratarouter.learning import BuildReport, Verdict, learn
from stratarouter.route_vectors import RouteVectors
from stratarouter.scoring.keyword import count_keywords
from stratarouter.training import head_cost_s, train_head
from stratarouter.weighing import learn_weights, log_losses
from tests.learned_routers import (
    DIMENSION,
    KINDS,
    N_EXAMPLES,
    N_ROUTES,
    built,
    crossed,
    noisy,
    queries,
    report_of,
    routes_of,
    snapshot_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from stratarouter.snapshot import Snapshot


def parts_of(router: Router, folder: Path) -> tuple[Snapshot, Examples]:
    """Return a snapshot and the examples that it learned from."""
    snapshot = snapshot_of(router, folder)
    entries = entries_of(snapshot)
    texts = [text for entry in entries for text in entry.route.examples]
    training = training_rows(snapshot.scorer, entries)
    counts = count_keywords(snapshot.routes)
    return snapshot, Examples(training, texts, np.arange(len(texts)), training.routes, counts)


# The choice --------------------------------------------------------------------------------------


def test_a_head_is_chosen_where_it_is_right_more_often(tmp_path: Path) -> None:
    router = built()

    report = report_of(router)

    assert report.head in KINDS
    assert report.accuracy[report.head] > report.accuracy["similarity"] + 0.05
    assert report.log_loss[report.head] < report.log_loss["similarity"]
    assert report.n_outcomes == N_ROUTES * N_EXAMPLES
    assert report.skipped == ()
    snapshot = snapshot_of(router, tmp_path / "saved")
    assert snapshot.scorer.head is not None
    assert snapshot.scorer.weights.head > 0.0
    assert snapshot.confidence.source == "examples"


def test_the_choice_holds_on_queries_that_nobody_learned_from() -> None:
    learned = built().evaluate(*queries(300)).accuracy
    similar = built(head="similarity").evaluate(*queries(300)).accuracy

    assert learned is not None
    assert similar is not None
    assert learned > max(similar + 0.05, 0.9)


def test_similarity_stays_where_a_head_is_clearly_worse(tmp_path: Path) -> None:
    router = built(crossed(), routes_of(2, 80))

    report = report_of(router)

    assert report.head == "similarity"
    assert report.log_loss.keys() == {"similarity", *KINDS}
    assert report.log_loss["similarity"] < min(report.log_loss[name] for name in KINDS)
    assert report.accuracy["similarity"] > 0.95
    snapshot = snapshot_of(router, tmp_path / "saved")
    assert snapshot.scorer.head is None
    assert snapshot.built == snapshot.plain


@pytest.mark.parametrize("name", ["similarity", *KINDS])
def test_reported_figures_are_those_of_the_cross_fit(tmp_path: Path, name: str) -> None:
    router = built()
    snapshot, examples = parts_of(router, tmp_path / "saved")
    published = FusionWeights.published(0.6427, 0.2891, 0.0682)
    start = published
    if name in KINDS:
        start = FusionWeights(
            0.7 * published.nearest,
            0.7 * published.prototype,
            0.7 * published.keyword,
            published.pattern,
            head=0.3,
        )
    scorer = snapshot.scorer.revised(start, None)

    outcomes, _ = cross_fit(scorer, examples, 0, KINDS.get(name), coarse=True)

    weights = learn_weights(outcomes, start)
    right = [
        int(entry.scored.routes[entry.scored.reweighed(weights).leader()]) == entry.target
        for entry in outcomes
    ]
    report = report_of(router)
    assert report.log_loss[name] == pytest.approx(log_losses(outcomes, weights).mean(), rel=1e-4)
    assert report.accuracy[name] == pytest.approx(np.mean(right))


def test_the_head_in_use_is_trained_on_all_examples_at_the_scale_of_the_folds(
    tmp_path: Path,
) -> None:
    router = built()
    snapshot, examples = parts_of(router, tmp_path / "saved")
    head = snapshot.scorer.head
    assert head is not None

    expected = train_head(
        examples.training, KINDS[report_of(router).head], 0, (head.low, head.high)
    )

    assert head.weights == pytest.approx(expected.weights, abs=1e-3)
    assert head.bias == pytest.approx(expected.bias, abs=1e-3)
    _, scale = cross_fit(snapshot.scorer, examples, 0, KINDS[report_of(router).head])
    assert (head.low, head.high) == pytest.approx(scale, rel=1e-3)


def test_equal_examples_and_seeds_give_equal_routers(tmp_path: Path) -> None:
    one, other = (built().save(tmp_path / name) for name in ("one", "other"))

    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in other.iterdir()
    }


def test_the_report_reads_well() -> None:
    report = BuildReport(
        "logistic",
        120,
        {"similarity": 0.9, "logistic": 0.25},
        {"similarity": 0.7, "logistic": 0.915},
        ("logistic+words",),
    )

    assert str(report) == (
        "head: logistic; cross-fitted on 120 examples: similarity 70.0% (0.900 nats), "
        "logistic 91.5% (0.250 nats); over the time budget: logistic+words"
    )


# What keeps a head from being tried --------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "skipped", "tried"),
    [
        ({"head_budget_s": 0.0}, tuple(KINDS), {"similarity"}),
        ({"head": "similarity"}, (), {"similarity"}),
        ({"dense_weight": 0.7, "bm25_weight": 0.3}, (), {"similarity"}),
        ({"enable_calibration": False}, (), set()),
        ({}, (), {"similarity", *KINDS}),
    ],
)
def test_settings_decide_what_is_tried(
    options: dict[str, Any], skipped: tuple[str, ...], tried: set[str]
) -> None:
    report = report_of(built(**options))

    assert report.log_loss.keys() == report.accuracy.keys() == tried
    assert report.skipped == skipped
    assert report.head == "similarity" or "logistic" in tried
    assert ("over the time budget" in str(report)) == bool(skipped)


def test_a_budget_between_the_two_skips_the_dearer_head() -> None:
    # One fit on everything and one per fold, which lacks a fifth.
    n_fits = 1.0 + 5 * 0.8
    cheap, dear = (
        n_fits * head_cost_s(N_ROUTES * N_EXAMPLES, N_ROUTES, DIMENSION, kind)
        for kind in KINDS.values()
    )

    report = report_of(built(head_budget_s=0.5 * (cheap + dear)))

    assert report.skipped == ("logistic+words",)
    assert report.log_loss.keys() == {"similarity", "logistic"}
    assert report.head == "logistic"
    assert report_of(built(head_budget_s=dear * 1.01)).skipped == ()
    assert report_of(built(head_budget_s=cheap * 0.99)).skipped == tuple(KINDS)


@pytest.mark.parametrize(
    ("n_routes", "n_examples", "tried"),
    [(5, 20, True), (5, 19, False), (1, 120, False), (60, 2, True), (70, 1, False)],
)
def test_heads_are_tried_where_there_are_enough_examples(
    n_routes: int, n_examples: int, tried: bool
) -> None:
    router = built(noisy(n_routes, n_examples), routes_of(n_routes, n_examples))

    report = report_of(router)

    assert (len(report.log_loss) > 1) == tried
    assert report.skipped == ()


def test_weights_that_were_chosen_by_hand_are_kept(tmp_path: Path) -> None:
    router = built(dense_weight=0.7, bm25_weight=0.3)

    weights = snapshot_of(router, tmp_path / "saved").scorer.weights

    assert (weights.head, weights.nearest, weights.prototype, weights.keyword) == pytest.approx(
        (0.0, 0.35, 0.35, 0.3)
    )
    assert weights.sharpness != FusionWeights.published(0.7, 0.3, 0.0682).sharpness
    for result in router.route_batch(queries()[0], queries()[2]):
        assert result.scores.total == pytest.approx(
            0.7 * result.scores.semantic + 0.3 * result.scores.keyword
        )


def test_without_known_texts_nothing_is_learned() -> None:
    config = RouterConfig(dimension=DIMENSION)
    vectors = {key: rows.astype(np.float32) for key, rows in noisy().items()}
    entries = [RouteVectors(route, vectors[route.id], aligned=False) for route in routes_of()]

    snapshot = build_snapshot(entries, config, encoder_id="external", version=1)

    assert snapshot.confidence is PRIOR
    assert snapshot.scorer.head is None
    assert snapshot.report is not None
    assert replace(snapshot.report, index=None) == BuildReport("similarity", 0, {}, {}, ())
    assert str(snapshot.report) == "head: similarity; index: flat (fastest at this size)"


def test_learning_leaves_the_scorer_as_it_was() -> None:
    entries = [
        RouteVectors(route, rows.astype(np.float32), aligned=True)
        for route, rows in zip(routes_of(), noisy().values(), strict=True)
    ]
    scorer = assemble(entries, RouterConfig(dimension=DIMENSION))
    training = training_rows(scorer, entries)
    texts = [text for entry in entries for text in entry.route.examples]
    vectors, weights = scorer.semantic.vectors.copy(), scorer.weights

    learned = learn(
        scorer,
        Examples(
            training,
            texts,
            np.arange(len(texts)),
            training.routes,
            count_keywords([entry.route for entry in entries]),
        ),
        RouterConfig(dimension=DIMENSION),
    )

    assert learned.verdict.weights != weights
    assert (scorer.weights, scorer.head) == (weights, None)
    assert np.array_equal(scorer.semantic.vectors, vectors)


# Verdicts ----------------------------------------------------------------------------------------


def test_a_verdict_survives_json(tmp_path: Path) -> None:
    snapshot = snapshot_of(built(), tmp_path / "saved")

    for verdict in (snapshot.built, snapshot.plain, Verdict(snapshot.plain.weights, PRIOR, 7)):
        assert Verdict.from_dict(verdict.to_dict()) == verdict


@pytest.mark.parametrize(
    "change",
    [
        {"nearest": -0.1},
        {"nearest": 5.0},
        {"head": float("nan")},
        {"pattern": 1.5},
        {"sharpness": -1.0},
        {"sharpness": 1e300},
        {"residual": float("inf")},
        {"keyword": "x"},
        {"keyword": None},
        {"unknown": 1.0},
    ],
)
def test_weights_that_cannot_serve_are_refused(change: dict[str, Any]) -> None:
    data = Verdict(FusionWeights.published(0.6427, 0.2891, 0.0682), PRIOR, 10).to_dict()

    with pytest.raises(CorruptSaveError, match="weights are not usable"):
        Verdict.from_dict({**data, "weights": {**data["weights"], **change}})


@pytest.mark.parametrize("data", [{}, {"weights": {}}, {"weights": []}, {"weights": None}])
def test_what_is_no_verdict_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(CorruptSaveError):
        Verdict.from_dict({"confidence": PRIOR.to_dict(), **data})


# Progress ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["auto", "similarity"])
def test_a_build_tells_its_steps_in_order(head: str) -> None:
    told: list[tuple[str, int, int]] = []
    router = Router(dimension=DIMENSION, head=head)
    router.add_routes(routes_of())

    router.build_index(noisy(), progress=lambda *step: told.append(step))

    assert told[-1][0] == "done"
    assert [done for _, done, _ in told[:-1]] == list(range(len(told) - 1))
    assert len({total for _, _, total in told}) == 1
    assert told[-1][1] == told[-1][2] >= len(told) - 1
