"""bm25s: words only, one document per route."""

from __future__ import annotations

from typing import Any

import bm25s
import numpy as np
from worker import Answer, FloatArray, Peer, Routes, serve


class WordIndex(Peer):
    """BM25 scores of all routes, the best wins; the score is no probability."""

    def __init__(self) -> None:
        self._index: Any = None
        self._vocabulary: dict[str, int] = {}

    def build(self, routes: Routes) -> None:
        """Index the words of each route's examples."""
        documents = [" ".join(examples) for examples in routes.examples]
        tokens = bm25s.tokenize(documents, stopwords=None, show_progress=False)
        self._vocabulary = tokens.vocab
        self._index = bm25s.BM25()
        self._index.index(tokens, show_progress=False)

    def ask(self, text: str, vector: FloatArray) -> Any:  # noqa: ARG002 -- it reads words only
        """Score all routes and take the best."""
        (words,) = bm25s.tokenize([text], stopwords=None, show_progress=False, return_ids=False)
        numbers = [self._vocabulary[word] for word in words if word in self._vocabulary]
        if not numbers:
            return 0, 0.0
        scores = self._index.get_scores_from_ids(numbers)
        best = int(np.argmax(scores))
        return best, float(scores[best])

    def read(self, answer: Any) -> Answer:
        """Pass on."""
        best, score = answer
        return best, score, True


if __name__ == "__main__":
    serve(["bm25s"], {"default": WordIndex})
