"""Vectors of texts that nobody encoded are guessed from the words of those that were."""

from __future__ import annotations

import numpy as np
import pytest

from stratarouter.algorithms.imagined import imagine

WORDS = [f"word{number}" for number in range(12)]


def texts_and_vectors(
    n: int = 300, seed: int = 0
) -> tuple[list[list[str]], np.ndarray, np.ndarray]:
    """Return texts of three words, vectors that are sums over their words, and those of words."""
    rng = np.random.default_rng(seed)
    of_words = rng.normal(size=(len(WORDS), 16))
    chosen = np.array([rng.permutation(len(WORDS))[:3] for _ in range(n)])
    vectors = of_words[chosen].sum(axis=1) + 2.0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [[WORDS[w] for w in row] for row in chosen.tolist()], vectors.astype("f4"), of_words


def test_guesses_point_where_the_words_point() -> None:
    texts, vectors, of_words = texts_and_vectors()
    wanted = [["word0", "word1"], ["word5"], ["word7", "word2", "word9"]]

    guesses, places = imagine(vectors, texts, wanted)

    assert places.tolist() == [0, 1, 2]
    for guess, words in zip(guesses, wanted, strict=True):
        own = of_words[[WORDS.index(word) for word in words]].sum(axis=0)
        others = [row for place, row in enumerate(of_words) if WORDS[place] not in words]
        move = guess - vectors.mean(axis=0)
        assert move @ own > max(move @ other for other in others)


def test_a_known_text_is_guessed_close_to_its_vector() -> None:
    texts, vectors, _ = texts_and_vectors()

    guesses, _ = imagine(vectors, texts, texts[:20])

    assert np.einsum("ij,ij->i", guesses, vectors[:20]).min() > 0.9


def test_guesses_are_unit_rows_in_single_precision() -> None:
    texts, vectors, _ = texts_and_vectors()

    guesses, _ = imagine(vectors, texts, [["word1"], ["word2", "word2", "unheard"]])

    assert guesses.dtype == np.float32
    assert np.linalg.norm(guesses, axis=1) == pytest.approx(1.0, abs=1e-6)


def test_texts_without_a_known_word_have_no_guess() -> None:
    texts, vectors, _ = texts_and_vectors()

    guesses, places = imagine(vectors, texts, [[], ["word3"], ["unheard"], ["word4", "unheard"]])

    assert guesses.shape == (2, 16)
    assert places.tolist() == [1, 3]


@pytest.mark.parametrize("words", [[], ["unheard"]])
def test_nothing_known_gives_nothing(words: list[str]) -> None:
    texts, vectors, _ = texts_and_vectors(n=3)

    guesses, places = imagine(vectors, texts if words else [[], [], []], [words])

    assert guesses.shape == (0, 16)
    assert places.tolist() == []


def test_vectors_that_cancel_out_give_no_guess() -> None:
    vectors = np.array([[1.0, 0.0], [-1.0, 0.0]], dtype=np.float32)

    guesses, places = imagine(vectors, [["a"], ["a"]], [["a"]])

    assert guesses.shape == (0, 2)
    assert places.tolist() == []


def test_equal_texts_give_equal_guesses_in_any_order_of_the_known() -> None:
    texts, vectors, _ = texts_and_vectors()
    order = np.random.default_rng(1).permutation(len(texts))

    one, _ = imagine(vectors, texts, [["word1", "word2"]])
    other, _ = imagine(vectors[order], [texts[row] for row in order], [["word2", "word1"]])

    assert one == pytest.approx(other, abs=1e-6)
