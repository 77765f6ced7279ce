"""Labelled texts with their embeddings, read from a folder.

A data set is ``NAME.jsonl`` with lines ``{"text", "label", "split"}`` and ``NAME.ENCODER.npy`` with
one embedding per line. BANKING77 (PolyAI-LDN/task-specific-datasets, CC-BY-4.0) and CLINC150
(clinc/oos-eval, CC-BY-3.0) in this form are what the figures of the documentation were made with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratarouter import Route

if TYPE_CHECKING:
    from pathlib import Path

    from stratarouter.types import FloatArray, IntArray

__all__ = ["Dataset", "Sample", "load_dataset", "load_datasets"]

_OUT_OF_SCOPE = "oos"


@dataclass(frozen=True, slots=True)
class Sample:
    """Routes with their vectors, and the queries to judge them by."""

    routes: list[Route]
    """One route per label, named like it."""
    vectors: FloatArray
    """One row per example, in the order of the routes."""
    queries: list[str]
    """Texts that are no examples."""
    query_vectors: FloatArray
    """One row per query."""
    labels: list[str | None]
    """Route id per query, None for out of scope."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Texts, labels, splits and unit embeddings of one data set."""

    name: str
    """File name without ending."""
    texts: list[str]
    """All texts."""
    numbers: IntArray
    """Label number per text, -1 for out of scope."""
    splits: list[str]
    """"train", "valid" or "test" per text."""
    vectors: FloatArray
    """Unit float32 rows."""
    labels: list[str]
    """Label of each number."""

    def sample(self, per_route: int | None, seed: int, *, development: bool) -> Sample:
        """Draw examples per route, and take the queries of a split.

        Parameters
        ----------
        per_route : int or None
            Examples per route, drawn without replacement; None takes all.
        seed : int
            Seed of the draw.
        development : bool
            True judges by the validation rows, or by 2,000 rows held out of train where there are
            none; False judges by the test rows.

        Returns
        -------
        Sample
            Routes and queries.
        """
        rng = np.random.default_rng(seed)
        splits = np.array(self.splits)
        train = np.flatnonzero((splits == "train") & (self.numbers >= 0))
        judged = np.flatnonzero(splits == ("valid" if development else "test"))
        if development and not len(judged):
            shuffled = rng.permutation(train)
            judged, train = shuffled[:2_000], np.sort(shuffled[2_000:])
        n_labels = int(self.numbers.max()) + 1
        chosen = [train[self.numbers[train] == number] for number in range(n_labels)]
        if per_route is not None:
            chosen = [rng.permutation(rows)[:per_route] for rows in chosen]
        rows = np.concatenate(chosen)
        return Sample(
            routes=[
                Route(label, examples=[self.texts[row] for row in part])
                for label, part in zip(self.labels, chosen, strict=True)
            ],
            vectors=self.vectors[rows],
            queries=[self.texts[row] for row in judged],
            query_vectors=self.vectors[judged],
            labels=[
                None if number < 0 else self.labels[number]
                for number in self.numbers[judged].tolist()
            ],
        )


def load_dataset(path: Path) -> Dataset:
    """Read one data set.

    Parameters
    ----------
    path : Path
        The ``.jsonl`` file; its embeddings lie beside it.

    Returns
    -------
    Dataset
        Texts and unit embeddings.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    (matrix,) = path.parent.glob(f"{path.stem}.*.npy")
    vectors = np.load(matrix, allow_pickle=False).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = sorted({row["label"] for row in rows} - {_OUT_OF_SCOPE})
    numbers = {label: number for number, label in enumerate(labels)}
    return Dataset(
        name=path.stem,
        texts=[row["text"] for row in rows],
        numbers=np.array([numbers.get(row["label"], -1) for row in rows]),
        splits=[row["split"] for row in rows],
        vectors=vectors,
        labels=labels,
    )


def load_datasets(folder: Path) -> list[Dataset]:
    """Read every data set of a folder.

    Parameters
    ----------
    folder : Path
        Folder with ``.jsonl`` and ``.npy`` files.

    Returns
    -------
    list of Dataset
        In the order of their names.
    """
    return [load_dataset(path) for path in sorted(folder.glob("*.jsonl"))]
