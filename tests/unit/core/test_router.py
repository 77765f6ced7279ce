"""The class that users meet: construction, text and vectors, what a result carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter import (
    BaseEncoder,
    ConfigurationError,
    HashingEncoder,
    InvalidInputError,
    Route,
    Router,
    RouterConfig,
    SingleTextEncoder,
)
from stratarouter.testing import CountingEncoder, TableEncoder, sample_routes

if TYPE_CHECKING:
    from collections.abc import Sequence

PARCEL = "Where is my parcel?"


def sample_router(**options: Any) -> Router:
    router = Router(**options)
    router.add_routes(sample_routes())
    return router


# Construction ------------------------------------------------------------------------------------


def test_without_arguments_the_defaults_hold() -> None:
    router = Router()

    assert router.config == RouterConfig()
    assert router.encoder is not None
    assert router.encoder_id == HashingEncoder(384).encoder_id


def test_options_replace_fields_of_the_config() -> None:
    config = RouterConfig(threshold=0.2, top_k=3)

    router = Router(config, threshold=0.0)

    assert (router.config.threshold, router.config.top_k) == (0.0, 3)
    assert config.threshold == 0.2


def test_an_encoder_in_place_of_the_config_is_taken() -> None:
    encoder = HashingEncoder(32)

    assert Router(encoder).encoder_id == Router(encoder=encoder).encoder_id == encoder.encoder_id


def test_the_width_of_the_encoder_wins() -> None:
    assert Router(RouterConfig(dimension=384), encoder=HashingEncoder(32)).config.dimension == 32


def test_the_default_encoder_has_the_configured_width() -> None:
    router = sample_router(dimension=96)

    embedding = router.route(PARCEL).embedding
    assert embedding is not None
    assert embedding.shape == (96,)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((HashingEncoder(8),), {"encoder": HashingEncoder(8)}, "two encoders"),
        ((), {"mode": "cloud"}, "there is no service"),
        ((), {"encoder": "all-MiniLM-L6-v2"}, "is a name; pass an encoder object"),
        ((), {"treshold": 0.5}, "did you mean 'threshold'"),
        ((), {"threshold": 1.2}, "threshold"),
    ],
)
def test_contradictory_or_unknown_settings_are_refused(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Router(*arguments, **options)


@pytest.mark.parametrize("encoder", [7, object(), HashingEncoder, lambda text: [1.0]])
def test_what_cannot_encode_is_refused(encoder: Any) -> None:
    with pytest.raises(InvalidInputError, match="encoder"):
        Router(encoder=encoder)


# Encoders of users -------------------------------------------------------------------------------


def test_an_encoder_that_only_has_the_published_methods_works() -> None:
    class Letters(BaseEncoder):
        dimension = 2

        def encode(self, texts: Sequence[str]) -> Any:
            return [[text.count("a") + 0.1, text.count("b") + 0.1] for text in texts]

    router = Router(encoder=Letters(), threshold=0.0)
    router.add_routes([Route("a", examples=["aaa"]), Route("b", examples=["bbb"])])

    assert router.route("xbx").route_id == "b"


def test_an_encoder_of_single_texts_works_when_wrapped() -> None:
    class OneAtATime:
        dimension = 2

        def encode(self, text: str) -> list[float]:
            return [1.0, 0.0] if text.startswith("a") else [0.0, 1.0]

    router = Router(encoder=SingleTextEncoder(OneAtATime()), threshold=0.0)
    router.add_routes([Route("a", examples=["a"]), Route("b", examples=["b"])])

    assert router.route("bb").route_id == "b"


def test_a_text_is_encoded_once_per_query_and_a_batch_in_one_call() -> None:
    encoder = CountingEncoder(HashingEncoder(32))
    router = sample_router(encoder=encoder)
    router.build_index()
    encoder.forget()

    router.route(PARCEL)
    router.route_batch(["one", "two"])

    assert encoder.calls == [(PARCEL,), ("one", "two")]


def test_a_given_vector_calls_no_encoder() -> None:
    encoder = CountingEncoder(HashingEncoder(32))
    router = sample_router(encoder=encoder)
    router.build_index()
    encoder.forget()

    router.route(PARCEL, np.ones(32))
    router.route_batch([PARCEL], np.ones((1, 32)))

    assert encoder.calls == []


# Text and vectors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        np.float64,
        np.float16,
        lambda row: row[np.newaxis],
        lambda row: row * 1000.0,
        lambda row: np.asfortranarray(np.stack([row, row]))[0],
    ],
)
def test_a_vector_may_come_in_any_form(convert: Any) -> None:
    router = sample_router(dimension=64, threshold=0.0)
    router.build_index()
    [row] = HashingEncoder(64).encode([PARCEL])

    result = router.route(PARCEL, convert(row))

    assert result.route_id == "delivery"
    assert result.confidence == pytest.approx(router.route(PARCEL).confidence, abs=1e-3)


def test_the_words_of_the_query_count_beside_its_vector() -> None:
    router = sample_router(dimension=64)
    router.build_index()
    embedding = HashingEncoder(64).encode(["x"])[0]

    with_words, without = (
        router.route(query, embedding, k=4).scores for query in ("shipping of a parcel", "zzz")
    )

    assert with_words.keyword > 0.0
    assert without.keyword == 0.0


@pytest.mark.parametrize(
    "query", ["???", "…", "🙂", "请问我的包裹在哪里", "где посылка", "a" * 5_000]
)
def test_every_kind_of_text_gets_a_result(query: str) -> None:
    result = sample_router().route(query)

    assert 0.0 < result.confidence < 1.0
    assert result.query == query


@pytest.mark.parametrize(
    ("example", "query"),
    [
        ("我的包裹在哪里", "我的包裹呢"),
        ("где мой заказ", "Где мой Заказ сейчас"),
        ("¿dónde?", "DÓNDE"),
    ],
)
def test_other_scripts_are_routed(example: str, query: str) -> None:
    router = Router(threshold=0.0)
    router.add_routes([Route("other", examples=["something in English"])])
    router.add_route(Route("right", examples=[example]))

    assert router.route(query).route_id == "right"


def test_one_route_is_enough() -> None:
    router = Router()
    router.add_route(sample_routes()[0])

    assert 0.0 < router.route("anything at all").confidence < 1.0


def test_a_route_without_examples_is_found_by_its_description() -> None:
    router = Router(threshold=0.0)
    router.add_routes([Route("pay", description="payment and invoices"), *sample_routes()[1:]])

    assert router.route("invoices").route_id == "pay"


def test_equal_routers_decide_equally() -> None:
    one, other = (sample_router().route("refund for my parcel", k=4) for _ in range(2))

    assert {**one.to_dict(), "latency_ms": 0} == {**other.to_dict(), "latency_ms": 0}


def test_a_result_names_its_snapshot() -> None:
    router = sample_router()
    before = router.route(PARCEL)
    router.remove_route("account")
    after = router.route(PARCEL)

    assert before.snapshot_version < after.snapshot_version == router.version


# Evaluating --------------------------------------------------------------------------------------


def test_evaluate_routes_every_query() -> None:
    router = sample_router(threshold=0.0)
    queries = [text for route in sample_routes() for text in route.examples]
    labels = [route.id for route in sample_routes() for _ in route.examples]

    report = router.evaluate([*queries, "weather in Paris"], [*labels, None])

    assert (report.n, report.n_out_of_scope) == (21, 1)
    assert report.accuracy == 1.0
    assert report.coverage == 1.0
    assert report.latency_p50_ms > 0.0


def test_evaluate_equals_routing() -> None:
    router = sample_router()
    queries = ["parcel", "money back", "nothing", "log in"]
    labels = ["delivery", "returns", None, "account"]

    report = router.evaluate(queries, labels)

    results = [router.route(query) for query in queries]
    assert report.coverage == sum(result.matched for result in results) / 4
    best = [
        result.route_id if result.matched else result.alternatives[0].route_id for result in results
    ]
    right = sum(a == b for a, b in zip(best, labels, strict=True) if b is not None)
    assert report.accuracy == pytest.approx(right / 3)


def test_evaluate_takes_vectors() -> None:
    router = Router(dimension=2)
    router.add_routes([Route("a", examples=["x"]), Route("b", examples=["y"])])
    router.build_index([[1, 0], [0, 1]])

    report = router.evaluate(["q", "q"], ["a", "b"], [[1, 0.1], [0.1, 1]])

    assert report.accuracy == 1.0


def test_a_table_decides_in_tests_of_users() -> None:
    table: dict[str, list[float]] = {"pay": [1, 0], "ship": [0, 1], "bill": [0.9, 0.1]}
    named = {"billing": [0.8, 0.3], "delivery": [0.3, 0.8]}
    router = Router(TableEncoder({**table, **named}), threshold=0.0)
    router.add_routes([Route("billing", examples=["pay"]), Route("delivery", examples=["ship"])])

    assert router.route("bill").route_id == "billing"


def test_ids_that_say_nothing_need_no_vector() -> None:
    router = Router(TableEncoder({"pay": [1, 0], "ship": [0, 1], "x": [0.9, 0.1]}), threshold=0.0)
    router.add_routes([Route("r1", examples=["pay"]), Route("r2", examples=["ship"])])

    assert router.route("x").route_id == "r1"
