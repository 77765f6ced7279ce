"""The published spellings of the router."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import stratarouter
from stratarouter import (
    BaseEncoder,
    DimensionMismatch,
    DuplicateRouteError,
    HashingEncoder,
    InvalidInputError,
    Route,
    Router,
    RouterConfig,
    RouteResult,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratarouter.types import FloatArray

BILLING = ["Where's my invoice?", "Update payment", "I was charged twice", "Send me a receipt"]
SUPPORT = ["The app is crashing", "I cannot log in", "The screen stays black", "Sync is broken"]
QUERY = "Where is my invoice?"
ENCODER = HashingEncoder()
EMBEDDING = ENCODER.encode([QUERY])[0]

ROUTES = [
    Route(id="billing", description="Billing and payment questions", examples=BILLING),
    Route(id="support", description="Technical problems", examples=SUPPORT),
]


class MyEncoder(BaseEncoder):
    """The custom encoder of the FAQ: two methods, no more."""

    @property
    def dimension(self) -> int:
        return 4

    def encode(self, texts: Sequence[str]) -> Any:
        """Count letters; lists of any length are fine."""
        return [[1 + text.count(letter) for letter in "ivap"] for text in texts]


class Loose:
    """An encoder that inherits from nothing."""

    dimension = 2

    def encode(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, float("invoice" in text.lower())] for text in texts]


def built(router: Router) -> Router:
    router.add_routes(ROUTES)
    router.build_index()
    return router


# Making a router ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "dimension", "threshold"),
    [
        (Router, 384, 0.5),
        (lambda: Router(RouterConfig(dimension=64, threshold=0.3)), 64, 0.3),
        (lambda: Router(config=RouterConfig(dimension=64)), 64, 0.5),
        (lambda: Router(RouterConfig(dimension=64), threshold=0.2), 64, 0.2),
        (lambda: Router(dimension=64, threshold=0.0), 64, 0.0),
        (lambda: Router(mode="local", default_threshold=0.7), 384, 0.7),
        (lambda: Router(RouterConfig(dimension=384, threshold=0.5), encoder=ENCODER), 384, 0.5),
        (lambda: Router(encoder=MyEncoder()), 4, 0.5),
        (lambda: Router(MyEncoder(), threshold=0.1), 4, 0.1),
        (lambda: Router(encoder=Loose(), dimension=384), 2, 0.5),
    ],
)
def test_every_way_to_make_a_router(
    make: Callable[[], Router], dimension: int, threshold: float
) -> None:
    router = make()

    assert (router.config.dimension, router.config.threshold) == (dimension, threshold)
    assert built(router).route(QUERY).scores.semantic > 0.0


def test_every_published_setting_is_accepted() -> None:
    config = RouterConfig(
        dimension=384,
        threshold=0.5,
        top_k=5,
        enable_calibration=True,
        enable_simd=True,
        max_candidates=3,
        fallback_route="support",
        index_type="flat",
        m=16,
        ef_construction=200,
        ef_search=50,
        dense_weight=0.6427,
        bm25_weight=0.2891,
        rule_weight=0.0682,
    )

    assert built(Router(config)).config == config
    assert Router(sparse_weight=0.4).config.bm25_weight == 0.4


def test_the_defaults_are_the_published_ones() -> None:
    config = RouterConfig()

    assert (config.dimension, config.threshold, config.top_k) == (384, 0.5, 5)
    assert (config.dense_weight, config.bm25_weight, config.rule_weight) == (0.6427, 0.2891, 0.0682)
    assert (config.m, config.ef_construction, config.ef_search) == (16, 200, 50)
    assert (config.enable_calibration, config.max_candidates) == (True, 10)


def test_the_package_names_its_version() -> None:
    assert stratarouter.__version__.count(".") == 2


# Routes ------------------------------------------------------------------------------------------


def test_both_dialects_of_a_route_are_equal() -> None:
    by_id = Route(id="billing", examples=BILLING, description="d", keywords=["invoice"])
    by_name = Route(name="billing", utterances=BILLING, description="d", keywords=["invoice"])

    assert by_id == by_name == Route("billing", BILLING, "d", ["invoice"])
    assert (by_id.name, by_id.utterances) == (by_name.id, by_name.examples)


@pytest.mark.parametrize("call", ["add", "add_route", "add_routes"])
def test_every_way_to_add_a_route(call: str) -> None:
    router = Router(encoder=ENCODER)
    if call == "add_routes":
        router.add_routes(ROUTES)
    else:
        for route in ROUTES:
            getattr(router, call)(route)
    router.build_index()

    assert [route.id for route in router.routes] == ["billing", "support"]
    assert [route.description for route in router.routes] == [
        ROUTES[0].description,
        ROUTES[1].description,
    ]
    assert router.route(QUERY).route_id == "billing"


def test_the_published_errors_are_value_errors() -> None:
    router = built(Router(encoder=ENCODER))

    with pytest.raises(DuplicateRouteError) as duplicate:
        router.add_route(ROUTES[0])
    with pytest.raises(DimensionMismatch) as mismatch:
        router.route(QUERY, [0.1] * 3)
    with pytest.raises(ValueError, match="non-empty"):
        Route(id=" ", examples=BILLING)
    with pytest.raises(RuntimeError):
        Router().route(QUERY)
    assert all(isinstance(error.value, ValueError) for error in (duplicate, mismatch))


def test_replace_overwrites_a_route() -> None:
    router = built(Router(encoder=ENCODER))

    router.add_route(Route("billing", examples=["Something else entirely"]), replace=True)

    assert [route.id for route in router.routes] == ["billing", "support"]
    assert router.route("something else entirely").route_id == "billing"


# The index ---------------------------------------------------------------------------------------


def vectors_of(texts: Sequence[str]) -> FloatArray:
    rows: FloatArray = ENCODER.encode(texts)
    return rows


PER_ROUTE = np.stack([vectors_of(BILLING).mean(axis=0), vectors_of(SUPPORT).mean(axis=0)])
NESTED = [vectors_of(BILLING), vectors_of(SUPPORT)]


@pytest.mark.parametrize(
    "embeddings",
    [
        PER_ROUTE,
        PER_ROUTE.tolist(),
        list(PER_ROUTE),
        vectors_of(BILLING + SUPPORT),
        vectors_of(BILLING + SUPPORT).tolist(),
        vectors_of([*BILLING, ROUTES[0].description, *SUPPORT, ROUTES[1].description]),
        NESTED,
        [part.tolist() for part in NESTED],
        np.stack(NESTED),
        {"support": NESTED[1], "billing": NESTED[0]},
        {"billing": PER_ROUTE[0], "support": NESTED[1].tolist()},
    ],
    ids=[
        "per route",
        "per route as lists",
        "per route as a list of vectors",
        "per example",
        "per example as lists",
        "per text",
        "nested",
        "nested lists",
        "cube",
        "mapping",
        "uneven mapping",
    ],
)
@pytest.mark.parametrize("encoder", [None, ENCODER])
def test_every_form_of_embeddings(encoder: Any, embeddings: Any) -> None:
    router = Router(encoder=encoder, threshold=0.0)
    router.add_routes(ROUTES)

    router.build_index(embeddings)

    assert router.route(QUERY, EMBEDDING).route_id == "billing"
    assert router.route("it crashes", vectors_of(["the app crashes"])[0]).route_id == "support"
    assert router.encoder_id == ("external" if encoder is None else ENCODER.encoder_id)


@pytest.mark.parametrize(
    "route",
    [
        lambda router: router.route(QUERY),
        lambda router: router.route(QUERY, EMBEDDING),
        lambda router: router.route(QUERY, EMBEDDING.tolist()),
        lambda router: router.route(QUERY, embedding=EMBEDDING, k=2),
        lambda router: router.route(QUERY, EMBEDDING, 2),
        lambda router: router.route(QUERY, top_k=1),
        lambda router: router.route_batch([QUERY])[0],
        lambda router: router.route_batch([QUERY], [EMBEDDING], k=3)[0],
    ],
)
def test_every_way_to_ask(route: Callable[[Router], RouteResult]) -> None:
    result = route(built(Router(encoder=ENCODER)))

    assert isinstance(result, RouteResult)
    assert result.route_id == "billing"
    assert 0.0 < result.confidence < 1.0
    assert result.latency_ms > 0.0


def test_text_alone_builds_the_index_by_itself() -> None:
    router = Router(encoder=ENCODER)
    router.add_routes(ROUTES)

    assert router.route(QUERY).route_id == "billing"
    assert router.is_built


@pytest.mark.parametrize(("k", "n_alternatives"), [(1, 0), (2, 1), (3, 1)])
def test_k_counts_the_winner(k: int, n_alternatives: int) -> None:
    result = built(Router(encoder=ENCODER)).route(QUERY, EMBEDDING, k=k)

    assert [entry.route_id for entry in result.alternatives] == ["support"][:n_alternatives]


def test_fewer_candidates_keep_the_winner() -> None:
    router = built(Router(encoder=ENCODER, max_candidates=1, enable_simd=True))

    assert router.route(QUERY).route_id == "billing"


# Answers -----------------------------------------------------------------------------------------


def test_the_fallback_snippet() -> None:
    router = built(Router(encoder=ENCODER))

    def target(query: str) -> str | None:
        result = router.route(query, ENCODER.encode([query])[0])
        return result.route_id if result.confidence >= 0.5 else "fallback"

    assert target(QUERY) == "billing"
    assert target("xylophone zebra quartz") == "fallback"


def test_the_fallback_route_of_the_settings() -> None:
    router = built(Router(RouterConfig(fallback_route="support", threshold=1.0), encoder=ENCODER))

    result = router.route(QUERY)

    assert (result.route_id, result.reason, result.matched) == ("support", "fallback", False)
    assert result.alternatives[0].route_id == "billing"


def test_scores_can_be_read_in_every_way() -> None:
    scores = built(Router(encoder=ENCODER)).route(QUERY).scores
    names = ["semantic", "keyword", "pattern", "total", "confidence"]

    assert list(dict(scores)) == list(scores.keys()) == list(scores) == names
    assert scores["semantic"] == scores.semantic == dict(scores)["semantic"]
    assert dict(**scores) == scores.to_dict() == {name: scores[name] for name in names}
    assert all(0.0 <= scores[name] <= 1.0 for name in names)
    with pytest.raises(KeyError):
        scores["dense"]


def test_an_answer_has_the_published_json() -> None:
    router = built(Router(encoder=ENCODER))
    router.update_route(Route("billing", examples=BILLING, metadata={"team": "finance"}))

    answer = json.loads(json.dumps(router.route(QUERY, EMBEDDING, k=2).to_dict()))

    assert answer["route_id"] == "billing"
    assert set(answer["scores"]) == {"semantic", "keyword", "pattern", "total", "confidence"}
    assert answer["confidence"] == answer["scores"]["confidence"]
    assert isinstance(answer["latency_ms"], float)
    assert [set(entry) for entry in answer["alternatives"]] == [
        {"route_id", "confidence", "scores"}
    ]
    assert answer["alternatives"][0]["route_id"] == "support"
    assert answer["metadata"] == {"team": "finance"}
    assert "embedding" not in answer


def test_no_match_is_a_result_and_no_error() -> None:
    result = built(Router(encoder=ENCODER, threshold=1.0)).route(QUERY)

    assert not result
    assert (result.route_id, result.reason) == (None, "below_threshold")
    assert json.loads(json.dumps(result.to_dict()))["route_id"] is None


# Everything else ---------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", [MyEncoder(), Loose()])
def test_a_custom_encoder_needs_two_members(encoder: Any) -> None:
    router = Router(encoder=encoder, threshold=0.0)
    router.add_routes(ROUTES)
    router.build_index()

    assert router.encoder_id == f"{type(encoder).__name__}:{encoder.dimension}"
    assert router.route(QUERY).route_id == "billing"
    assert router.route(QUERY, encoder.encode([QUERY])[0]).route_id == "billing"


def test_an_encoder_without_dimension_is_explained() -> None:
    class Half:
        def encode(self, texts: list[str]) -> list[list[float]]:
            return [[1.0]] * len(texts)

    with pytest.raises(InvalidInputError, match="does not say its width"):
        Router(encoder=Half())


def test_save_and_load(tmp_path: Any) -> None:
    router = built(Router(encoder=ENCODER))

    router.save(str(tmp_path / "router"))
    loaded = Router.load(str(tmp_path / "router"), encoder=ENCODER)

    assert loaded.route(QUERY).to_dict()["scores"] == router.route(QUERY).to_dict()["scores"]


def test_fit_and_evaluate_take_none_for_out_of_scope() -> None:
    router = built(Router(encoder=ENCODER))
    queries = [*BILLING, *SUPPORT, "xylophone", "zebra"] * 4
    labels: list[str | None] = [*["billing"] * 4, *["support"] * 4, None, None]

    report = router.fit(queries, labels * 4)
    evaluation = router.evaluate(queries, labels * 4)

    assert (report.n, report.n_out_of_scope, report.accuracy) == (40, 8, 1.0)
    assert router.route(QUERY).calibrated
    assert evaluation.n == 40
