"""Bad queries, settings and labels, and calls in the wrong order: named, and without effect."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import (
    ConfigurationError,
    DimensionMismatchError,
    EncoderMismatchError,
    EncoderRequiredError,
    EncodingError,
    HashingEncoder,
    IndexNotBuiltError,
    InvalidEmbeddingError,
    InvalidInputError,
    NoRoutesError,
    Route,
    RouteNotFoundError,
    Router,
    RouterConfig,
    StrataError,
)
from stratarouter.route_vectors import encoded_texts
from stratarouter.testing import CountingEncoder, TableEncoder, sample_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIMENSION = 32
ENCODER = HashingEncoder(DIMENSION)
QUERY = "Where is my invoice?"
VECTOR = ENCODER.encode([QUERY])[0]


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


# Queries -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "  \n", None, 5, b"bytes", ["list"]])
def test_a_query_must_be_a_text(router: Router, query: Any) -> None:
    with pytest.raises(InvalidInputError, match="query must be a non-empty string"):
        router.route(query, VECTOR)


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ("one query", r"write \[query\]"),
        (b"bytes", "expected a list of queries"),
        (None, "expected a list of queries"),
        (["fine", ""], r"queries\[1\]"),
        (["fine", None], r"queries\[1\]"),
    ],
)
@pytest.mark.parametrize("call", ["route_batch", "fit", "evaluate"])
def test_a_batch_must_be_a_list_of_texts(
    router: Router, call: str, queries: Any, message: str
) -> None:
    labels = [] if call == "route_batch" else [["billing", "billing"]]

    with pytest.raises(InvalidInputError, match=message):
        getattr(router, call)(queries, *labels)


@pytest.mark.parametrize("k", [0, -1, True, False, 1.0, "1", math.nan, [1]])
def test_k_is_a_whole_number_from_1(router: Router, k: Any) -> None:
    for call in (
        lambda: router.route(QUERY, VECTOR, k),
        lambda: router.route(QUERY, VECTOR, top_k=k),
        lambda: router.route_batch([QUERY], [VECTOR], k),
    ):
        with pytest.raises(InvalidInputError, match="k must be a whole number >= 1"):
            call()


def test_k_and_top_k_must_agree(router: Router) -> None:
    with pytest.raises(InvalidInputError, match="give only one"):
        router.route(QUERY, VECTOR, k=2, top_k=3)

    assert len(router.route(QUERY, VECTOR, k=2, top_k=2).alternatives) <= 2


@pytest.mark.parametrize(
    "embedding",
    [
        np.full(DIMENSION, math.nan),
        np.full(DIMENSION, math.inf),
        np.zeros(DIMENSION),
        np.zeros(0),
        unit_rows(2),
        ["a"] * DIMENSION,
        "text",
        0.5,
    ],
)
def test_a_query_vector_must_be_one(router: Router, embedding: Any) -> None:
    with pytest.raises(InvalidEmbeddingError):
        router.route(QUERY, embedding)


def test_a_query_vector_of_another_width_names_both(router: Router) -> None:
    with pytest.raises(DimensionMismatchError, match=f"has 7 .* has {DIMENSION}"):
        router.route(QUERY, np.ones(7))


def test_a_batch_needs_one_vector_per_query(router: Router) -> None:
    with pytest.raises(InvalidInputError, match="need 2 vectors, one per query, got 3"):
        router.route_batch([QUERY, QUERY], unit_rows(3))
    with pytest.raises(InvalidEmbeddingError, match=r"\[1\] is all zero"):
        router.route_batch([QUERY, QUERY], [VECTOR, np.zeros(DIMENSION)])


# Order of calls and encoders ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda router: router.build_index(),
        lambda router: router.build_index(unit_rows(1)),
        lambda router: router.route(QUERY),
        lambda router: router.route(QUERY, VECTOR),
        lambda router: router.route_batch([QUERY]),
        lambda router: router.fit([QUERY], ["billing"]),
        lambda router: router.evaluate([QUERY], ["billing"]),
        lambda router: router.save("nowhere"),
    ],
)
@pytest.mark.parametrize("encoder", [None, ENCODER])
def test_an_empty_router_says_so(encoder: Any, call: Callable[[Router], object]) -> None:
    router = Router(dimension=DIMENSION, encoder=encoder)

    with pytest.raises(NoRoutesError, match=r"add some with add_routes\(\)"):
        call(router)


def test_a_vector_does_not_build_a_router_of_another_space(unbuilt: Router) -> None:
    with pytest.raises(IndexNotBuiltError, match=r"call build_index\(embeddings\)"):
        unbuilt.route(QUERY, VECTOR)
    with pytest.raises(IndexNotBuiltError):
        unbuilt.route_batch([QUERY], [VECTOR])


def external_router() -> Router:
    router = Router(dimension=DIMENSION)
    router.add_routes(sample_routes())
    router.build_index(unit_rows(4))
    return router


def test_text_is_not_compared_with_vectors_from_outside() -> None:
    router = external_router()

    assert (router.encoder, router.encoder_id) == (None, "external")
    for call in (
        lambda: router.route(QUERY),
        lambda: router.route_batch([QUERY]),
        lambda: router.fit([QUERY], ["billing"]),
        lambda: router.evaluate([QUERY], ["billing"]),
        lambda: router.add(Route("new", examples=["x"])),
        lambda: router.update_route(Route("billing", examples=["other texts"])),
    ):
        with pytest.raises(EncoderRequiredError):
            call()
    assert list(router.routes) == sample_routes()
    assert router.route(QUERY, VECTOR).snapshot_version == 1


def test_a_change_without_new_texts_needs_no_encoder() -> None:
    router = external_router()
    changed = Route(**{**sample_routes()[0].to_dict(), "threshold": 0.9})

    router.update_route(changed)

    assert router.routes[0].threshold == 0.9


def test_vectors_of_some_routes_are_not_enough_for_text() -> None:
    router = Router(dimension=DIMENSION)
    router.add(Route("a", examples=["alpha"]), embeddings=unit_rows(1))
    router.add(Route("b", examples=["beta"]))

    with pytest.raises(EncoderRequiredError, match="route 'b' has no vectors"):
        router.build_index()
    assert not router.is_built


def test_vectors_of_a_named_encoder_need_that_encoder() -> None:
    router = Router(dimension=DIMENSION)
    router.add_routes(sample_routes())
    router.build_index(unit_rows(4), encoder_id="theirs")

    assert router.encoder_id == "theirs"
    with pytest.raises(EncoderRequiredError, match="'theirs'"):
        router.route(QUERY)


def test_vectors_of_another_encoder_are_refused(router: Router) -> None:
    with pytest.raises(EncoderMismatchError, match="'theirs'") as caught:
        router.build_index(unit_rows(4), encoder_id="theirs")

    assert (caught.value.expected, caught.value.actual) == (ENCODER.encoder_id, "theirs")


def test_another_encoder_is_refused_without_vectors_too(router: Router) -> None:
    with pytest.raises(EncoderMismatchError, match="'theirs'"):
        router.build_index(encoder_id="theirs")


@pytest.mark.parametrize("encoder_id", ["", " ", 5])
def test_an_encoder_id_is_a_name(unbuilt: Router, encoder_id: Any) -> None:
    with pytest.raises(InvalidInputError, match="encoder_id"):
        unbuilt.build_index(unit_rows(4), encoder_id=encoder_id)


def test_vectors_from_outside_do_not_mix_with_encoded_text() -> None:
    router = Router(dimension=DIMENSION)
    router.add_routes(sample_routes())
    router.build_index()

    with pytest.raises(EncoderMismatchError):
        router.add(Route("new", examples=["x"]), embeddings=unit_rows(1))
    assert list(router.routes) == sample_routes()


def test_an_encoder_that_fails_changes_nothing() -> None:
    known = {text: unit_rows(1)[0] for route in sample_routes() for text in encoded_texts(route)}
    router = Router(encoder=TableEncoder(known))
    router.add_routes(sample_routes())
    router.build_index()

    for call in (
        lambda: router.add(Route("r1", examples=["unknown"])),
        lambda: router.add(Route("unknown", examples=["I cannot log in"])),
        lambda: router.update_route(Route("billing", examples=["unknown"])),
        lambda: router.route("unknown"),
        lambda: router.route_batch(["unknown"]),
    ):
        with pytest.raises(EncodingError, match="no vector of 'unknown'"):
            call()
    assert list(router.routes) == sample_routes()
    assert router.version == 1


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"treshold": 0.5}, "'treshold'; did you mean 'threshold'"),
        ({"default_treshold": 0.5}, "did you mean 'default_threshold'"),
        ({"max_candidate": 5}, "did you mean 'max_candidates'"),
        ({"threshold": math.nan}, "threshold must be in"),
        ({"threshold": 1.2}, "threshold must be in"),
        ({"threshold": 0.5, "default_threshold": 0.6}, "same setting and differ"),
        ({"dimension": 0}, "dimension must be a whole number >= 1"),
        ({"top_k": True}, "top_k must be a whole number"),
        ({"max_candidates": 2.5}, "max_candidates must be a whole number"),
        ({"fallback_route": ""}, "fallback_route must be a route id"),
        ({"index_type": "annoy"}, "index_type must be"),
        ({"dense_weight": 0.0, "bm25_weight": 0.0}, "cannot both be 0"),
        ({"mode": "cloud"}, "there is no service"),
        ({"encoder": "all-MiniLM-L6-v2"}, "pass an encoder object"),
        ({"enable_simd": "yes"}, "must be True or False"),
        ({"head": "logistic"}, "head must be 'auto' or 'similarity'"),
        ({"head_budget_s": -1.0}, "head_budget_s must be finite and >= 0"),
        ({"head_budget_s": math.nan}, "head_budget_s must be finite and >= 0"),
        ({"head_budget_s": math.inf}, "head_budget_s must be finite and >= 0"),
    ],
)
def test_a_bad_setting_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Router(**options)


def test_two_encoders_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two encoders"):
        Router(ENCODER, encoder=ENCODER)


@pytest.mark.parametrize("config", ["all-MiniLM-L6-v2", {"threshold": 0.5}, 384, HashingEncoder])
def test_what_is_neither_settings_nor_encoder_is_refused(config: Any) -> None:
    with pytest.raises((ConfigurationError, InvalidInputError)):
        Router(config)


def test_an_unknown_fallback_route_is_refused_before_anything_is_encoded(
    encoder: CountingEncoder,
) -> None:
    router = Router(RouterConfig(fallback_route="acount"), encoder=encoder)
    router.add_routes(sample_routes())

    for call in (
        router.build_index,
        lambda: router.build_index(unit_rows(4)),
        lambda: router.route(QUERY),
    ):
        with pytest.raises(ConfigurationError, match="did you mean 'account'"):
            call()
    assert (router.is_built, encoder.calls) == (False, [])


def test_the_fallback_route_of_a_built_router_stays(encoder: CountingEncoder) -> None:
    router = Router(encoder=encoder, fallback_route="account")
    router.add_routes(sample_routes())
    router.build_index()

    with pytest.raises(ConfigurationError, match="'account' is not a registered route"):
        router.remove_route("account")
    assert list(router.routes) == sample_routes()


# Labels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fit", "evaluate"])
@pytest.mark.parametrize(
    ("queries", "labels", "error", "message"),
    [
        ([QUERY, QUERY], ["billing"], InvalidInputError, "got 1 labels for 2 queries"),
        ([QUERY], ["billing", None], InvalidInputError, "got 2 labels for 1 queries"),
        ([QUERY] * 7, "billing", InvalidInputError, "one label per query"),
        ([QUERY], None, InvalidInputError, "one label per query"),
        ([], [], InvalidInputError, "at least one labelled query"),
        ([QUERY], ["biling"], RouteNotFoundError, "did you mean 'billing'"),
        ([QUERY], [3], RouteNotFoundError, "no route '3'"),
        ([QUERY], [["billing"]], RouteNotFoundError, "billing"),
    ],
)
def test_labels_must_fit_the_queries_and_the_routes(  # noqa: PLR0917 -- a table of cases
    router: Router,
    call: str,
    queries: list[str],
    labels: Any,
    error: type[StrataError],
    message: str,
) -> None:
    vectors = np.repeat(VECTOR[np.newaxis], len(queries), axis=0)

    with pytest.raises(error, match=message):
        getattr(router, call)(queries, labels, vectors)
