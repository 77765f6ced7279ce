"""Baselines made of numpy and scikit-learn, and the floor that no exact search is faster than."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from worker import Answer, FloatArray, IntArray, Peer, Routes, serve

if TYPE_CHECKING:
    from collections.abc import Sequence


def _means(routes: Routes) -> FloatArray:
    means = np.zeros((len(routes.ids), routes.vectors.shape[1]), dtype=np.float32)
    np.add.at(means, routes.owners, routes.vectors)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means


class Floor(Peer):
    """One matrix-vector product over one row per route, and nothing else."""

    def __init__(self) -> None:
        self._rows: FloatArray = np.zeros((1, 1), dtype=np.float32)

    def build(self, routes: Routes) -> None:
        """Average."""
        self._rows = _means(routes)

    def ask(self, text: str, vector: FloatArray) -> Any:  # noqa: ARG002 -- vectors only
        """Multiply."""
        return self._rows @ vector

    def ask_many(self, texts: Sequence[str], vectors: FloatArray) -> Sequence[Any]:  # noqa: ARG002
        """Multiply in blocks that stay in the cache."""
        return [
            self._rows @ vectors[start : start + 256].T for start in range(0, len(vectors), 256)
        ]

    def read(self, answer: Any) -> Answer:
        """Take the largest."""
        best = int(answer.argmax())
        return best, float(answer[best]), True


class Centroid(Floor):
    """Cosine to the mean direction of each route."""

    def ask(self, text: str, vector: FloatArray) -> Any:  # noqa: ARG002 -- vectors only
        """Multiply and take the largest."""
        cosines = self._rows @ vector
        best = int(cosines.argmax())
        return best, float(cosines[best])

    def ask_many(self, texts: Sequence[str], vectors: FloatArray) -> Sequence[Any]:
        """Ask one by one."""
        return [self.ask(text, vector) for text, vector in zip(texts, vectors, strict=True)]

    def read(self, answer: Any) -> Answer:
        """Pass on."""
        best, cosine = answer
        return best, cosine, True


class NearestExample(Centroid):
    """Cosine to the nearest example."""

    def __init__(self) -> None:
        super().__init__()
        self._owners: IntArray = np.zeros(1, dtype=np.intp)

    def build(self, routes: Routes) -> None:
        """Keep all examples."""
        self._rows = routes.vectors.copy()
        self._owners = routes.owners

    def read(self, answer: Any) -> Answer:
        """Name the owner of the example."""
        row, cosine = answer
        return int(self._owners[row]), cosine, True


class Logistic(Peer):
    """Multinomial logistic regression on the embedding, C=10."""

    def __init__(self) -> None:
        self._model: Any = None

    def warm(self) -> None:
        """Import scikit-learn."""
        import sklearn.linear_model  # noqa: F401

    def build(self, routes: Routes) -> None:
        """Fit."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        self._model = LogisticRegression(C=10.0, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(routes.vectors, routes.owners)

    def ask(self, text: str, vector: FloatArray) -> Any:  # noqa: ARG002 -- vectors only
        """Predict, without the input checks of scikit-learn, which would cost most of the time."""
        logits = self._model.coef_ @ vector + self._model.intercept_
        best = int(logits.argmax())
        return best, 1.0 / float(np.exp(logits - logits[best]).sum())

    def read(self, answer: Any) -> Answer:
        """Pass on."""
        best, probability = answer
        return best, probability, True


class LinearSvmWithWords(Peer):
    """Linear support vectors on [embedding ; 0.5 x tf-idf of words, word pairs and characters].

    The most accurate head known for all of train; its margins are no probabilities.
    """

    def __init__(self) -> None:
        self._words: Any = None
        self._model: Any = None

    def warm(self) -> None:
        """Import scikit-learn."""
        import sklearn.feature_extraction.text
        import sklearn.svm  # noqa: F401

    def build(self, routes: Routes) -> None:
        """Fit."""
        from scipy.sparse import csr_matrix, hstack
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import FeatureUnion
        from sklearn.svm import LinearSVC

        self._words = FeatureUnion(
            [
                ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)),
                (
                    "characters",
                    TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
                ),
            ]
        )
        words = self._words.fit_transform(routes.texts) * 0.5
        self._model = LinearSVC(C=1.0)
        self._model.fit(hstack([csr_matrix(routes.vectors), words]).tocsr(), routes.owners)

    def ask(self, text: str, vector: FloatArray) -> Any:
        """Transform and predict."""
        from scipy.sparse import csr_matrix, hstack

        words = self._words.transform([text]) * 0.5
        margins = self._model.decision_function(hstack([csr_matrix(vector[None]), words]).tocsr())
        return np.atleast_1d(margins[0])

    def read(self, answer: Any) -> Answer:
        """Take the largest margin."""
        best = int(answer.argmax())
        return best, float(answer[best]), True


if __name__ == "__main__":
    serve(
        ["scikit-learn"],
        {
            "floor": Floor,
            "nearest": NearestExample,
            "centroid": Centroid,
            "logistic": Logistic,
            "svm": LinearSvmWithWords,
        },
    )
