"""Bad routes and vectors get an error that names them, and change nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import (
    DimensionMismatchError,
    DuplicateRouteError,
    EmbeddingCountError,
    HashingEncoder,
    InvalidEmbeddingError,
    InvalidInputError,
    InvalidPatternError,
    InvalidRouteError,
    Route,
    RouteNotFoundError,
    Router,
)
from stratarouter.testing import CountingEncoder, sample_routes

if TYPE_CHECKING:
    from collections.abc import Iterator

DIMENSION = 32
ENCODER = HashingEncoder(DIMENSION)
QUERY = "Where is my invoice?"
VECTOR = ENCODER.encode([QUERY])[0]
N_EXAMPLES, N_TEXTS = 20, 22


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder(ENCODER)


@pytest.fixture
def router(encoder: CountingEncoder) -> Iterator[Router]:
    """Return a built router; whatever the test does to it must change nothing."""
    made = Router(encoder=encoder)
    made.add_routes(sample_routes())
    made.build_index()
    encoder.forget()
    before = (made.routes, made.version, made.config, made.encoder_id)
    scores = made.route(QUERY, VECTOR).scores
    yield made
    assert (made.routes, made.version, made.config, made.encoder_id) == before
    assert made.route(QUERY, VECTOR).scores == scores
    assert encoder.calls == []


@pytest.fixture
def unbuilt() -> Iterator[Router]:
    """Return a router without encoder; whatever the test does to it must change nothing."""
    made = Router(dimension=DIMENSION)
    made.add_routes(sample_routes())
    yield made
    assert list(made.routes) == sample_routes()
    assert (made.is_built, made.version) == (False, 0)


def unit_rows(n: int, width: int = DIMENSION) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(n).normal(size=(n, width)).astype(np.float32)


# Routes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": ""}, "non-empty string as id"),
        ({"id": " \t"}, "non-empty string as id"),
        ({"id": None}, "non-empty string as id"),
        ({"id": 7}, "non-empty string as id, got 7"),
        ({"id": "a\nb"}, "printable"),
        ({"id": "x" * 257}, "at most 256"),
        ({"id": "a", "name": "b"}, "id and name are the same field"),
        ({"id": "a", "utterances": ["other"]}, "examples and utterances are the same field"),
        ({"examples": "one text"}, r"write \['one text'\]"),
        ({"examples": ["fine", " "]}, r"examples\[1\] must be a non-empty string"),
        ({"examples": ["fine", None]}, r"examples\[1\].*got None"),
        ({"examples": []}, "neither examples nor a description"),
        ({"examples": None, "description": " "}, "neither examples nor a description"),
        ({"description": 3}, "description must be a string"),
        ({"keywords": "invoice"}, "keywords must be a list"),
        ({"keywords": [""]}, r"keywords\[0\]"),
        ({"patterns": "re:x"}, "patterns must be a list"),
        ({"tags": 5}, "tags must be a list"),
        ({"metadata": ["team"]}, "metadata must be a mapping"),
        ({"threshold": 1.2}, r"threshold must be in \[0, 1\], got 1.2"),
        ({"threshold": -0.1}, "threshold must be in"),
        ({"threshold": math.nan}, "threshold must be in"),
        ({"threshold": "0.5"}, "threshold must be in"),
        ({"threshold": True}, "threshold must be in"),
        ({"pattern_mode": "loud"}, "'score' or 'override'"),
    ],
)
def test_a_bad_route_says_which_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRouteError, match=message):
        Route(**{"id": "r", "examples": ["fine"], **fields})


def test_a_duplicate_id_is_named(router: Router) -> None:
    with pytest.raises(DuplicateRouteError, match="'billing' is already registered") as caught:
        router.add(Route("billing", examples=["new"]))

    assert caught.value.route_id == "billing"


def test_one_duplicate_keeps_all_routes_out(router: Router) -> None:
    with pytest.raises(DuplicateRouteError):
        router.add_routes([Route("new", examples=["new"]), Route("returns", examples=["x"])])


@pytest.mark.parametrize("replace", [True, False])
def test_an_id_twice_in_one_call_is_refused(router: Router, replace: bool) -> None:
    twice = [Route("new", examples=["one"]), Route("new", examples=["two"])]

    with pytest.raises(DuplicateRouteError):
        router.add_routes(twice, replace=replace)


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (Route("r", examples=["x"]), r"use add_route\(\) for a single route"),
        ("billing", "expected a list of Route, got str"),
        (None, "expected a list of Route, got NoneType"),
        ([Route("r", examples=["x"]), {"id": "s"}], "expected a Route, got dict"),
    ],
)
def test_what_is_no_list_of_routes_is_refused(router: Router, routes: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        router.add_routes(routes)


@pytest.mark.parametrize("call", ["add_route", "update_route"])
def test_what_is_no_route_is_refused(router: Router, call: str) -> None:
    with pytest.raises(InvalidInputError, match="expected a Route, got str"):
        getattr(router, call)("billing")


def test_unknown_ids_get_the_nearest_one(router: Router) -> None:
    with pytest.raises(RouteNotFoundError, match="did you mean 'billing'"):
        router.remove_route("biling")
    with pytest.raises(RouteNotFoundError, match="did you mean 'returns'"):
        router.update_route(Route("return", examples=["x"]))
    with pytest.raises(RouteNotFoundError, match=r"no route 'zzz'$"):
        router.remove_route("zzz")


@pytest.mark.parametrize("pattern", ["re:(", "re:[a", "re:(a+)+$", "re:(a|a)*b", "re:", "re:x*"])
@pytest.mark.parametrize("fixture", ["router", "unbuilt"])
def test_a_bad_pattern_is_named_when_it_is_added(
    fixture: str, pattern: str, request: pytest.FixtureRequest
) -> None:
    router = request.getfixturevalue(fixture)

    with pytest.raises(InvalidPatternError) as caught:
        router.add(Route("new", examples=["some text"], patterns=["fine", pattern]))

    assert caught.value.pattern == pattern
    assert repr(pattern) in str(caught.value)


# Embeddings --------------------------------------------------------------------------------------


def broken(row: int, value: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    matrix = unit_rows(4)
    if value == 0.0:
        matrix[row] = 0.0
    else:
        matrix[row, 3] = value
    return matrix


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0])
@pytest.mark.parametrize("row", [0, 2, 3])
def test_a_bad_row_is_named(router: Router, row: int, value: float) -> None:
    problem = "all zero" if value == 0.0 else "NaN or infinity"

    with pytest.raises(InvalidEmbeddingError, match=rf"\[{row}\].*{problem}"):
        router.build_index(broken(row, value))


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_a_bad_row_of_one_route_is_named_with_its_route(router: Router, value: float) -> None:
    with pytest.raises(InvalidEmbeddingError, match=r"route 'new'\[2\]"):
        router.add(Route("new", examples=["x"]), embeddings=broken(2, value))


@pytest.mark.parametrize("n", [0, 1, 3, 5, 19, 21, 23, 44])
def test_a_wrong_count_names_all_counts(router: Router, n: int) -> None:
    with pytest.raises(EmbeddingCountError, match=rf"got {n} .*expected 4 .*20 ") as caught:
        router.build_index(unit_rows(n))

    assert (caught.value.actual, caught.value.n_routes, caught.value.n_examples) == (
        n,
        4,
        N_EXAMPLES,
    )


@pytest.mark.parametrize("n", [4, N_EXAMPLES, N_TEXTS])
def test_the_counts_that_the_message_names_work(n: int) -> None:
    router = Router(dimension=DIMENSION)
    router.add_routes(sample_routes())

    router.build_index(unit_rows(n))

    assert router.is_built


def test_a_wrong_number_of_matrices_is_refused(router: Router) -> None:
    with pytest.raises(EmbeddingCountError, match="got 3 embeddings"):
        router.build_index([unit_rows(2)] * 3)


@pytest.mark.parametrize("width", [1, DIMENSION - 1, DIMENSION + 1])
@pytest.mark.parametrize("n", [4, N_EXAMPLES])
def test_a_wrong_width_names_both(router: Router, n: int, width: int) -> None:
    with pytest.raises(DimensionMismatchError, match=f"has {width} .* has {DIMENSION}") as caught:
        router.build_index(unit_rows(n, width))

    assert (caught.value.expected, caught.value.actual) == (DIMENSION, width)


@pytest.mark.parametrize(
    "embeddings",
    [
        "vectors",
        5,
        [],
        [[1.0, 2.0], [3.0]],
        [None] * 4,
        [["a"] * DIMENSION] * 4,
        np.ones((4, DIMENSION), dtype=complex),
        np.ones((4, DIMENSION), dtype=bool),
        np.ones((4, 2, DIMENSION, 1)),
        [[], [], [], []],
        {},
    ],
)
def test_what_is_no_matrix_is_refused(router: Router, embeddings: Any) -> None:
    with pytest.raises(InvalidEmbeddingError):
        router.build_index(embeddings)


def test_a_mapping_must_name_each_route_and_no_other(router: Router) -> None:
    vectors = {route.id: unit_rows(2) for route in router.routes}

    with pytest.raises(RouteNotFoundError, match="did you mean 'account'"):
        router.build_index({**vectors, "acount": unit_rows(1)})
    del vectors["returns"]
    with pytest.raises(InvalidEmbeddingError, match="no embeddings for the routes returns"):
        router.build_index(vectors)


def test_vectors_for_a_route_that_is_not_added_are_refused(router: Router) -> None:
    with pytest.raises(RouteNotFoundError, match="'nwe'"):
        router.add_routes([Route("new", examples=["x"])], embeddings={"nwe": unit_rows(1)})
    with pytest.raises(InvalidInputError, match="mapping of route id to matrix"):
        router.add_routes([Route("new", examples=["x"])], embeddings=unit_rows(1))  # type: ignore[arg-type]
