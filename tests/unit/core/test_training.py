"""Heads are multinomial logistic regressions over embeddings and words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from stratarouter.algorithms.heads import SKETCH_WIDTH, sketch_words
from stratarouter.training import HeadKind, TrainingRows, head_cost_s, train_head

PLAIN = HeadKind("logistic", reads_words=False)
WORDS = HeadKind("logistic+words", reads_words=True)
BOTH = [PLAIN, WORDS]
DIMENSION = 12


def rows_of(n_routes: int, n_each: int = 15, seed: int = 0, noise: float = 0.8) -> TrainingRows:
    """Return rows around one centre per route, with words of their routes and some without."""
    rng = np.random.default_rng(seed)
    routes = np.repeat(np.arange(n_routes), n_each)
    vectors = rng.normal(size=(n_routes, DIMENSION))[routes]
    vectors = vectors + noise * rng.normal(size=vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [
        [] if place % 5 == 4 else [f"topic{route}", f"word{place % 7}", "common"]
        for place, route in enumerate(routes.tolist())
    ]
    return TrainingRows(vectors.astype(np.float32), texts, routes)


def inputs_of(rows: TrainingRows, kind: HeadKind, seed: int = 0) -> np.ndarray[Any, Any]:
    if not kind.reads_words:
        return rows.vectors
    sketch = sketch_words(rows.words, seed)
    return np.array(
        [
            np.concatenate([vector, sketch.project(text)])
            for vector, text in zip(rows.vectors, rows.words, strict=True)
        ]
    )


def logits_of(rows: TrainingRows, kind: HeadKind, seed: int = 0) -> np.ndarray[Any, Any]:
    head = train_head(rows, kind, seed)
    pairs = zip(rows.vectors, rows.words, strict=True)
    return np.array([head.logits(vector, text) for vector, text in pairs])


# The fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BOTH, ids=lambda kind: kind.name)
def test_many_routes_get_the_logits_of_the_regression(kind: HeadKind) -> None:
    rows = rows_of(5)
    inputs = inputs_of(rows, kind)
    reference = LogisticRegression(C=10.0, tol=1e-4, max_iter=300).fit(inputs, rows.routes)

    assert logits_of(rows, kind) == pytest.approx(reference.decision_function(inputs), abs=1e-4)


@pytest.mark.parametrize("kind", BOTH, ids=lambda kind: kind.name)
def test_two_routes_share_the_logit_of_the_regression_evenly(kind: HeadKind) -> None:
    rows = rows_of(2)
    inputs = inputs_of(rows, kind)
    reference = LogisticRegression(C=10.0, tol=1e-4, max_iter=300).fit(inputs, rows.routes)

    logits = logits_of(rows, kind)

    assert logits.shape == (30, 2)
    assert logits.sum(axis=1) == pytest.approx(0.0, abs=1e-5)
    difference = logits[:, 1] - logits[:, 0]
    assert difference == pytest.approx(reference.decision_function(inputs), abs=1e-4)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert shares == pytest.approx(reference.predict_proba(inputs), abs=1e-4)


@pytest.mark.parametrize("kind", BOTH, ids=lambda kind: kind.name)
@pytest.mark.parametrize("n_routes", [2, 5])
def test_a_head_finds_the_routes_of_rows_that_it_has_not_seen(
    n_routes: int, kind: HeadKind
) -> None:
    rows = rows_of(n_routes, n_each=40, noise=0.5)
    held_out = np.arange(0, len(rows.routes), 4)
    head = train_head(rows.select(np.setdiff1d(np.arange(len(rows.routes)), held_out)), kind, 0)

    found = [head.logits(rows.vectors[row], rows.words[row]).argmax() for row in held_out.tolist()]

    assert np.mean(found == rows.routes[held_out]) > 0.9


def test_words_tell_routes_apart_that_the_embedding_cannot() -> None:
    rows = rows_of(3)
    same = np.repeat(rows.vectors[:1], len(rows.routes), axis=0)
    head = train_head(TrainingRows(same, rows.words, rows.routes), WORDS, 0)

    found = [int(head.logits(same[0], [f"topic{route}"]).argmax()) for route in range(3)]

    assert found == [0, 1, 2]


def test_a_head_that_reads_no_words_ignores_them() -> None:
    head = train_head(rows_of(3), PLAIN, 0)
    vector = rows_of(3).vectors[0]

    assert head.sketch is None
    assert np.array_equal(head.logits(vector, ["topic2"]), head.logits(vector, []))


@pytest.mark.parametrize(("kind", "width"), [(PLAIN, DIMENSION), (WORDS, DIMENSION + SKETCH_WIDTH)])
def test_what_serves_is_plain_and_single_precision(kind: HeadKind, width: int) -> None:
    for n_routes in (2, 4):
        head = train_head(rows_of(n_routes), kind, 0)

        assert (head.weights.shape, head.bias.shape) == ((n_routes, width), (n_routes,))
        assert head.weights.dtype == head.bias.dtype == np.float32
        assert head.weights.flags.c_contiguous
        assert type(head.weights) is np.ndarray


def test_stopping_at_the_limit_of_iterations_is_no_warning() -> None:
    # Separable rows of hardly different directions take more steps than are allowed.
    rng = np.random.default_rng(1)
    vectors = np.ones((200, 60)) + 1e-4 * rng.normal(size=(200, 60))
    vectors *= np.logspace(0, 4, 60)
    rows = TrainingRows(vectors.astype(np.float32), [[]] * 200, np.arange(200) % 20)

    assert np.isfinite(train_head(rows, PLAIN, 0).weights).all()


def test_many_routes_of_one_example_are_no_warning() -> None:
    rng = np.random.default_rng(1)
    rows = TrainingRows(rng.normal(size=(60, 8)).astype(np.float32), [[]] * 60, np.arange(60))

    assert train_head(rows, PLAIN, 0).weights.shape == (60, 8)


# The scale ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BOTH, ids=lambda kind: kind.name)
@pytest.mark.parametrize("n_routes", [2, 5])
def test_scores_of_the_training_rows_are_not_cut_off(n_routes: int, kind: HeadKind) -> None:
    rows = rows_of(n_routes)
    head = train_head(rows, kind, 0)

    for place, route in enumerate(rows.routes.tolist()):
        logit = head.logits(rows.vectors[place], rows.words[place])[route]
        assert 0.0 < head.scores(np.array([logit]))[0] < 1.0


@pytest.mark.parametrize("kind", BOTH, ids=lambda kind: kind.name)
def test_a_given_scale_is_kept_and_changes_no_logit(kind: HeadKind) -> None:
    rows = rows_of(4)

    own, given = train_head(rows, kind, 0), train_head(rows, kind, 0, (-3.0, 7.0))

    assert (given.low, given.high) == (-3.0, 7.0)
    assert own.low < own.high
    assert np.array_equal(own.weights, given.weights)
    assert np.array_equal(own.bias, given.bias)
    assert given.scores(np.array([-4.0, -3.0, 2.0, 7.0, 8.0])).tolist() == [0, 0, 0.5, 1, 1]


def test_equal_rows_still_have_a_scale() -> None:
    vectors = np.repeat(np.eye(DIMENSION, dtype=np.float32)[:1], 6, axis=0)
    head = train_head(TrainingRows(vectors, [[]] * 6, np.arange(6) % 3), PLAIN, 0)

    assert head.low < head.high
    assert np.isfinite(head.scores(head.logits(vectors[0], []))).all()


# Chance, rows and costs --------------------------------------------------------------------------


def test_equal_rows_and_seeds_give_equal_heads() -> None:
    one, again, other = (train_head(rows_of(3), WORDS, seed) for seed in (4, 4, 5))

    assert one.weights.tobytes() == again.weights.tobytes()
    assert (one.low, one.high) == (again.low, again.high)
    assert one.weights.tobytes() != other.weights.tobytes()


def test_training_leaves_the_rows_alone() -> None:
    rows = rows_of(3)
    vectors, routes = rows.vectors.copy(), rows.routes.copy()
    rows.vectors.setflags(write=False)
    rows.routes.setflags(write=False)

    train_head(rows, WORDS, 0)

    assert np.array_equal(rows.vectors, vectors)
    assert np.array_equal(rows.routes, routes)


def test_a_selection_keeps_vectors_words_and_routes_together() -> None:
    rows = rows_of(3)

    selected = rows.select(np.array([40, 2, 17]))

    assert np.array_equal(selected.vectors, rows.vectors[[40, 2, 17]])
    assert list(selected.words) == [rows.words[40], rows.words[2], rows.words[17]]
    assert selected.routes.tolist() == [2, 0, 1]


def unnamed_and_named() -> tuple[TrainingRows, TrainingRows]:
    """Return rows, and the same with a text of route 2 that has no vector."""
    rows = rows_of(3)
    unseen = [(2, ["topic0", "word3"]), (1, ["unheard"])]
    return rows, TrainingRows(rows.vectors, rows.words, rows.routes, unseen)


def test_texts_without_a_vector_become_rows_if_a_word_is_known() -> None:
    rows, named = unnamed_and_named()

    completed = named.completed()

    assert completed.vectors[:-1].tolist() == rows.vectors.tolist()
    assert completed.routes.tolist() == [*rows.routes.tolist(), 2]
    assert list(completed.words) == [*rows.words, ["topic0", "word3"]]
    # The words are those of route 0, so the guess lies there.
    cosines = rows.vectors @ completed.vectors[-1]
    assert cosines[rows.routes == 0].mean() > cosines[rows.routes == 2].mean()


def test_a_selection_keeps_the_texts_without_a_vector() -> None:
    _, named = unnamed_and_named()

    assert named.select(np.arange(5)).unseen == named.unseen


@pytest.mark.parametrize("kind", BOTH, ids=lambda kind: kind.name)
def test_a_head_learns_from_texts_without_a_vector(kind: HeadKind) -> None:
    rows, named = unnamed_and_named()
    plain, taught = train_head(rows, kind, 0, (0.0, 1.0)), train_head(named, kind, 0, (0.0, 1.0))
    vector = named.completed().vectors[-1]

    before, after = (head.logits(vector, ["topic0", "word3"]) for head in (plain, taught))

    assert after[2] - after[0] > before[2] - before[0]


def test_the_estimated_time_grows_with_rows_routes_and_width() -> None:
    base = head_cost_s(1_000, 20, 100, PLAIN)

    assert base > 0.0
    assert head_cost_s(2_000, 20, 100, PLAIN) == pytest.approx(2.0 * base)
    assert head_cost_s(1_000, 60, 100, PLAIN) == pytest.approx(3.0 * base)
    assert head_cost_s(1_000, 20, 400, PLAIN) == pytest.approx(4.0 * base)
    assert head_cost_s(1_000, 20, 100, WORDS) == head_cost_s(1_000, 20, 100 + SKETCH_WIDTH, PLAIN)
