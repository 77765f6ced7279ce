"""Vectors of routes: encoded, or handed in in one of the published forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratarouter import (
    DimensionMismatchError,
    EmbeddingCountError,
    InvalidEmbeddingError,
    Route,
    RouteNotFoundError,
)
from stratarouter.route_vectors import (
    RouteVectors,
    completed,
    encode_routes,
    encoded_texts,
    route_vectors,
    split_embeddings,
)
from stratarouter.testing import CountingEncoder, TableEncoder

A = Route("a", examples=["a1", "a2"], description="about a")
B = Route("b", examples=["b1"])
C = Route("c", description="about c")
ROUTES = [A, B, C]
TABLE = {
    text: np.eye(8)[position]
    for position, text in enumerate(("a1", "a2", "about a", "b1", "about c", "new", "twin route"))
}


def rows(*positions: int) -> np.ndarray:
    matrix: np.ndarray = np.eye(8, dtype=np.float32)[list(positions)]
    return matrix


def split(embeddings: Any, routes: list[Route] = ROUTES) -> list[list[int]]:
    """Return, per route, which unit vectors it got."""
    return [
        entry.vectors.argmax(axis=1).tolist() for entry in split_embeddings(routes, embeddings, 8)
    ]


# Handed in ---------------------------------------------------------------------------------------


def test_one_vector_per_route() -> None:
    assert split(rows(5, 6, 7)) == [[5], [6], [7]]


def test_one_vector_per_example_in_the_order_of_the_routes() -> None:
    # A route without examples counts its description.
    assert split(rows(0, 1, 2, 3)) == [[0, 1], [2], [3]]


def test_one_vector_per_example_and_description() -> None:
    assert split(rows(0, 1, 2, 3, 4)) == [[0, 1, 2], [3], [4]]


@pytest.mark.parametrize("container", [list, tuple])
def test_one_matrix_per_route(container: Any) -> None:
    parts = container([rows(0, 1, 2, 3), rows(4).tolist(), rows(5)[0]])

    assert split(parts) == [[0, 1, 2, 3], [4], [5]]


def test_an_array_with_a_matrix_per_route() -> None:
    assert split(np.stack([rows(0, 1), rows(2, 3), rows(4, 5)])) == [[0, 1], [2, 3], [4, 5]]


def test_a_mapping_in_any_order() -> None:
    assert split({"c": rows(4), "a": rows(0, 1), "b": rows(3)[0]}) == [[0, 1], [3], [4]]


def test_plain_lists_of_numbers() -> None:
    assert split(rows(5, 6, 7).tolist()) == [[5], [6], [7]]


def test_vectors_are_brought_to_length_one() -> None:
    for entry in split_embeddings(ROUTES, rows(0, 1, 2) * 30.0, 8):
        assert np.linalg.norm(entry.vectors, axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("embeddings", "aligned"),
    [
        (rows(0, 1, 2), [False, True, True]),
        (rows(0, 1, 2, 3), [True, True, True]),
        (rows(0, 1, 2, 3, 4), [True, True, True]),
        ([rows(0, 1, 2, 3), rows(4), rows(5, 6)], [False, True, False]),
        ([rows(0, 1), rows(4), rows(5)], [True, True, True]),
    ],
)
def test_vectors_are_known_to_be_those_of_the_texts(embeddings: Any, aligned: list[bool]) -> None:
    assert [entry.aligned for entry in split_embeddings(ROUTES, embeddings, 8)] == aligned


@pytest.mark.parametrize("n", [1, 2, 6, 50])
def test_a_count_that_fits_nothing_names_all_counts(n: int) -> None:
    with pytest.raises(EmbeddingCountError) as caught:
        split(np.ones((n, 8)))

    assert (caught.value.actual, caught.value.n_routes, caught.value.n_examples) == (n, 3, 4)
    for number in (n, 3, 4):
        assert str(number) in str(caught.value)


def test_a_list_of_matrices_of_another_length_names_all_counts() -> None:
    with pytest.raises(EmbeddingCountError) as caught:
        split([rows(0, 1), rows(2, 3)])

    assert (caught.value.actual, caught.value.n_routes, caught.value.n_examples) == (2, 3, 4)


@pytest.mark.parametrize(
    "embeddings",
    [
        np.ones((3, 7)),
        [np.ones((2, 9)), np.ones((1, 9)), np.ones((1, 9))],
        {"a": np.ones((2, 9)), "b": np.ones(9), "c": np.ones(9)},
        [[0.0] * 5] * 3,
    ],
)
def test_another_width_is_refused(embeddings: Any) -> None:
    with pytest.raises(DimensionMismatchError, match="8"):
        split(embeddings)


def test_an_unknown_id_comes_with_the_nearest() -> None:
    routes = [Route("billing", examples=["x"])]

    with pytest.raises(RouteNotFoundError, match="did you mean 'billing'"):
        split({"biling": rows(0), "billing": rows(1)}, routes)


def test_a_route_without_vectors_is_named() -> None:
    with pytest.raises(InvalidEmbeddingError, match="no embeddings for the routes b, c"):
        split({"a": rows(0, 1)})


BAD_ROW = np.ones((3, 8))
BAD_ROW[1, 4] = np.nan


@pytest.mark.parametrize(
    ("embeddings", "place"),
    [
        (BAD_ROW, r"embeddings\[1\] holds NaN or infinity"),
        (BAD_ROW * np.inf, r"embeddings\[0\] holds NaN or infinity"),
        (np.vstack([rows(0, 1), np.zeros(8)]), r"embeddings\[2\] is all zero"),
        ({"a": BAD_ROW, "b": rows(0), "c": rows(0)}, r"embeddings of route 'a'\[1\] holds NaN"),
        ([rows(0), np.zeros((2, 8)), rows(1)], r"embeddings of route 'b'\[0\] is all zero"),
    ],
)
def test_the_row_that_is_no_direction_is_named(embeddings: Any, place: str) -> None:
    with pytest.raises(InvalidEmbeddingError, match=place):
        split(embeddings)


@pytest.mark.parametrize(
    "embeddings",
    [
        [],
        "vectors",
        7,
        [1.0] * 8,
        [[1.0] * 8, [1.0] * 7, [1.0] * 8],
        [["x"] * 8] * 3,
        np.ones((3, 8), dtype=bool),
        {"a": [[1.0] * 8, [1.0] * 7], "b": [1.0] * 8, "c": [1.0] * 8},
        {"a": None, "b": [1.0] * 8, "c": [1.0] * 8},
        {"a": np.empty((0, 8)), "b": [1.0] * 8, "c": [1.0] * 8},
        [np.ones((1, 8)), np.ones((1, 2, 8)), np.ones((1, 8))],
        [[], [1.0] * 8, [1.0] * 8],
    ],
    ids=repr,
)
def test_what_is_no_matrix_is_refused_by_name(embeddings: Any) -> None:
    with pytest.raises(InvalidEmbeddingError):
        split(embeddings)


def test_one_vector_may_stand_for_a_route() -> None:
    entry = route_vectors(A, np.ones(8), 8)

    assert entry.vectors.shape == (1, 8)
    assert not entry.aligned


# Encoded -----------------------------------------------------------------------------------------


def test_every_text_is_encoded_once_in_one_call() -> None:
    encoder = CountingEncoder(TableEncoder(TABLE))
    twin = Route("twin_route", examples=["b1", "a1", "b1"])

    entries = encode_routes([*ROUTES, twin], encoder)

    assert encoder.calls == [("a1", "a2", "about a", "b1", "about c", "twin route")]
    shown = [entry.vectors.argmax(axis=1).tolist() for entry in entries]
    assert shown == [[0, 1, 2], [3], [4], [3, 0, 3, 6]]
    assert all(entry.aligned for entry in entries)


def test_known_texts_are_not_encoded_again() -> None:
    encoder = CountingEncoder(TableEncoder(TABLE))
    earlier = encode_routes([A], encoder)
    encoder.forget()

    [entry] = encode_routes([Route("a", examples=["a2", "new"])], encoder, earlier)

    assert encoder.texts == ["new"]
    assert entry.vectors.argmax(axis=1).tolist() == [1, 5]


def test_nothing_new_calls_no_encoder() -> None:
    encoder = CountingEncoder(TableEncoder(TABLE))
    earlier = encode_routes([A], encoder)
    encoder.forget()

    encode_routes([Route("a", examples=["a2"])], encoder, earlier)

    assert encoder.calls == []


def test_vectors_that_are_not_those_of_the_texts_are_not_used_again() -> None:
    encoder = CountingEncoder(TableEncoder(TABLE))
    centre = RouteVectors(A, rows(7), aligned=False)

    [entry] = encode_routes([Route("a", examples=["a1"])], encoder, [centre])

    assert encoder.texts == ["a1"]
    assert entry.vectors.argmax(axis=1).tolist() == [0]


def test_examples_whose_description_has_no_vector_are_used_again() -> None:
    encoder = CountingEncoder(TableEncoder(TABLE))
    examples_only = RouteVectors(A, rows(6, 7), aligned=True)

    [entry] = encode_routes([Route("a", examples=["a2", "about a"])], encoder, [examples_only])

    assert encoder.texts == ["about a"]
    assert entry.vectors.argmax(axis=1).tolist() == [7, 2]


@pytest.mark.parametrize(
    ("route", "texts"),
    [
        (A, ("a1", "a2", "about a")),
        (Route("twin_route", examples=["b1"]), ("b1", "twin route")),
        (Route("twin-route", description="about c"), ("about c", "twin route")),
        (Route("r17", examples=["b1"]), ("b1",)),
    ],
)
def test_the_texts_are_examples_description_and_readable_id(
    route: Route, texts: tuple[str, ...]
) -> None:
    assert encoded_texts(route) == texts


# Completed ---------------------------------------------------------------------------------------

TWIN = Route("twin_route", examples=["b1", "new"], description="about c")


def test_missing_descriptions_and_readable_ids_are_encoded_in_one_call() -> None:
    encoder = CountingEncoder(TableEncoder(TABLE))
    entries = [RouteVectors(A, rows(7, 6), True), RouteVectors(TWIN, rows(5, 5, 5), True)]

    one, other = completed(entries, encoder)

    assert encoder.calls == [("about a", "twin route")]
    assert one.vectors.argmax(axis=1).tolist() == [7, 6, 2]
    assert other.vectors.argmax(axis=1).tolist() == [5, 5, 5, 6]
    assert (one.route, other.route) == (A, TWIN)
    assert one.aligned
    assert other.aligned
    assert [len(entry.vectors) for entry in entries] == [2, 3]


@pytest.mark.parametrize(
    "entry",
    [
        RouteVectors(TWIN, rows(1), aligned=False),
        RouteVectors(TWIN, rows(1, 2, 3, 4), aligned=True),
        RouteVectors(B, rows(1), aligned=True),
    ],
)
def test_vectors_that_lack_nothing_or_are_no_texts_are_left_alone(entry: RouteVectors) -> None:
    encoder = CountingEncoder(TableEncoder(TABLE))

    assert completed([entry], encoder) == [entry]
    assert encoder.calls == []


def test_one_route_that_lacks_something_does_not_change_the_others() -> None:
    whole = RouteVectors(TWIN, rows(1), aligned=False)
    lacking = RouteVectors(A, rows(1, 2), aligned=True)

    first, second, third = completed([whole, lacking, whole], TableEncoder(TABLE))

    assert (first, third) == (whole, whole)
    assert second.vectors.argmax(axis=1).tolist() == [1, 2, 2]


# Moved -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"threshold": 0.9}, True),
        ({"keywords": ["k"], "patterns": ["p"], "metadata": {"m": 1}}, True),
        ({"examples": ["a1"]}, False),
        ({"examples": ["a2", "a1"]}, False),
        ({"description": "other"}, False),
        ({"examples": ["a1", "a2", "about a"], "description": ""}, False),
    ],
)
def test_vectors_follow_a_route_whose_texts_stay(changes: dict[str, Any], kept: bool) -> None:
    entry = RouteVectors(A, rows(0, 1, 2), aligned=True)
    changed = Route(**{**A.to_dict(), **changes})

    moved = entry.moved_to(changed)

    if kept:
        assert moved is not None
        assert (moved.route, moved.vectors) == (changed, entry.vectors)
    else:
        assert moved is None
