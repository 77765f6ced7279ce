"""Adding, changing and removing routes, seen through a router: what is encoded, what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import (
    ConfigurationError,
    DuplicateRouteError,
    EncoderMismatchError,
    EncoderRequiredError,
    EncodingError,
    HashingEncoder,
    IndexNotBuiltError,
    NoRoutesError,
    Route,
    RouteNotFoundError,
    Router,
)
from stratarouter.testing import CountingEncoder, TableEncoder, sample_routes

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXTS = ("a1", "a2", "b1", "b2", "c1", "new", "query")
A = Route("a", examples=["a1", "a2"])
B = Route("b", examples=["b1", "b2"])
C = Route("c", examples=["c1"])


def vector(text: str) -> NDArray[np.float64]:
    row: NDArray[np.float64] = np.eye(8)[TEXTS.index(text)]
    return row


def matrix(*texts: str) -> NDArray[np.float64]:
    return np.stack([vector(text) for text in texts])


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder(TableEncoder({text: vector(text) for text in TEXTS}))


@pytest.fixture
def router(encoder: CountingEncoder) -> Router:
    """Return a built router of A and B, whose encoder has begun to count anew."""
    router = Router(encoder)
    router.add_routes([A, B])
    router.build_index()
    encoder.forget()
    return router


@pytest.fixture
def external() -> Router:
    """Return a router that was built from vectors only."""
    router = Router(dimension=8)
    router.add_routes([A, B])
    router.build_index(matrix("a1", "a2", "b1", "b2"))
    return router


def ids(router: Router) -> list[str]:
    return [route.id for route in router.routes]


def state(router: Router) -> tuple[Any, ...]:
    return router.routes, router.is_built, router.version, router.config, router.encoder_id


# Before the first build --------------------------------------------------------------------------


def test_a_new_router_is_empty_and_not_built() -> None:
    router = Router()

    assert (router.routes, len(router), router.is_built, router.version) == ((), 0, False, 0)
    with pytest.raises(NoRoutesError, match="add some"):
        router.route("hello")
    with pytest.raises(NoRoutesError, match="add some"):
        router.build_index()


def test_adding_before_the_build_encodes_nothing(encoder: CountingEncoder) -> None:
    router = Router(encoder)

    router.add_routes([A, B])

    assert (encoder.calls, ids(router), router.is_built) == ([], ["a", "b"], False)


def test_the_first_query_builds(encoder: CountingEncoder) -> None:
    router = Router(encoder)
    router.add_routes([A, B])

    router.route("query")

    assert router.is_built
    assert encoder.calls == [("a1", "a2", "b1", "b2"), ("query",)]


def test_routes_can_be_replaced_and_removed_before_the_build(encoder: CountingEncoder) -> None:
    router = Router(encoder)
    router.add_routes([A, B, C])

    router.update_route(Route("a", examples=["new"]))
    assert router.remove_route("b") is B
    router.build_index()

    assert encoder.texts == ["new", "c1"]
    assert ids(router) == ["a", "c"]


# What is encoded ---------------------------------------------------------------------------------


def test_adding_a_route_encodes_only_its_texts(router: Router, encoder: CountingEncoder) -> None:
    router.add_route(C)

    assert encoder.calls == [("c1",)]
    assert router.route("c1").snapshot_version == router.version


def test_adding_several_routes_encodes_them_in_one_call(
    router: Router, encoder: CountingEncoder
) -> None:
    router.add_routes([C, Route("d", examples=["new"])])

    assert encoder.calls == [("c1", "new")]


def test_removing_and_building_encode_nothing(router: Router, encoder: CountingEncoder) -> None:
    router.remove_route("a")
    router.build_index()
    router.build_index()

    assert encoder.calls == []


def test_changing_what_is_no_text_encodes_nothing(router: Router, encoder: CountingEncoder) -> None:
    router.update_route(Route("a", examples=A.examples, threshold=0.9, keywords=["k"]))

    assert encoder.calls == []
    assert router.routes[0].threshold == 0.9
    assert router.route("a1").threshold == 0.9


def test_a_changed_route_encodes_only_its_new_texts(
    router: Router, encoder: CountingEncoder
) -> None:
    router.update_route(Route("a", examples=["a2", "new"]))

    assert encoder.texts == ["new"]
    assert router.route("new", vector("new")).scores.semantic > 0.8


# What is seen ------------------------------------------------------------------------------------


def test_a_change_is_visible_when_its_call_returns(router: Router) -> None:
    router.add_route(C)
    assert best(router, "c1") == "c"

    router.update_route(Route("c", examples=["new"]))
    assert best(router, "new") == "c"

    router.remove_route("c")
    assert best(router, "new") != "c"


def best(router: Router, text: str) -> str:
    """Return the id of the best candidate, accepted or not."""
    result = router.route(text, vector(text), k=1)
    found = result.route_id if result.matched else result.alternatives[0].route_id
    assert found is not None
    return found


def test_replacing_keeps_the_place(router: Router) -> None:
    router.add_route(Route("a", examples=["new"]), replace=True)
    router.add_routes([C, Route("b", examples=["query"])], replace=True)

    assert ids(router) == ["a", "b", "c"]


def test_every_change_has_a_version_of_its_own(router: Router) -> None:
    versions = [router.version]
    for change in (
        lambda: router.add_route(C),
        lambda: router.update_route(Route("c", examples=["new"])),
        lambda: router.remove_route("c"),
        router.build_index,
        lambda: router.fit(["query"], ["a"]),
    ):
        change()
        versions.append(router.version)

    assert versions == sorted(set(versions))


def test_versions_go_on_after_the_last_route_was_removed(router: Router) -> None:
    before = router.version
    router.remove_route("a")
    router.remove_route("b")
    assert not router.is_built

    router.add_route(C)
    router.build_index()

    assert router.version > before + 1


def test_an_older_tuple_of_routes_stays_as_it_was(router: Router) -> None:
    before = router.routes

    router.remove_route("a")

    assert [route.id for route in before] == ["a", "b"]


# Refused changes leave everything as it was ------------------------------------------------------


def test_refused_changes_change_nothing(router: Router, encoder: CountingEncoder) -> None:
    before = state(router)
    for error, change in (
        (DuplicateRouteError, lambda: router.add_route(B)),
        (DuplicateRouteError, lambda: router.add_routes([C, A])),
        (DuplicateRouteError, lambda: router.add_routes([C, C])),
        (DuplicateRouteError, lambda: router.add_routes([C, C], replace=True)),
        (RouteNotFoundError, lambda: router.update_route(C)),
        (RouteNotFoundError, lambda: router.remove_route("c")),
        (RouteNotFoundError, lambda: router.add_routes([C], embeddings={"a": vector("a1")})),
        (EncodingError, lambda: router.add_route(Route("d", examples=["not in the table"]))),
        (EncoderMismatchError, lambda: router.build_index(np.ones((2, 8)), encoder_id="other")),
    ):
        with pytest.raises(error):
            change()
        assert state(router) == before
    assert encoder.texts == ["not in the table"]
    assert best(router, "a1") == "a"


def test_all_routes_of_a_call_are_added_or_none() -> None:
    router = Router()
    router.add_route(B)

    with pytest.raises(DuplicateRouteError) as caught:
        router.add_routes([A, B, C])

    assert caught.value.route_id == "b"
    assert ids(router) == ["b"]


def test_the_fallback_of_a_built_router_cannot_be_removed(encoder: CountingEncoder) -> None:
    router = Router(encoder, fallback_route="b")
    router.add_routes([A, B])
    router.build_index()

    with pytest.raises(ConfigurationError, match="fallback_route 'b'"):
        router.remove_route("b")

    assert ids(router) == ["a", "b"]


def test_a_router_whose_fallback_is_missing_is_not_built(encoder: CountingEncoder) -> None:
    router = Router(encoder, fallback_route="b")
    router.add_route(A)

    with pytest.raises(ConfigurationError, match="fallback_route 'b'"):
        router.build_index()
    assert not router.is_built

    router.add_route(B)
    router.build_index()
    assert router.is_built


# Vectors from outside ----------------------------------------------------------------------------


def test_vectors_from_outside_need_no_encoder(external: Router) -> None:
    assert external.encoder_id == "external"
    assert external.encoder is None
    assert best(external, "b2") == "b"


def test_text_cannot_be_compared_with_vectors_from_outside(external: Router) -> None:
    before = state(external)
    for call in (
        lambda: external.route("query"),
        lambda: external.route_batch(["query"]),
        lambda: external.add_route(C),
        lambda: external.evaluate(["query"], ["a"]),
        lambda: external.fit(["query"], ["a"]),
        lambda: external.update_route(Route("a", examples=["new"])),
    ):
        with pytest.raises(EncoderRequiredError):
            call()
        assert state(external) == before


def test_routes_with_vectors_can_be_added_to_vectors_from_outside(external: Router) -> None:
    external.add_route(C, embeddings=vector("c1"))
    external.add_routes(
        [Route("d", examples=["new"]), Route("e", examples=["query"])],
        embeddings={"d": vector("new"), "e": [vector("query")]},
    )
    external.update_route(Route("a", examples=["a1"]), embeddings=vector("a1"))

    assert [best(external, text) for text in ("c1", "new", "query")] == ["c", "d", "e"]


def test_a_threshold_can_be_changed_without_the_vectors(external: Router) -> None:
    external.update_route(Route("a", examples=A.examples, threshold=0.0))

    assert external.route("a1", vector("a1")).threshold == 0.0


def test_vectors_may_be_handed_in_before_the_build() -> None:
    router = Router(dimension=8)
    router.add_route(A, embeddings=matrix("a1", "a2"))
    router.add_routes([B], embeddings={"b": matrix("b1", "b2")})
    router.update_route(Route("a", examples=A.examples, threshold=0.25))

    router.build_index()

    assert router.encoder_id == "external"
    assert router.route("a1", vector("a1")).threshold == 0.25
    assert best(router, "b1") == "b"


def test_a_route_without_vectors_among_such_with_them_is_named() -> None:
    router = Router(dimension=8)
    router.add_route(A, embeddings=matrix("a1", "a2"))
    router.add_route(B)

    with pytest.raises(EncoderRequiredError, match="'b'"):
        router.build_index()
    assert not router.is_built


def test_a_vector_alone_does_not_build_a_router() -> None:
    router = Router(dimension=8)
    router.add_routes([A, B])

    with pytest.raises(IndexNotBuiltError, match="build_index"):
        router.route("query", vector("query"))
    assert not router.is_built


def test_the_origin_of_vectors_can_be_named() -> None:
    router = Router(dimension=64)
    router.add_routes(sample_routes())
    hashing = HashingEncoder(64)
    texts = [text for route in sample_routes() for text in route.texts]

    router.build_index(hashing.encode(texts), encoder_id=hashing.encoder_id)

    # The name is that of the default encoder, so text can be routed.
    assert router.route("Where is my parcel?").alternatives == ()
    assert router.encoder_id == hashing.encoder_id


def test_an_unknown_origin_is_kept() -> None:
    router = Router(dimension=8)
    router.add_route(A)
    router.build_index(matrix("a1", "a2"), encoder_id="my-model")

    assert router.encoder_id == "my-model"
    with pytest.raises(EncoderRequiredError, match="'my-model'"):
        router.route("query")


def test_vectors_of_the_own_encoder_are_taken(router: Router, encoder: CountingEncoder) -> None:
    router.build_index(matrix("b1", "b2", "a1", "a2"), encoder_id=encoder.encoder_id)

    assert best(router, "b1") == "a"
    assert encoder.calls == []


def test_an_emptied_router_starts_anew(external: Router) -> None:
    for route_id in ids(external):
        external.remove_route(route_id)

    with pytest.raises(NoRoutesError):
        external.route("query", vector("query"))
    external.add_routes(sample_routes())
    assert external.route("Where is my parcel?").snapshot_version == external.version


def test_the_repr_says_what_it_is(router: Router) -> None:
    assert repr(router) == f"Router(2 routes, encoder 'table:8', version {router.version})"
    assert repr(Router(dimension=8)).endswith("not built)")
