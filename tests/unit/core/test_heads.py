"""Learned heads as they serve: sketches of words, and linear scores over routes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from stratarouter.algorithms.heads import SKETCH_WIDTH, LinearHead, WordSketch, sketch_words
from stratarouter.training import HeadKind, TrainingRows, train_head

VOCABULARY = ["refund", "parcel", "card", "login", "the", "my", "late", "données"]
TEXT = st.lists(st.sampled_from(VOCABULARY), max_size=8)
TEXTS = st.lists(TEXT, min_size=1, max_size=8)


def corpus(seed: int, n_texts: int = 200, n_words: int = 400) -> list[list[str]]:
    """Draw texts in which a few words are everywhere and most are rare, as in language."""
    rng = np.random.default_rng(seed)
    return [
        [f"w{place}" for place in np.minimum(rng.zipf(1.4, size=rng.integers(3, 15)), n_words)]
        for _ in range(n_texts)
    ]


def naive_projection(sketch: WordSketch, text: list[str]) -> list[float]:
    """Project a text, one word and one bucket at a time."""
    counts = Counter(word for word in text if word in sketch.vocabulary)
    weights = {
        word: float(sketch.idf[sketch.vocabulary[word]]) * (1.0 + math.log(count))
        for word, count in counts.items()
    }
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    projected = [0.0] * SKETCH_WIDTH
    for word, weight in weights.items():
        row = sketch.vocabulary[word]
        for bucket, sign in zip(sketch.buckets[row], sketch.signs[row], strict=True):
            projected[int(bucket)] += 0.5 * weight / length * float(sign)
    return projected


def random_head(seed: int, n_routes: int = 5, d: int = 6, *, reads_words: bool) -> LinearHead:
    rng = np.random.default_rng(seed)
    width = d + (SKETCH_WIDTH if reads_words else 0)
    return LinearHead(
        rng.normal(size=(n_routes, width)).astype(np.float32),
        rng.normal(size=n_routes).astype(np.float32),
        -2.0,
        3.0,
        sketch_words([VOCABULARY], seed) if reads_words else None,
    )


# Word sketches -----------------------------------------------------------------------------------


@given(TEXTS, TEXT.map(lambda text: [*text, "unknown"]))
def test_a_projection_equals_a_naive_implementation(
    texts: list[list[str]], query: list[str]
) -> None:
    sketch = sketch_words(texts, seed=3)

    projected = sketch.project(query)

    assert projected.shape == (SKETCH_WIDTH,)
    assert projected.dtype == np.float32
    assert projected == pytest.approx(naive_projection(sketch, query), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_projection_is_that_of_the_tf_idf_vector_of_scikit_learn(seed: int) -> None:
    texts = corpus(seed)
    sketch = sketch_words(texts, seed)
    theirs = TfidfVectorizer(analyzer=list, sublinear_tf=True).fit(texts)
    assert theirs.vocabulary_ == dict(sketch.vocabulary)
    assert sketch.idf == pytest.approx(theirs.idf_)
    matrix = np.zeros((len(sketch.vocabulary), SKETCH_WIDTH))
    for row in range(len(matrix)):
        np.add.at(matrix[row], sketch.buckets[row], sketch.signs[row])

    expected = 0.5 * theirs.transform(texts[:50]) @ matrix

    assert np.stack([sketch.project(text) for text in texts[:50]]) == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize("query", [[], ["unknown"], ["unknown", "other"]])
def test_a_text_without_known_words_is_zero(query: list[str]) -> None:
    projected = sketch_words([["known"]], seed=0).project(query)

    assert projected.tolist() == [0.0] * SKETCH_WIDTH
    assert projected.dtype == np.float32


def test_a_sketch_of_no_words_at_all_projects_to_zero() -> None:
    assert not sketch_words([[], []], seed=0).project(["word"]).any()


@given(TEXTS, TEXT)
def test_unknown_words_and_the_order_of_words_change_nothing(
    texts: list[list[str]], query: list[str]
) -> None:
    sketch = sketch_words(texts, seed=1)

    noisy = sketch.project(["unknown", *reversed(query), "other"])

    assert noisy == pytest.approx(sketch.project(query), abs=1e-6)


@given(TEXTS.flatmap(lambda texts: st.tuples(st.just(texts), st.permutations(texts))), TEXT)
def test_the_order_of_texts_changes_nothing(
    texts: tuple[list[list[str]], list[list[str]]], query: list[str]
) -> None:
    one, other = (sketch_words(order, seed=1) for order in texts)

    assert dict(one.vocabulary) == dict(other.vocabulary)
    assert np.array_equal(one.project(query), other.project(query))


def test_rare_words_weigh_more() -> None:
    sketch = sketch_words([["the", "refund"], ["the"], ["the", "parcel", "parcel"]], seed=0)

    weight = {word: float(sketch.idf[row]) for word, row in sketch.vocabulary.items()}

    assert weight["refund"] == weight["parcel"] > weight["the"] == 1.0


def test_inner_products_of_word_vectors_are_kept() -> None:
    texts = corpus(1)
    exact = TfidfVectorizer(analyzer=list, sublinear_tf=True).fit_transform(texts)[:60].toarray()
    wanted = 0.25 * exact @ exact.T
    errors = []
    for seed in range(10):
        sketch = sketch_words(texts, seed)
        rows = np.stack([sketch.project(text) for text in texts[:60]])
        errors.append(rows @ rows.T - wanted)

    # Single products scatter; over many sketches they are right in the mean.
    assert np.abs(errors).max() < 0.15
    assert np.abs(np.mean(errors, axis=0)).mean() < 0.005
    assert np.sqrt(np.mean(np.square(errors))) < 0.02


def test_projections_are_about_half_as_long_as_embeddings() -> None:
    texts = corpus(2)
    sketch = sketch_words(texts, seed=0)

    lengths = np.linalg.norm([sketch.project(text) for text in texts], axis=1)

    assert lengths.mean() == pytest.approx(0.5, abs=0.03)
    assert 0.3 < lengths.min() <= lengths.max() < 0.7


def test_equal_seeds_give_equal_sketches() -> None:
    texts = corpus(3)
    same, again, other = (sketch_words(texts, seed).project(texts[0]) for seed in (4, 4, 5))

    assert np.array_equal(same, again)
    assert not np.array_equal(same, other)


# Linear heads ------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.integers(0, 1_000), st.booleans(), TEXT)
def test_logits_equal_a_loop(seed: int, reads_words: bool, words: list[str]) -> None:
    head = random_head(seed, reads_words=reads_words)
    embedding = np.random.default_rng(seed).normal(size=6).astype(np.float32)
    inputs = embedding.tolist()
    if head.sketch is not None:
        inputs += naive_projection(head.sketch, words)

    logits = head.logits(embedding, words)

    expected = [
        sum(weight * value for weight, value in zip(row, inputs, strict=True)) + bias
        for row, bias in zip(head.weights.tolist(), head.bias.tolist(), strict=True)
    ]
    assert logits == pytest.approx(expected, abs=1e-4)


def test_words_move_the_logits_only_of_a_head_that_reads_them() -> None:
    embedding = np.full(6, 0.4, dtype=np.float32)

    for reads_words in (False, True):
        head = random_head(1, reads_words=reads_words)
        one, other = (head.logits(embedding, words) for words in (["refund"], ["parcel"]))
        assert np.array_equal(one, other) is not reads_words


def test_scores_are_linear_between_their_ends_and_cut_off_outside() -> None:
    head = random_head(0, reads_words=False)

    logits = [-100.0, -2.0, -1.0, 0.5, 3.0, 100.0]
    scores = head.scores(np.array(logits))
    assert head.scores_of(logits) == pytest.approx(scores.tolist())

    assert scores == pytest.approx([0.0, 0.0, 0.2, 0.5, 1.0, 1.0])


@given(st.lists(st.floats(-50.0, 50.0), min_size=1, max_size=8))
def test_scores_keep_the_order_and_lie_within_0_and_1(logits: list[float]) -> None:
    ascending = np.sort(logits)

    scores = random_head(0, reads_words=False).scores(ascending)

    assert (np.diff(scores) >= 0.0).all()
    assert 0.0 <= scores.min() <= scores.max() <= 1.0


@pytest.mark.parametrize("reads_words", [False, True])
def test_serving_leaves_the_head_and_the_query_alone(reads_words: bool) -> None:
    head = random_head(2, reads_words=reads_words)
    embedding = np.full(6, 0.4, dtype=np.float32)
    arrays = [head.weights, head.bias, embedding]
    before = [array.copy() for array in arrays]

    first = head.logits(embedding, ["refund"])
    kept = first.copy()
    head.scores(first)
    second = head.logits(embedding, ["refund"])

    assert np.array_equal(first, kept)
    assert np.array_equal(first, second)
    assert all(np.array_equal(*pair) for pair in zip(arrays, before, strict=True))


@pytest.mark.parametrize(
    "part",
    [random_head(0, reads_words=True), sketch_words([VOCABULARY], 0)],
    ids=["head", "sketch"],
)
def test_heads_and_sketches_never_change(part: LinearHead | WordSketch) -> None:
    for entry in fields(part):
        with pytest.raises(FrozenInstanceError):
            setattr(part, entry.name, None)


# Trained heads serve what was fitted -------------------------------------------------------------


def training_rows(seed: int, n_routes: int) -> TrainingRows:
    rng = np.random.default_rng(seed)
    routes = np.repeat(np.arange(n_routes), 12)
    vectors = rng.normal(size=(n_routes, 8))[routes] + rng.normal(size=(len(routes), 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [[f"w{route}", f"w{rng.integers(0, 20)}"] for route in routes.tolist()]
    return TrainingRows(vectors.astype(np.float32), texts, routes)


@pytest.mark.parametrize("n_routes", [2, 3, 6])
@pytest.mark.parametrize("reads_words", [False, True])
def test_a_trained_head_gives_the_shares_of_scikit_learn(n_routes: int, reads_words: bool) -> None:
    rows = training_rows(n_routes, n_routes)
    head = train_head(rows, HeadKind("kind", reads_words), seed=0)
    inputs = rows.vectors
    if head.sketch is not None:
        inputs = np.hstack([inputs, np.stack([head.sketch.project(text) for text in rows.words])])
    theirs = LogisticRegression(C=10.0, tol=1e-8, max_iter=5_000).fit(inputs, rows.routes)

    logits = np.stack([head.logits(*row) for row in zip(rows.vectors, rows.words, strict=True)])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    assert shares == pytest.approx(theirs.predict_proba(inputs), abs=5e-3)


@pytest.mark.parametrize("reads_words", [False, True])
def test_the_scale_of_a_trained_head_leaves_room_above_its_examples(reads_words: bool) -> None:
    rows = training_rows(1, 4)
    head = train_head(rows, HeadKind("kind", reads_words), seed=0)

    logits = [head.logits(*row) for row in zip(rows.vectors, rows.words, strict=True)]
    own = [float(one[route]) for one, route in zip(logits, rows.routes, strict=True)]

    assert (head.scores(np.array(own)) > 0.0).all()
    assert (head.scores(np.array(own)) < 1.0).all()


def test_a_scale_that_is_handed_in_is_kept() -> None:
    rows = training_rows(1, 3)
    free, fixed = (
        train_head(rows, HeadKind("kind", reads_words=True), 0, scale)
        for scale in (None, (-1.5, 4.0))
    )

    assert (fixed.low, fixed.high) == (-1.5, 4.0)
    assert np.array_equal(free.weights, fixed.weights)
    assert np.array_equal(free.bias, fixed.bias)
