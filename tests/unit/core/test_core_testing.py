"""The public fakes."""

from __future__ import annotations

import numpy as np
import pytest

from stratarouter import (
    DimensionMismatchError,
    EncodingError,
    HashingEncoder,
    InvalidEmbeddingError,
    InvalidInputError,
    Route,
    Router,
)
from stratarouter.testing import CountingEncoder, TableEncoder, sample_routes

# TableEncoder ------------------------------------------------------------------------------------


def test_the_table_decides_the_vectors() -> None:
    encoder = TableEncoder({"a": [3, 4], "b": np.array([0.0, 2.0])})

    rows = encoder.encode(["b", "a", "b"])

    assert rows == pytest.approx(np.array([[0.0, 1.0], [0.6, 0.8], [0.0, 1.0]]))
    assert rows.dtype == np.float32
    assert (encoder.dimension, encoder.encoder_id) == (2, "table:2")


def test_an_unknown_text_is_named() -> None:
    with pytest.raises(EncodingError, match="no vector of 'unknown'"):
        TableEncoder({"a": [1, 0]}).encode(["a", "unknown"])


def test_a_fallback_encodes_what_is_not_in_the_table() -> None:
    hashing = HashingEncoder(16)
    encoder = TableEncoder({"a": np.eye(16)[0]}, fallback=hashing)

    rows = encoder.encode(["other", "a"])

    assert np.array_equal(rows[0], hashing.encode(["other"])[0])
    assert np.array_equal(rows[1], np.eye(16)[0])


def test_the_table_may_be_empty_if_the_width_is_known() -> None:
    assert TableEncoder({}, 3).dimension == 3
    assert TableEncoder({}, fallback=HashingEncoder(8)).dimension == 8
    with pytest.raises(InvalidInputError, match="dimension"):
        TableEncoder({})


def test_vectors_of_different_widths_are_refused() -> None:
    with pytest.raises(DimensionMismatchError):
        TableEncoder({"a": [1, 0], "b": [1, 0, 0]})
    with pytest.raises(DimensionMismatchError):
        TableEncoder({"a": [1, 0]}, dimension=3)
    with pytest.raises(DimensionMismatchError):
        TableEncoder({"a": [1, 0]}, fallback=HashingEncoder(8))
    with pytest.raises(DimensionMismatchError, match="fallback"):
        TableEncoder({"a": [1, 0]}, dimension=2, fallback=HashingEncoder(8))


@pytest.mark.parametrize("vector", [[0, 0], [np.nan, 1], ["x", "y"]])
def test_vectors_without_direction_are_refused(vector: list[float]) -> None:
    with pytest.raises(InvalidEmbeddingError):
        TableEncoder({"a": vector})


def test_a_vector_space_can_be_named() -> None:
    assert TableEncoder({"a": [1, 0]}, encoder_id="mine").encoder_id == "mine"


def test_a_router_accepts_the_table() -> None:
    table: dict[str, list[float]] = {"pay": [1, 0], "ship": [0, 1], "invoice": [0.9, 0.1]}
    # Ids that read like words are texts as well.
    encoder = TableEncoder({**table, "payment": [0.8, 0.3], "shipping": [0.3, 0.8]})
    router = Router(encoder, threshold=0.0)
    router.add_routes([Route("payment", examples=["pay"]), Route("shipping", examples=["ship"])])

    assert router.route("invoice").route_id == "payment"


# CountingEncoder ---------------------------------------------------------------------------------


def test_every_call_is_remembered() -> None:
    encoder = CountingEncoder(HashingEncoder(8))

    encoder.encode(["a", "b"])
    encoder.encode(["a"])

    assert encoder.calls == [("a", "b"), ("a",)]
    assert encoder.texts == ["a", "b", "a"]
    assert encoder.n_texts == 3


def test_counting_can_begin_anew() -> None:
    encoder = CountingEncoder(HashingEncoder(8))
    encoder.encode(["a"])

    encoder.forget()

    assert (encoder.calls, encoder.texts, encoder.n_texts) == ([], [], 0)


def test_vectors_and_space_are_those_of_the_encoder_inside() -> None:
    inside = HashingEncoder(8)
    encoder = CountingEncoder(inside)

    assert np.array_equal(encoder.encode(["hello"]), inside.encode(["hello"]))
    assert (encoder.dimension, encoder.encoder_id) == (8, inside.encoder_id)


# sample_routes -----------------------------------------------------------------------------------


def test_the_sample_routes_work_at_once() -> None:
    router = Router()
    router.add_routes(sample_routes())

    assert router.route("Where is my parcel now?").route_id == "delivery"


def test_the_sample_routes_are_made_anew() -> None:
    assert sample_routes() == sample_routes()
    assert sample_routes() is not sample_routes()
