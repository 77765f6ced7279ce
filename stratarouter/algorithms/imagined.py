"""Guessing the vectors of short texts from the vectors of other texts that share their words."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratarouter.types import FloatArray, IntArray

__all__ = ["imagine"]

# How many texts of this word alone count as much as the belief that a word changes nothing.
_RIDGE = 0.3


def imagine(
    vectors: FloatArray, words: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]
) -> tuple[FloatArray, IntArray]:
    """Guess the vectors of texts from their words.

    A ridge regression [1]_ of the known vectors on the tf-idf weights of the wanted words says
    where each word moves a vector; the words of a text are moved by together, and as far from the
    mean as known vectors usually are.

    Parameters
    ----------
    vectors : FloatArray, shape (n, d)
        Unit vectors of known texts, n >= 1.
    words : sequence of sequence of str
        Words of each known text.
    wanted : sequence of sequence of str
        Words of each text whose vector is wanted.

    Returns
    -------
    guesses : FloatArray, shape (m, d)
        Unit vectors, one per text that has a known word.
    places : IntArray, shape (m,)
        Which of the wanted texts they belong to, ascending.

    References
    ----------
    .. [1] A. E. Hoerl, R. W. Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal
       Problems", Technometrics 12(1), 1970.

    Examples
    --------
    >>> known = np.eye(3, dtype=np.float32)
    >>> guesses, places = imagine(known, [["rain"], ["rain", "snow"], ["sun"]], [["sun"], ["fog"]])
    >>> int((known @ guesses[0]).argmax()), places.tolist()
    (2, [0])
    """
    spread = Counter(word for text in words for word in set(text))
    asked = sorted({word for text in wanted for word in text} & spread.keys())
    columns = {word: place for place, word in enumerate(asked)}
    idf = {word: math.log((1 + len(words)) / (1 + count)) + 1.0 for word, count in spread.items()}
    queries = _weights(wanted, columns, idf)
    places = np.flatnonzero(queries.any(axis=1))
    mean = vectors.mean(axis=0, dtype=float)
    centred = vectors - mean
    if not len(places):
        return np.zeros((0, vectors.shape[1]), dtype=np.float32), places
    known = _weights(words, columns, idf)
    gram = known.T @ known + _RIDGE * np.eye(len(asked))
    moves = queries[places] @ np.linalg.solve(gram, known.T @ centred)
    lengths = np.linalg.norm(moves, axis=1, keepdims=True)
    usual = float(np.linalg.norm(centred, axis=1).mean())
    guesses = mean + usual * moves / np.maximum(lengths, 1e-12)
    # Vectors that all cancel out point nowhere.
    norms = np.linalg.norm(guesses, axis=1, keepdims=True)
    certain = norms[:, 0] > 1e-6
    unit: FloatArray = (guesses[certain] / norms[certain]).astype(np.float32)
    return unit, places[certain]


def _weights(
    texts: Sequence[Sequence[str]], columns: Mapping[str, int], idf: Mapping[str, float]
) -> FloatArray:
    """Return tf-idf weights of some words, the rows scaled to unit length over all known words."""
    weights = np.zeros((len(texts), len(columns)))
    for row, text in enumerate(texts):
        counts = {word: count * idf[word] for word, count in Counter(text).items() if word in idf}
        length = math.sqrt(sum(weight * weight for weight in counts.values()))
        for word, weight in counts.items():
            column = columns.get(word)
            if column is not None:
                weights[row, column] = weight / length
    return weights
