"""Embeddings from files: an encoder that looks texts up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratarouter.errors import InvalidInputError
from stratarouter.route_files import load_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from stratarouter.types import FloatArray

__all__ = ["StoredEncoder"]

_SHOWN_CHARACTERS = 60


class StoredEncoder:
    """Gives each text the embedding that a file holds for it.

    Parameters
    ----------
    pairs : iterable of (Path, Path)
        A file of texts, and a ``.npy`` file with one row for each of them. A text in several files
        has the row of the first.

    Raises
    ------
    InvalidInputError
        If a file cannot be read, the numbers of texts and rows differ, or the widths do.
    """

    def __init__(self, pairs: Iterable[tuple[Path, Path]]) -> None:
        self._rows: dict[str, FloatArray] = {}
        self._names: list[str] = []
        self._dimension = 0
        for texts_path, vectors_path in pairs:
            self._add(texts_path, vectors_path)

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        return self._dimension

    @property
    def encoder_id(self) -> str:
        """Names of the files that the embeddings came from."""
        return f"stored:{'+'.join(self._names)}:{self._dimension}"

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Look texts up.

        Parameters
        ----------
        texts : sequence of str
            Texts of the files.

        Returns
        -------
        FloatArray, shape (n, d)
            Their rows.

        Raises
        ------
        InvalidInputError
            If a text is in none of the files.
        """
        for text in texts:
            if text not in self._rows:
                raise InvalidInputError(
                    f"no stored embedding for {text[:_SHOWN_CHARACTERS]!r}; it is in none of the "
                    "files that --embeddings and --query-embeddings belong to"
                )
        if not texts:
            return np.empty((0, self._dimension), dtype=np.float32)
        return np.stack([self._rows[text] for text in texts]).astype(np.float32)

    def _add(self, texts_path: Path, vectors_path: Path) -> None:
        texts = load_texts(texts_path)
        vectors = _load_matrix(vectors_path)
        if len(vectors) != len(texts):
            raise InvalidInputError(
                f"{vectors_path} has {len(vectors)} rows, but {texts_path} has {len(texts)} texts; "
                "there must be one row for each text, in the same order"
            )
        if self._dimension not in (0, vectors.shape[1]):
            raise InvalidInputError(
                f"{vectors_path} is {vectors.shape[1]} wide, the file before it {self._dimension}; "
                "all embeddings must come from one encoder"
            )
        self._dimension = vectors.shape[1]
        self._names.append(vectors_path.name)
        for text, row in zip(texts, vectors, strict=True):
            self._rows.setdefault(text, row)


def _load_matrix(path: Path) -> FloatArray:
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInputError(f"{path}: no readable .npy file: {error}") from error
    # An .npz archive loads too, as something that is no array.
    is_matrix = isinstance(matrix, np.ndarray) and matrix.ndim == 2
    if not is_matrix or not np.issubdtype(matrix.dtype, np.floating):
        raise InvalidInputError(f"{path}: need one matrix of floats with one row per text")
    checked: FloatArray = matrix
    return checked
