"""BM25 over routes: counted once, compiled into one table of weights per document.

A query touches its own words and the candidate routes only: each (word, route) pair is one look-up,
so the cost depends neither on the number of routes nor on how common a word is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stratarouter.types import FloatArray, IntArray

__all__ = ["EPSILON", "K1", "B", "Bm25", "WordCounts", "compile_bm25", "count_words", "okapi_idf"]

K1 = 1.5
"""Saturation of repeated words (the published default)."""
B = 0.75
"""Strength of the length normalisation (the published default)."""
EPSILON = 0.25
"""Share of the mean idf that a word gets whose own idf is negative, as in ``rank_bm25``."""


@dataclass(frozen=True, slots=True)
class Bm25:
    """Compiled BM25 statistics [1]_ of a fixed set of documents; immutable.

    References
    ----------
    .. [1] S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
       Foundations and Trends in Information Retrieval 3(4), 2009.
    """

    idf: Mapping[str, float]
    """Inverse document frequency of each word."""
    unknown_idf: float
    """What a word of no document counts in the bound of a query: the idf at frequency 0."""
    saturations: Sequence[Mapping[str, float]]
    """Of each word of each document what its idf is multiplied by, in (0, k1 + 1)."""

    def contributions(self, query: Sequence[str], document: int) -> list[float]:
        """Return what each word of a query adds to the raw score of a document.

        Parameters
        ----------
        query : sequence of str
            Words of the query.
        document : int
            Number of the document.

        Returns
        -------
        list of float, >= 0
            One value per word. Their sum equals ``rank_bm25.BM25Okapi`` if the idf is not floored.
        """
        find, idf = self.saturations[document].get, self.idf.get
        return [idf(word, 0.0) * find(word, 0.0) for word in query]

    def bound(self, query: Sequence[str]) -> float:
        """Return the score that no document can exceed for this query.

        A word that no document has counts as well: a query of which only one word is known must not
        look as if it were fully explained.

        Parameters
        ----------
        query : sequence of str
            Words of the query.

        Returns
        -------
        float, >= 0
            ``(k1 + 1)`` times the sum of the words' idf.
        """
        find, unknown = self.idf.get, self.unknown_idf
        return (K1 + 1.0) * sum([find(word, unknown) for word in query])

    def scores(self, query: Sequence[str], documents: Sequence[int]) -> list[float]:
        """Return the BM25 score of each document over the query's bound.

        Parameters
        ----------
        query : sequence of str
            Words of the query.
        documents : sequence of int
            Documents to score.

        Returns
        -------
        list of float, in [0, 1]
            One score per document; all 0 if no word of the query is known.
        """
        idf, saturations = self.idf, self.saturations
        known = [word for word in query if word in idf]
        nothing = [0.0] * len(known)
        if not known:
            return [0.0] * len(documents)
        worth = [idf[word] for word in known]
        unknown = self.unknown_idf * (len(query) - len(known))
        scale = 1.0 / ((K1 + 1.0) * (sum(worth) + unknown))
        # Without a call of Python per word or document: this is the hot path.
        return [
            scale * sum(map(mul, worth, map(saturations[number].get, known, nothing)))
            for number in documents
        ]


@dataclass(frozen=True, slots=True)
class WordCounts:
    """How often each word occurs in each document; immutable."""

    vocabulary: Mapping[str, int]
    """Word to its row."""
    keys: IntArray
    """``row * n_documents + document`` of each pair that occurs, ascending."""
    frequencies: IntArray
    """How often it occurs, per key."""
    lengths: IntArray
    """Words per document, shape (n_documents,)."""

    def without(self, texts: Iterable[tuple[int, Sequence[str]]]) -> WordCounts:
        """Return the counts as if some texts had never been part of their documents.

        Parameters
        ----------
        texts : iterable of (int, sequence of str)
            Document and the words to take out of it, which it must contain.

        Returns
        -------
        WordCounts
            Same vocabulary; words that are left nowhere have no count.
        """
        n = len(self.lengths)
        removed: Counter[int] = Counter()
        lengths = self.lengths.copy()
        for document, text in texts:
            lengths[document] -= len(text)
            removed.update(self.vocabulary[word] * n + document for word in text)
        frequencies = self.frequencies.copy()
        places = self.keys.searchsorted(np.array(list(removed.keys()), dtype=np.int64))
        frequencies[places] -= np.array(list(removed.values()), dtype=frequencies.dtype)
        return WordCounts(self.vocabulary, self.keys, frequencies, lengths)

    def compiled(self, *, floored: bool = True) -> Bm25:
        """Return what serving needs.

        Parameters
        ----------
        floored : bool, optional
            Whether the idf has a positive floor, see `okapi_idf`; without it the raw scores equal
            ``rank_bm25.BM25Okapi``.

        Returns
        -------
        Bm25
            The weights.
        """
        n = len(self.lengths)
        present = self.frequencies > 0
        row_of, document_of = np.divmod(self.keys[present], n)
        count = self.frequencies[present]
        spread = np.bincount(row_of, minlength=len(self.vocabulary))
        idf = okapi_idf(spread, n, floored=floored)
        norm = K1 * (1.0 - B + B * self.lengths / max(float(self.lengths.mean()), 1e-12))
        saturation = count * (K1 + 1.0) / (count + norm[document_of])
        words = list(self.vocabulary)
        order = document_of.argsort(kind="stable")
        names = [words[row] for row in row_of[order].tolist()]
        # Few differ, so that nearly all words share the objects of the same few numbers.
        distinct, which = np.unique(saturation[order], return_inverse=True)
        shared = distinct.tolist()
        values = [shared[place] for place in which.tolist()]
        ends = np.bincount(document_of, minlength=n).cumsum().tolist()
        pairs = zip([0, *ends], ends, strict=False)
        known = spread > 0
        return Bm25(
            idf={words[row]: float(idf[row]) for row in known.nonzero()[0].tolist()},
            unknown_idf=float(okapi_idf(np.zeros(1, dtype=int), n, floored=floored)[0]),
            saturations=tuple(
                dict(zip(names[start:end], values[start:end], strict=True)) for start, end in pairs
            ),
        )


def count_words(documents: Sequence[Sequence[str]]) -> WordCounts:
    """Count the words of documents.

    Parameters
    ----------
    documents : sequence of sequence of str
        Words of each document; documents may be empty.

    Returns
    -------
    WordCounts
        The counts.

    Raises
    ------
    InvalidInputError
        If there is no document.
    """
    if not documents:
        raise InvalidInputError("BM25 needs at least one document")
    n = len(documents)
    vocabulary: dict[str, int] = {}
    counts: Counter[int] = Counter()
    for number, document in enumerate(documents):
        for word in document:
            counts[vocabulary.setdefault(word, len(vocabulary)) * n + number] += 1
    keys = np.fromiter(counts.keys(), np.int64, len(counts))
    frequencies = np.fromiter(counts.values(), np.int32, len(counts))
    order = keys.argsort()
    lengths = np.array([len(document) for document in documents], dtype=np.int64)
    return WordCounts(vocabulary, keys[order], frequencies[order], lengths)


def compile_bm25(documents: Sequence[Sequence[str]], *, floored: bool = True) -> Bm25:
    """Compile BM25 statistics.

    Parameters
    ----------
    documents : sequence of sequence of str
        Words of each document; documents may be empty.
    floored : bool, optional
        Whether the idf has a positive floor, see `okapi_idf`; without it the raw scores equal
        ``rank_bm25.BM25Okapi``.

    Returns
    -------
    Bm25
        The compiled statistics.

    Raises
    ------
    InvalidInputError
        If there is no document.

    Examples
    --------
    >>> index = compile_bm25([["refund", "money"], ["late", "parcel"], ["broken", "screen"]])
    >>> [round(score, 2) for score in index.scores(["refund", "please"], range(3))]
    [0.08, 0.0, 0.0]
    """
    return count_words(documents).compiled(floored=floored)


def okapi_idf(spread: IntArray, n_documents: int, *, floored: bool) -> FloatArray:
    """Return the inverse document frequency of words.

    The Okapi form ``log((n - f + 0.5) / (f + 0.5))`` is negative for words of more than half the
    documents; those get `EPSILON` times the mean. With few documents it is zero or negative even
    for words that tell the documents apart (one of two, say), so it can be floored at half of
    ``log(1 + (n - f + 0.5) / (f + 0.5))``, which is positive at every frequency.

    Parameters
    ----------
    spread : IntArray, shape (v,)
        Number of documents ``f`` that contain each word; words with 0 do not enter the mean.
    n_documents : int
        Number of documents ``n``.
    floored : bool
        Whether to apply the floor.

    Returns
    -------
    FloatArray, shape (v,)
        One value per word.
    """
    ratio = (n_documents - spread + 0.5) / (spread + 0.5)
    idf = np.log(ratio)
    present = idf[spread > 0]
    mean = float(present.mean()) if present.size else 0.0
    idf = np.where(idf < 0.0, EPSILON * mean, idf)
    return np.maximum(idf, 0.5 * np.log1p(ratio)) if floored else idf
