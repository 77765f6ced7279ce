"""BM25 over routes, compiled into one sorted array of postings.

A query touches only its own words and the candidate routes: each (word, route) pair is looked up by
binary search, so the cost does not grow with the length of a posting list. While words times
documents are few, a table of all weights saves the search.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stratarouter.types import FloatArray, IntArray

__all__ = ["EPSILON", "K1", "B", "Bm25", "compile_bm25", "okapi_idf"]

K1 = 1.5
"""Saturation of repeated words (the published default)."""
B = 0.75
"""Strength of the length normalisation (the published default)."""
EPSILON = 0.25
"""Share of the mean idf that a word gets whose own idf is negative, as in ``rank_bm25``."""

# Four MiB: the words of some hundred routes.
_LARGEST_TABLE = 2**19


@dataclass(frozen=True, slots=True)
class Bm25:
    """Compiled BM25 statistics [1]_ of a fixed set of documents; immutable.

    References
    ----------
    .. [1] S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
       Foundations and Trends in Information Retrieval 3(4), 2009.
    """

    vocabulary: Mapping[str, int]
    """Word to row of `idf`."""
    idf: FloatArray
    """Inverse document frequency, shape (v,)."""
    unknown_idf: float
    """What a word of no document counts in the bound of a query: the idf at frequency 0."""
    keys: IntArray
    """``word * n_documents + document`` of each posting, ascending, then a sentinel."""
    weights: FloatArray
    """BM25 weight of each posting, and 0 for the sentinel."""
    frequencies: IntArray
    """How often the word occurs in the document, per posting, and 0 for the sentinel."""
    lengths: IntArray
    """Words per document, shape (n_documents,)."""
    floored: bool
    """Whether the idf has a positive floor."""
    costs: Sequence[float]
    """`idf` as plain numbers."""
    table: FloatArray | None
    """Weight of each word in each document, shape (v, n_documents); None if it would be large."""

    def word_ids(self, query: Sequence[str]) -> list[int]:
        """Return the rows of the query's known words, repeats kept.

        Parameters
        ----------
        query : sequence of str
            Words of the query.

        Returns
        -------
        list of int
            Rows of `idf`.
        """
        find = self.vocabulary.get
        return [row for row in map(find, query) if row is not None]

    def contributions(self, word_ids: Sequence[int], documents: IntArray) -> FloatArray:
        """Return what each word adds to the raw score of each document.

        Parameters
        ----------
        word_ids : sequence of int
            From `word_ids`.
        documents : IntArray, shape (c,)
            Documents to score.

        Returns
        -------
        FloatArray, shape (len(word_ids), c)
            Their sum over the words equals ``rank_bm25.BM25Okapi`` where `floored` is False.
        """
        if self.table is not None:
            listed: FloatArray = self.table.take(word_ids, axis=0).take(documents, axis=1)
            return listed
        n = len(self.lengths)
        wanted = np.add.outer([word * n for word in word_ids], documents)
        places = self.keys.searchsorted(wanted.ravel()).reshape(wanted.shape)
        found: FloatArray = self.weights.take(places)
        found *= self.keys.take(places) == wanted
        return found

    def bound(self, query: Sequence[str], word_ids: Sequence[int]) -> float:
        """Return the score that no document can exceed for this query.

        A word that no document has counts as well: a query of which only one word is known must not
        look as if it were fully explained.

        Parameters
        ----------
        query : sequence of str
            Words of the query.
        word_ids : sequence of int
            Their known rows.

        Returns
        -------
        float, >= 0
            ``(k1 + 1)`` times the sum of the words' idf.
        """
        costs = self.costs
        known = sum([costs[row] for row in word_ids])
        return (K1 + 1.0) * (known + self.unknown_idf * (len(query) - len(word_ids)))

    def scores(self, query: Sequence[str], documents: IntArray) -> FloatArray:
        """Return the BM25 score of each document over the query's bound.

        Parameters
        ----------
        query : sequence of str
            Words of the query.
        documents : IntArray, shape (c,)
            Documents to score.

        Returns
        -------
        FloatArray, shape (c,), in [0, 1]
            One score per document.
        """
        word_ids = self.word_ids(query)
        if not word_ids:
            return np.zeros(len(documents))
        raw: FloatArray
        if self.table is None:
            raw = np.add.reduce(self.contributions(word_ids, documents))
        else:
            raw = np.add.reduce(self.table.take(word_ids, axis=0)).take(documents)
        raw /= self.bound(query, word_ids)
        return raw

    def scores_many(self, queries: Sequence[Sequence[str]], documents: IntArray) -> FloatArray:
        """Return what `scores` returns for many queries.

        Parameters
        ----------
        queries : sequence of sequence of str
            Words of each query.
        documents : IntArray, shape (q, c)
            Documents to score for each query.

        Returns
        -------
        FloatArray, shape (q, c), in [0, 1]
            One score per query and document.
        """
        known = [self.word_ids(query) for query in queries]
        sizes = np.array([len(ids) for ids in known])
        asked = sizes.nonzero()[0]
        scores = np.zeros(documents.shape)
        if not len(asked):
            return scores
        flat = np.array([row for ids in known for row in ids], dtype=np.int64)
        starts = (sizes.cumsum() - sizes)[asked]
        wanted = (flat * len(self.lengths))[:, None] + documents.repeat(sizes, axis=0)
        places = self.keys.searchsorted(wanted)
        found = self.weights.take(places)
        found *= self.keys.take(places) == wanted
        unknown = np.array([len(query) for query in queries])[asked] - sizes[asked]
        bounds = np.add.reduceat(self.idf.take(flat), starts) + self.unknown_idf * unknown
        bounds *= K1 + 1.0
        scores[asked] = np.add.reduceat(found, starts) / bounds[:, None]
        return scores

    def without(self, texts: Iterable[tuple[int, Sequence[str]]]) -> Bm25:
        """Return the statistics as if some texts had never been part of their documents.

        Parameters
        ----------
        texts : iterable of (int, sequence of str)
            Document and the words to take out of it, which it must contain.

        Returns
        -------
        Bm25
            Same vocabulary; words that are left nowhere count as unknown.
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
        return _weigh(self.vocabulary, self.keys, frequencies, lengths, floored=self.floored)


def compile_bm25(documents: Sequence[Sequence[str]], *, floored: bool = True) -> Bm25:
    """Compute BM25 statistics of documents and compile them for look-up.

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
    >>> index.scores(["refund", "please"], np.arange(3)).round(2).tolist()
    [0.08, 0.0, 0.0]
    """
    if not documents:
        raise InvalidInputError("BM25 needs at least one document")
    n = len(documents)
    vocabulary: dict[str, int] = {}
    counts: Counter[int] = Counter()
    for number, document in enumerate(documents):
        for word in document:
            counts[vocabulary.setdefault(word, len(vocabulary)) * n + number] += 1
    sentinel = len(vocabulary) * n
    keys = np.fromiter((*counts.keys(), sentinel), np.int64, len(counts) + 1)
    frequencies = np.fromiter((*counts.values(), 0), np.int32, len(counts) + 1)
    order = keys.argsort()
    lengths = np.array([len(document) for document in documents], dtype=np.int64)
    return _weigh(vocabulary, keys[order], frequencies[order], lengths, floored=floored)


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


def _weigh(
    vocabulary: Mapping[str, int],
    keys: IntArray,
    frequencies: IntArray,
    lengths: IntArray,
    *,
    floored: bool,
) -> Bm25:
    n = len(lengths)
    word_of, document_of = np.divmod(keys[:-1], n)
    count = frequencies[:-1]
    spread = np.bincount(word_of[count > 0], minlength=len(vocabulary))
    idf = okapi_idf(spread, n, floored=floored)
    norm = K1 * (1.0 - B + B * lengths / max(float(lengths.mean()), 1e-12))
    weights = idf[word_of] * count * (K1 + 1.0) / (count + norm[document_of])
    table = None
    if len(vocabulary) * n <= _LARGEST_TABLE:
        table = np.zeros((len(vocabulary), n))
        table[word_of, document_of] = weights
    return Bm25(
        vocabulary=vocabulary,
        idf=idf,
        unknown_idf=float(okapi_idf(np.zeros(1, dtype=int), n, floored=floored)[0]),
        keys=keys,
        weights=np.append(weights, 0.0),
        frequencies=frequencies,
        lengths=lengths,
        floored=floored,
        costs=idf.tolist(),
        table=table,
    )
