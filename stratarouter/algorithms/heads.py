"""Learned linear heads: what they compute when they serve."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratarouter.types import FloatArray, IntArray

__all__ = ["SKETCH_WIDTH", "LinearHead", "WordSketch", "sketch_words"]

SKETCH_WIDTH = 384
"""Width of a word sketch; collisions of words cost nothing measurable at this width."""

_BUCKETS_PER_WORD = 4
_WORD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class WordSketch:
    """Random projection of tf-idf word vectors to a fixed width; immutable.

    Every word goes to a few buckets with random signs (a count sketch [1]_), so inner products of
    word vectors are kept in expectation and a query costs a handful of look-ups.

    References
    ----------
    .. [1] M. Charikar, K. Chen, M. Farach-Colton, "Finding Frequent Items in Data Streams",
       ICALP 2002.
    """

    vocabulary: Mapping[str, int]
    """Word to row."""
    idf: FloatArray
    """Inverse document frequency over the examples, shape (v,), >= 1."""
    buckets: IntArray
    """Buckets of each word, shape (v, 4)."""
    signs: FloatArray
    """Signed weight of each word in its buckets, shape (v, 4)."""

    def project(self, words: Sequence[str]) -> FloatArray:
        """Return the projection of a text.

        Parameters
        ----------
        words : sequence of str
            Its words; unknown ones are passed over.

        Returns
        -------
        FloatArray, shape (SKETCH_WIDTH,)
            Of length about 0.5; zero if no word is known.
        """
        find = self.vocabulary.get
        rows = [row for row in map(find, words) if row is not None]
        if not rows:
            return np.zeros(SKETCH_WIDTH, dtype=np.float32)
        counts = None
        if len(set(rows)) < len(rows):
            tally = Counter(rows)
            rows, counts = list(tally), np.array(list(tally.values()))
        weights = self.idf.take(rows)
        if counts is not None:
            weights *= 1.0 + np.log(counts)
        weights *= _WORD_SHARE / math.sqrt(float(np.dot(weights, weights)))
        spread = self.signs.take(rows, axis=0) * weights[:, None]
        buckets = self.buckets.take(rows, axis=0)
        sums = np.bincount(buckets.ravel(), spread.ravel(), SKETCH_WIDTH)
        projected: FloatArray = sums.astype(np.float32)
        return projected

    def project_many(self, texts: Sequence[Sequence[str]]) -> FloatArray:
        """Return the projections of many texts.

        Parameters
        ----------
        texts : sequence of sequence of str
            Words of each text.

        Returns
        -------
        FloatArray, shape (n, SKETCH_WIDTH)
            What `project` returns for each.
        """
        find, n_words = self.vocabulary.get, len(self.vocabulary)
        keys = np.array(
            [
                number * n_words + row
                for number, text in enumerate(texts)
                for row in map(find, text)
                if row is not None
            ],
            dtype=np.int64,
        )
        keys, counts = np.unique(keys, return_counts=True)
        numbers, rows = np.divmod(keys, max(n_words, 1))
        weights = self.idf[rows] * (1.0 + np.log(counts))
        squares = np.bincount(numbers, weights * weights, len(texts))
        weights *= _WORD_SHARE / np.sqrt(squares[numbers])
        spread = self.signs[rows] * weights[:, None]
        places = numbers[:, None] * SKETCH_WIDTH + self.buckets[rows]
        sums = np.bincount(places.ravel(), spread.ravel(), len(texts) * SKETCH_WIDTH)
        projected: FloatArray = sums.astype(np.float32).reshape(-1, SKETCH_WIDTH)
        return projected


def sketch_words(texts: Sequence[Sequence[str]], seed: int) -> WordSketch:
    """Make a sketch for the words of texts.

    Parameters
    ----------
    texts : sequence of sequence of str
        Words of each text.
    seed : int
        Seed of the buckets.

    Returns
    -------
    WordSketch
        The sketch.
    """
    spread: Counter[str] = Counter()
    for text in texts:
        spread.update(set(text))
    # Sets have no fixed order; the buckets must not depend on it.
    vocabulary = {word: row for row, word in enumerate(sorted(spread))}
    counts = np.array([spread[word] for word in vocabulary], dtype=float)
    rng = np.random.default_rng(seed)
    shape = (len(vocabulary), _BUCKETS_PER_WORD)
    return WordSketch(
        vocabulary=vocabulary,
        idf=np.log((1.0 + len(texts)) / (1.0 + counts)) + 1.0,
        buckets=rng.integers(0, SKETCH_WIDTH, shape),
        signs=rng.choice(np.array([-0.5, 0.5]), shape),
    )


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A fitted linear classifier over routes; immutable."""

    weights: FloatArray
    """One row per route over [embedding ; word sketch], shape (r, d) or (r, d + SKETCH_WIDTH)."""
    bias: FloatArray
    """One value per route, shape (r,)."""
    low: float
    """Logit that becomes score 0."""
    high: float
    """Logit that becomes score 1."""
    sketch: WordSketch | None = None
    """Sketch of the words; None if the head reads the embedding only."""

    def logits(self, embedding: FloatArray, words: Sequence[str]) -> FloatArray:
        """Return one logit per route.

        Parameters
        ----------
        embedding : FloatArray, shape (d,)
            Unit vector of the query.
        words : sequence of str
            Words of the query.

        Returns
        -------
        FloatArray, shape (r,)
            Logits.
        """
        if self.sketch is not None:
            embedding = np.concatenate([embedding, self.sketch.project(words)])
        logits: FloatArray = self.weights.dot(embedding)
        logits += self.bias
        return logits

    def logits_many(self, embeddings: FloatArray, texts: Sequence[Sequence[str]]) -> FloatArray:
        """Return one logit per query and route.

        Parameters
        ----------
        embeddings : FloatArray, shape (n, d)
            Unit vectors of the queries.
        texts : sequence of sequence of str
            Words of each query.

        Returns
        -------
        FloatArray, shape (n, r)
            What `logits` returns for each.
        """
        if self.sketch is not None:
            embeddings = np.hstack([embeddings, self.sketch.project_many(texts)])
        logits: FloatArray = embeddings @ self.weights.T
        logits += self.bias
        return logits

    def scores_of(self, logits: list[float]) -> list[float]:
        """Return what `scores` returns, for the few candidates of one query.

        Parameters
        ----------
        logits : list of float
            From `logits`.

        Returns
        -------
        list of float, in [0, 1]
            Scores.
        """
        low, width = self.low, self.high - self.low
        raw = [(logit - low) / width for logit in logits]
        return [min(score, 1.0) if score > 0.0 else 0.0 for score in raw]

    def scores(self, logits: FloatArray) -> FloatArray:
        """Return logits as scores.

        Parameters
        ----------
        logits : FloatArray
            From `logits`.

        Returns
        -------
        FloatArray, in [0, 1]
            Linear between `low` and `high`, cut off outside.
        """
        scores: FloatArray = (logits - self.low) / (self.high - self.low)
        np.maximum(scores, 0.0, out=scores)
        np.minimum(scores, 1.0, out=scores)
        return scores
