"""A result keeps the embedding that was routed, whatever becomes of the caller's array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import HashingEncoder, Route, Router

if TYPE_CHECKING:
    from collections.abc import Callable

DIMENSION = 16
ROWS = np.eye(DIMENSION, dtype=np.float32)[:3]


class Foreign:
    """An array of another library, which lends its memory."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.rows[:]


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "itself": lambda rows: rows,
    "a view": lambda rows: rows[:],
    "foreign": Foreign,
    "doubles": lambda rows: rows.astype(float),
}


@pytest.fixture(scope="module")
def router() -> Router:
    router = Router(dimension=DIMENSION, threshold=0.0)
    router.add_routes([Route("a", examples=["one"]), Route("b", examples=["two"])])
    router.build_index(ROWS[:2])
    return router


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_result_has_an_embedding_of_its_own(router: Router, form: Any) -> None:
    buffer = ROWS[0].copy()
    result = router.route("query", form(buffer), k=2)
    before = str(result.explain())

    buffer[:] = ROWS[2]

    assert result.embedding is not None
    assert np.array_equal(result.embedding, ROWS[0])
    assert str(result.explain()) == before


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_results_of_a_batch_have_embeddings_of_their_own(router: Router, form: Any) -> None:
    buffer = ROWS.copy()
    results = router.route_batch(["query"] * 3, form(buffer))

    buffer[:] = ROWS[2]

    for result, row in zip(results, ROWS, strict=True):
        assert result.embedding is not None
        assert np.array_equal(result.embedding, row)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_callers_array_is_not_the_results(router: Router, form: Any) -> None:
    buffer = ROWS.copy()
    single = router.route("query", form(buffer[1]))
    batch = router.route_batch(["query"] * 3, form(buffer))

    for result in (single, *batch):
        assert result.embedding is not None
        assert not np.shares_memory(result.embedding, buffer)


def test_an_encoder_keeps_its_rows_to_itself() -> None:
    router = Router(encoder=HashingEncoder(DIMENSION), threshold=0.0)
    router.add_routes([Route("a", examples=["one"]), Route("b", examples=["two"])])
    first = router.route("one")
    assert first.embedding is not None

    first.embedding[:] = 0.0

    assert router.route("one").confidence == first.confidence
