"""Contracts that implementations outside this package can fulfil."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.types import FloatArray, IntArray

__all__ = ["BuildProgress", "Encoder", "VectorIndex"]


class BuildProgress(Protocol):
    """Is told how far a build has come; called in the thread that builds."""

    def __call__(self, step: str, done: int, total: int, /) -> None:
        """Take note of a step that begins.

        Parameters
        ----------
        step : str
            What is done next, in a few words; "done" at the end.
        done : int
            Steps that are finished.
        total : int
            Steps that there are, the same in all calls of one build.
        """
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors of one width.

    An encoder may also have an ``encoder_id`` (str), which names its vector space; without one the
    class name and the width stand in for it.
    """

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        ...

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Encode texts.

        Parameters
        ----------
        texts : sequence of str
            Texts; a single one is a list of one.

        Returns
        -------
        FloatArray, shape (n, d)
            One row per text.
        """
        ...


class VectorIndex(Protocol):
    """Finds the rows of a matrix that are most similar to a vector."""

    @property
    def matrix(self) -> FloatArray:
        """The rows that are searched, shape (n, d)."""
        ...

    def search(self, embedding: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return the `k` most similar rows.

        Parameters
        ----------
        embedding : FloatArray, shape (d,)
            Unit vector.
        k : int
            How many rows, >= 1.

        Returns
        -------
        indices : IntArray, shape (min(k, n),), ascending
            Row numbers.
        similarities : FloatArray, shape (min(k, n),)
            Inner products with those rows.
        """
        ...

    def search_many(self, embeddings: FloatArray, k: int) -> IntArray:
        """Return the `k` most similar rows of each of many vectors, as `search` finds them.

        Parameters
        ----------
        embeddings : FloatArray, shape (q, d)
            Unit vectors, at least one.
        k : int
            How many rows, in [1, n).

        Returns
        -------
        IntArray, shape (q, k)
            Row numbers, ascending for each vector.
        """
        ...
