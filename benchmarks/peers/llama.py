"""llama-index-core: its embedding selector, one choice per example."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.selectors import EmbeddingSingleSelector
from pydantic import PrivateAttr
from worker import Answer, FloatArray, IntArray, Peer, Routes, serve


class _Table(BaseEmbedding):  # type: ignore[misc, unused-ignore]
    """An embedding model that looks texts up."""

    _rows: dict[str, list[float]] = PrivateAttr(default_factory=dict)
    _current: list[float] = PrivateAttr(default_factory=list)

    def know(self, texts: list[str], vectors: FloatArray) -> None:
        """Take in texts with their rows."""
        self._rows.update(zip(texts, vectors.tolist(), strict=True))

    def expect(self, vector: FloatArray) -> None:
        """Put the vector of the next query here."""
        self._current = vector.tolist()

    def _get_query_embedding(self, query: str) -> list[float]:  # noqa: ARG002
        return self._current

    async def _aget_query_embedding(self, query: str) -> list[float]:  # noqa: ARG002
        return self._current

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._rows[text]


class EmbeddingSelector(Peer):
    """`EmbeddingSingleSelector`; it embeds every choice anew for every query."""

    def __init__(self) -> None:
        self._model = _Table()
        self._selector = EmbeddingSingleSelector(embed_model=self._model)
        self._choices: list[str] = []
        self._owners: IntArray | None = None

    def build(self, routes: Routes) -> None:
        """Keep the choices; the selector itself keeps nothing."""
        self._model.know(routes.texts, routes.vectors)
        self._choices = routes.texts
        self._owners = routes.owners

    def ask(self, text: str, vector: FloatArray) -> Any:
        """Select."""
        self._model.expect(vector)
        return self._selector.select(self._choices, text)

    def read(self, answer: Any) -> Answer:
        """Read the selection; it tells its similarity in words, to two digits."""
        if self._owners is None:
            raise RuntimeError("build first")
        cosine = float(answer.reason.partition(":")[2].partition(",")[0])
        return int(self._owners[answer.ind]), cosine, True


if __name__ == "__main__":
    serve(["llama-index-core"], {"default": EmbeddingSelector})
