"""Learned heads: multinomial logistic regression over the routes' examples.

The only place that uses scikit-learn; what it makes is plain numpy.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratarouter.algorithms.heads import SKETCH_WIDTH, LinearHead, sketch_words
from stratarouter.algorithms.imagined import imagine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratarouter.algorithms.heads import WordSketch
    from stratarouter.types import FloatArray, IntArray

__all__ = ["HeadKind", "TrainingRows", "head_cost_s", "train_head"]

_INVERSE_REGULARISATION = 10.0
_TOLERANCE = 1e-4
_MAX_ITERATIONS = 300
_TYPICAL_ITERATIONS = 80
# Multiply-adds of the forward and the backward product per second of one core, as measured.
_OPERATIONS_PER_S = 1e11
# Room above and below the logits of the training rows, so that new queries are not cut off.
_HEADROOM = 0.25


@dataclass(frozen=True, slots=True)
class HeadKind:
    """What a head reads."""

    name: str
    """"logistic" or "logistic+words"."""
    reads_words: bool
    """Whether the words are read beside the embedding."""


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Examples to learn from."""

    vectors: FloatArray
    """Unit rows, shape (n, d)."""
    words: Sequence[Sequence[str]]
    """Words of each row; empty where the text is not known."""
    routes: IntArray
    """Route of each row, shape (n,), covering 0 to n_routes - 1."""
    unseen: Sequence[tuple[int, Sequence[str]]] = ()
    """Route and words of each text of a route that has no vector."""

    def select(self, kept: IntArray) -> TrainingRows:
        """Return a selection of the rows.

        Parameters
        ----------
        kept : IntArray
            Rows to keep.

        Returns
        -------
        TrainingRows
            Those rows, in the given order, and all texts without a vector.
        """
        words = [self.words[row] for row in kept.tolist()]
        return TrainingRows(self.vectors[kept], words, self.routes[kept], self.unseen)

    def completed(self) -> TrainingRows:
        """Return the rows with one more for each text without a vector.

        Names and descriptions say what a route is for. Where nobody encoded them, their vectors
        are guessed from the rows that share their words.

        Returns
        -------
        TrainingRows
            The same rows first; texts of which no word is known stay out.
        """
        guesses, places = imagine(self.vectors, self.words, [words for _, words in self.unseen])
        found = [self.unseen[place] for place in places.tolist()]
        return TrainingRows(
            np.concatenate([self.vectors, guesses]),
            [*self.words, *(words for _, words in found)],
            np.append(self.routes, np.array([route for route, _ in found], dtype=int)),
        )


def head_cost_s(n_rows: int, n_routes: int, dimension: int, kind: HeadKind) -> float:
    """Estimate how long one fit takes, without a clock, so that equal inputs are treated equally.

    Parameters
    ----------
    n_rows : int
        Number of examples.
    n_routes : int
        Number of routes.
    dimension : int
        Width of the embeddings.
    kind : HeadKind
        What the head reads.

    Returns
    -------
    float, seconds
        Time on one core of a server of 2024.
    """
    width = dimension + (SKETCH_WIDTH if kind.reads_words else 0)
    return 2.0 * n_rows * n_routes * width * _TYPICAL_ITERATIONS / _OPERATIONS_PER_S


def train_head(
    rows: TrainingRows, kind: HeadKind, seed: int, scale: tuple[float, float] | None = None
) -> LinearHead:
    """Fit a head.

    Parameters
    ----------
    rows : TrainingRows
        Examples of at least two routes.
    kind : HeadKind
        What the head reads.
    seed : int
        Seed of the word sketch.
    scale : (float, float), optional
        Logits that become score 0 and 1, from a head whose scores these must be comparable with;
        None takes the range of the training rows and some room.

    Returns
    -------
    LinearHead
        The fitted head.
    """
    # What serves knows the words of the examples only, so that saving need not keep others.
    sketch = sketch_words(rows.words, seed) if kind.reads_words else None
    completed = rows.completed()
    weights, bias = _regression(_inputs(completed, sketch), completed.routes)
    if scale is not None:
        return LinearHead(weights, bias, *scale, sketch)
    inputs = _inputs(rows, sketch)
    own = np.einsum("ij,ij->i", inputs, weights[rows.routes]) + bias[rows.routes]
    means = inputs.mean(axis=0) @ weights.T + bias
    low, high = float(min(means.min(), own.min())), float(own.max())
    room = _HEADROOM * (high - low) + 1e-6
    return LinearHead(weights, bias, low - room, high + room, sketch)


def _inputs(rows: TrainingRows, sketch: WordSketch | None) -> FloatArray:
    if sketch is None:
        return rows.vectors
    return np.hstack([rows.vectors, sketch.project_many(rows.words)])


def _regression(inputs: FloatArray, routes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return weights, shape (r, d), and biases, shape (r,), of a multinomial regression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(C=_INVERSE_REGULARISATION, tol=_TOLERANCE, max_iter=_MAX_ITERATIONS)
    # Matrices of this size gain nothing from a second thread, and on a busy machine threads that
    # wait for one another make the fit many times slower.
    with threadpool_limits(1), warnings.catch_warnings():
        # Stopping at the iteration limit is a choice, not a fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Many routes of few examples are no regression.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        model.fit(inputs, routes)
    weights, bias = model.coef_, model.intercept_
    if len(weights) == 1:
        # Two classes share one row: its logit is the difference of the two.
        weights, bias = (
            np.vstack([-0.5 * weights, 0.5 * weights]),
            np.append(-0.5 * bias, 0.5 * bias),
        )
    return np.ascontiguousarray(weights, dtype=np.float32), bias.astype(np.float32)
