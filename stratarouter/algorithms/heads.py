"""Learned linear heads: what they compute when they serve."""

from __future__ import annotations

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
        counts = Counter([row for row in map(find, words) if row is not None])
        if not counts:
            return np.zeros(SKETCH_WIDTH, dtype=np.float32)
        rows = np.fromiter(counts.keys(), np.int64, len(counts))
        weights = self.idf[rows] * (1.0 + np.log(np.fromiter(counts.values(), float, len(counts))))
        weights *= _WORD_SHARE / np.sqrt(weights @ weights)
        spread = weights[:, None] * self.signs[rows]
        sums = np.bincount(
            self.buckets[rows].ravel(), weights=spread.ravel(), minlength=SKETCH_WIDTH
        )
        projected: FloatArray = sums.astype(np.float32)
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
        logits: FloatArray = self.weights @ embedding
        logits += self.bias
        return logits

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
        scores: FloatArray = np.clip((logits - self.low) / (self.high - self.low), 0.0, 1.0)
        return scores
