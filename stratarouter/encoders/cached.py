"""An encoder that remembers what it has encoded."""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.encoders.base import CheckedEncoder, ensure_encoder
from stratarouter.encoders.checks import check_texts
from stratarouter.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["CachedEncoder", "EncoderCacheStats"]

# What an entry takes beside its text and its numbers: the array object and its place in the map.
_ENTRY_OVERHEAD_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderCacheStats:
    """What a `CachedEncoder` has done so far, and what it holds."""

    hits: int
    """Texts answered from memory, repeats inside one call included."""
    misses: int
    """Texts passed on to the encoder."""
    evictions: int
    """Embeddings given up for newer ones."""
    entries: int
    """Embeddings held."""
    size_bytes: int
    """Memory of the embeddings held and their texts, estimated."""


class CachedEncoder(CheckedEncoder):
    """Remembers the embeddings of the texts that were used last.

    A text is its own key, so that two texts never share an embedding by chance. One call of the
    wrapped encoder serves all texts of a batch that are not known yet, each once. It runs outside
    the lock: two threads that miss the same text at the same moment both encode it. If the wrapped
    encoder has ``aencode``, this one has it too.

    Parameters
    ----------
    encoder : object
        Anything that `ensure_encoder` accepts.
    max_entries : int, optional
        Most embeddings to hold, > 0.
    max_bytes : int, optional
        Most memory for embeddings and texts, bytes, > 0; the lower of the two limits holds.

    Raises
    ------
    ConfigurationError
        If a limit is not a whole number > 0.
    InvalidInputError
        If `encoder` is none.

    Examples
    --------
    >>> from stratarouter.encoders.hashing import HashingEncoder
    >>> encoder = CachedEncoder(HashingEncoder())
    >>> encoder.encode(["a b", "a b", "c"]).shape, encoder.stats().misses
    ((3, 384), 2)
    """

    def __init__(
        self,
        encoder: Any,
        *,
        max_entries: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        super().__init__(ensure_encoder(encoder))
        self._max_entries = _checked_limit("max_entries", max_entries)
        self._max_bytes = _checked_limit("max_bytes", max_bytes)
        self._lock = Lock()
        self._rows: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._size_bytes = 0
        self._hits = 0
        self._misses = 0
        self._evictions = 0

    def encode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Return the embeddings of texts, from memory where they are known.

        Parameters
        ----------
        texts : sequence of str
            Texts, none of them blank; an empty sequence gives no rows.

        Returns
        -------
        NDArray[np.float32], shape (n, d)
            One row of length 1 per text, in their order; the array belongs to the caller.

        Raises
        ------
        InvalidInputError
            If `texts` is a single string, or one of them is blank or no string.
        EncodingError
            If the encoder fails, or does not return one usable row per text; nothing is kept.
        """
        checked = check_texts(texts)
        known, missing = self._look_up(checked)
        if missing:
            self._keep(known, missing, self.inner.encode(missing))
        return self._assembled(checked, known)

    def stats(self) -> EncoderCacheStats:
        """Return the counters at this moment.

        Returns
        -------
        EncoderCacheStats
            A copy that does not change any more.
        """
        with self._lock:
            return EncoderCacheStats(
                hits=self._hits,
                misses=self._misses,
                evictions=self._evictions,
                entries=len(self._rows),
                size_bytes=self._size_bytes,
            )

    def clear(self) -> None:
        """Forget every embedding; the counters of hits and misses go on."""
        with self._lock:
            self._rows.clear()
            self._size_bytes = 0

    async def _aencode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        checked = check_texts(texts)
        known, missing = self._look_up(checked)
        if missing:
            self._keep(known, missing, await self.inner.aencode(missing))
        return self._assembled(checked, known)

    def _look_up(self, texts: list[str]) -> tuple[dict[str, NDArray[np.float32]], list[str]]:
        """Return the known rows and, each once, the texts that have to be encoded."""
        known: dict[str, NDArray[np.float32]] = {}
        missing: dict[str, None] = {}
        with self._lock:
            for text in texts:
                row = self._rows.get(text)
                if row is None:
                    missing[text] = None
                else:
                    self._rows.move_to_end(text)
                    known[text] = row
            self._misses += len(missing)
            self._hits += len(texts) - len(missing)
        return known, list(missing)

    def _keep(
        self, known: dict[str, NDArray[np.float32]], texts: list[str], rows: NDArray[np.float32]
    ) -> None:
        known.update(zip(texts, rows, strict=True))
        with self._lock:
            for text, row in zip(texts, rows, strict=True):
                size_bytes = _entry_bytes(text, row)
                if text in self._rows or size_bytes > self._max_bytes:
                    continue
                # A copy, since a view would keep the whole batch in memory.
                self._rows[text] = row.copy()
                self._size_bytes += size_bytes
            while len(self._rows) > self._max_entries or self._size_bytes > self._max_bytes:
                oldest, row = self._rows.popitem(last=False)
                self._size_bytes -= _entry_bytes(oldest, row)
                self._evictions += 1

    def _assembled(
        self, texts: list[str], known: dict[str, NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for position, text in enumerate(texts):
            rows[position] = known[text]
        return rows


def _entry_bytes(text: str, row: NDArray[np.float32]) -> int:
    return sys.getsizeof(text) + row.nbytes + _ENTRY_OVERHEAD_BYTES


def _checked_limit(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ConfigurationError(f"{name} must be a whole number > 0, got {value!r}")
    return value
