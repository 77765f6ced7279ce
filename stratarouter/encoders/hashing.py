"""An encoder that needs no model: words and letter groups hashed to a unit vector."""

from __future__ import annotations

import math
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from stratarouter.encoders.base import BaseEncoder
from stratarouter.encoders.checks import check_dimension, check_texts
from stratarouter.encoders.hashing_words import FUNCTION_WORDS, split_words
from stratarouter.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["HashingEncoder"]

# Whoever changes anything that moves a vector (words, weights, hashes) has to raise this number,
# since saved vectors are compared only with those of the same encoder_id.
_VERSION = 1

# Chosen by cross-validation on two sets of intents; the optimum is flat around these values.
_NGRAM_WEIGHT = 0.5
_PAIR_WEIGHT = 0.3

_MAX_REMEMBERED_WORDS = 8192
_MAX_REMEMBERED_LENGTH = 64

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class HashingEncoder(BaseEncoder):
    """Encodes texts by the words and letter groups that they share, without any model.

    It knows spelling, not meaning: "invoice" is near "invoices" and "invioce", not near "bill". It
    needs no download, is equal in every process, and serves tests, demonstrations, and routes whose
    examples use the words of the queries. More width means fewer chance collisions; from 1024 on
    there is little left to gain.

    Each word adds itself, its letter n-grams and the pair that it forms with its neighbour, each to
    one signed position of the vector [1]_; repeats count logarithmically, and English function
    words count less. Text of any script gets a vector, punctuation alone too. One instance may be
    used by several threads.

    Parameters
    ----------
    dimension : int, optional
        Width of the embeddings, > 0.
    ngram_range : tuple of int, optional
        Shortest and longest letter group, 1 <= shortest <= longest <= 16.
    function_word_weight : float, optional
        Weight of English function words, in [0, 1]; that of other words is 1.

    Raises
    ------
    InvalidInputError
        If a parameter is out of range.

    References
    ----------
    .. [1] K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009.

    Examples
    --------
    >>> texts = ["my invoice", "two invoices", "will it rain"]
    >>> invoice, invoices, rain = HashingEncoder(2048).encode(texts)
    >>> bool(invoice @ invoices > 0.4), bool(invoice @ rain < 0.2)
    (True, True)
    """

    def __init__(
        self,
        dimension: int = 384,
        *,
        ngram_range: tuple[int, int] = (2, 4),
        function_word_weight: float = 0.5,
    ) -> None:
        self._dimension = check_dimension(dimension)
        self._lengths = _checked_range(ngram_range)
        self._function_word_weight = _checked_weight(function_word_weight)
        self._remembered: dict[str, _WordFeatures] = {}

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        return self._dimension

    @property
    def encoder_id(self) -> str:
        """Name of the vector space: version of the algorithm and every parameter."""
        shortest, longest = self._lengths.start, self._lengths.stop - 1
        return (
            f"hashing-v{_VERSION}:d={self._dimension}:n={shortest}-{longest}"
            f":f={self._function_word_weight!r}"
        )

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts to unit vectors.

        Parameters
        ----------
        texts : sequence of str
            Texts, none of them blank; an empty sequence gives no rows.

        Returns
        -------
        NDArray[np.float32], shape (n, d)
            One row of length 1 per text, in their order; a row does not depend on the others.

        Raises
        ------
        InvalidInputError
            If `texts` is a single string, or one of them is blank or no string.
        """
        checked = check_texts(texts)
        rows = np.empty((len(checked), self._dimension), dtype=np.float32)
        for position, text in enumerate(checked):
            rows[position] = self._embed(text)
        return rows

    def __repr__(self) -> str:
        return f"HashingEncoder({self.encoder_id!r})"

    def _embed(self, text: str) -> NDArray[np.float64]:
        words = split_words(text)
        counts: dict[str, int] = {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        features = self._features(counts)
        buckets = [entry.buckets for entry in features.values()]
        weights = [
            entry.weights if counts[word] == 1 else entry.weights * (1.0 + math.log(counts[word]))
            for word, entry in features.items()
        ]
        if len(words) > 1:
            pairs = [(features[a], features[b]) for a, b in dict.fromkeys(pairwise(words))]
            pair_buckets, pair_weights = self._pair_features(pairs)
            buckets.append(pair_buckets)
            weights.append(pair_weights)
        sums = np.bincount(np.concatenate(buckets), np.concatenate(weights), self._dimension)
        row = sums.astype(np.float64, copy=False)
        squared_length = float(row.dot(row))
        if squared_length < 1e-6:
            # The signed features of a very short text may cancel each other out.
            row[:] = 0.0
            row[_text_hash(text) % self._dimension] = squared_length = 1.0
        row /= math.sqrt(squared_length)
        return row

    def _features(self, words: Iterable[str]) -> dict[str, _WordFeatures]:
        """Return the features of distinct words in their order, whether they are known or not."""
        remembered = self._remembered
        found = {word: remembered.get(word) for word in words}
        missing = [word for word, entry in found.items() if entry is None]
        if not missing:
            return cast("dict[str, _WordFeatures]", found)
        learned = self._learned(missing)
        for word, entry in learned.items():
            if len(word) <= _MAX_REMEMBERED_LENGTH:
                if len(remembered) >= _MAX_REMEMBERED_WORDS:
                    # A fresh mapping, so that a thread which reads the old one is not disturbed.
                    remembered = self._remembered = {}
                remembered[word] = entry
        return {w: learned[w] if entry is None else entry for w, entry in found.items()}

    def _learned(self, words: list[str]) -> dict[str, _WordFeatures]:
        """Return the features of new words: all in one pass, since numpy is slow in small steps."""
        word_hashes = [_text_hash(word) for word in words]
        factors = [self._function_word_weight if w in FUNCTION_WORDS else 1.0 for w in words]
        ngrams, owners = _ngram_hashes([f"<{word}>" for word in words], self._lengths)
        buckets, weights = self._placed(np.concatenate([np.array(word_hashes, np.uint64), ngrams]))
        owners = np.concatenate([np.arange(len(words)), owners])
        weights *= np.array(factors)[owners]
        weights[len(words) :] *= _NGRAM_WEIGHT
        by_owner = np.argsort(owners, kind="stable")
        buckets, weights = buckets[by_owner], weights[by_owner]
        ends = np.cumsum(np.bincount(owners)).tolist()
        learned = {}
        for position, word in enumerate(words):
            own = slice(ends[position - 1] if position else 0, ends[position])
            # Copies, since views would keep the features of all these words in memory.
            learned[word] = _WordFeatures(
                buckets[own].copy(), weights[own].copy(), word_hashes[position], factors[position]
            )
        return learned

    def _pair_features(
        self, pairs: list[tuple[_WordFeatures, _WordFeatures]]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        first = np.array([a.word_hash for a, _ in pairs], dtype=np.uint64)
        second = np.array([b.word_hash for _, b in pairs], dtype=np.uint64)
        buckets, weights = self._placed(first * _MULTIPLIER + second)
        weights *= np.array([_PAIR_WEIGHT * a.factor * b.factor for a, b in pairs])
        return buckets, weights

    def _placed(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the bucket and the sign, +1 or -1, of each hash."""
        mixed = _mixed(hashes)
        buckets = ((mixed >> np.uint64(1)) % np.uint64(self._dimension)).astype(np.intp)
        return buckets, 1.0 - 2.0 * (mixed & np.uint64(1)).astype(np.float64)


class _WordFeatures(NamedTuple):
    buckets: NDArray[np.intp]
    weights: NDArray[np.float64]
    word_hash: int
    factor: float


def _text_hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def _ngram_hashes(words: list[str], lengths: range) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Return a polynomial in the code points of each group of letters, and its word's number."""
    data = "".join(words).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(data, dtype="<u4").astype(np.uint64)
    sizes = np.array([len(word) for word in words])
    owners = np.repeat(np.arange(len(words)), sizes)
    # How many letters there are from each one to the end of its word, itself included.
    room = np.cumsum(sizes)[owners] - np.arange(codes.size)
    hashes, parts = codes, []
    for n in range(1, lengths.stop):
        if n > 1:
            hashes = hashes[:-1] * _MULTIPLIER + codes[n - 1 :]
        if n in lengths:
            fits = np.flatnonzero(room[: hashes.size] >= n)
            parts.append((hashes[fits], owners[fits]))
    return np.concatenate([h for h, _ in parts]), np.concatenate([o for _, o in parts])


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread each value over all 64 bits: the output function of SplitMix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _checked_range(ngram_range: tuple[int, int]) -> range:
    try:
        shortest, longest = ngram_range
        lengths = range(shortest, longest + 1)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"ngram_range must be two whole numbers, got {ngram_range!r}"
        ) from error
    if not 1 <= shortest <= longest <= 16:
        raise InvalidInputError(f"ngram_range must be within 1 to 16, got {ngram_range!r}")
    return lengths


def _checked_weight(weight: object) -> float:
    # The comparison is written so that NaN fails it.
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0.0 <= weight <= 1.0:
        raise InvalidInputError(f"function_word_weight must be in [0, 1], got {weight!r}")
    return float(weight)
