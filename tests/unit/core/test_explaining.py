"""Why a query went where it went."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratarouter import HashingEncoder, InvalidInputError, Route, Router, RouteResult
from stratarouter.route_vectors import encoded_texts
from stratarouter.testing import sample_routes

ENCODER = HashingEncoder(64)
QUERIES = ["Where is my parcel?", "invoice inv-42", "send it back", "weather", "???", "my lawyer"]
LEGAL = Route(
    "legal", examples=["talk to counsel"], patterns=["lawyer", "court"], pattern_mode="override"
)


def built(**options: Any) -> Router:
    router = Router(encoder=ENCODER, **options)
    router.add_routes([*sample_routes(), LEGAL])
    router.build_index()
    return router


def best_of(result: RouteResult) -> str | None:
    return result.route_id if result.matched else result.alternatives[0].route_id


@settings(max_examples=settings().max_examples // 3)
@given(
    st.sampled_from(QUERIES),
    st.sampled_from([None, 1, 3, 5]),
    st.fixed_dictionaries(
        {
            "max_candidates": st.sampled_from([1, 2, 10]),
            "threshold": st.sampled_from([0.0, 0.5, 1.0]),
        }
    ),
    st.integers(0, 1_000),
)
def test_an_explanation_agrees_with_the_result(
    query: str, k: int | None, options: dict[str, Any], seed: int
) -> None:
    router = built(**options)
    embedding = np.random.default_rng(seed).normal(size=64)
    if seed % 2:
        [result] = router.route_batch([query], [embedding], k=k)
    else:
        result = router.route(query, embedding, k=k)

    explanation = result.explain()

    best = explanation.ranking[0]
    assert best.route_id == best_of(result)
    assert dict(best.scores) == pytest.approx(dict(result.scores), abs=1e-5)
    totals = [entry.scores.total for entry in explanation.ranking[1:]]
    assert totals == sorted(totals, reverse=True)
    assert explanation.query == query


def test_nearest_examples_are_those_with_the_largest_cosine() -> None:
    result = built().route("where has my parcel gone")
    embedding = result.embedding
    assert embedding is not None

    explanation = result.explain()

    for route_id, example, cosine in explanation.nearest_examples:
        [route] = [route for route in sample_routes() if route.id == route_id]
        texts = encoded_texts(route)
        cosines = ENCODER.encode(texts) @ embedding
        assert example == texts[int(cosines.argmax())]
        assert cosine == pytest.approx(float(cosines.max()), abs=1e-6)
    assert [entry[0] for entry in explanation.nearest_examples] == [
        entry.route_id for entry in explanation.ranking[:2]
    ]


def test_a_readable_id_can_be_the_nearest_text() -> None:
    explanation = built().route("Account").explain()

    route_id, text, cosine = explanation.nearest_examples[0]
    assert (route_id, text) == ("account", "account")
    assert cosine == pytest.approx(1.0)


def test_shares_of_the_words_add_up_to_the_keyword_score() -> None:
    result = built(threshold=0.0).route("shipping my parcel parcel today zzz")

    shared = result.explain().shared_words

    assert {word for word, _ in shared} >= {"parcel", "my"}
    assert sum(share for _, share in shared) == pytest.approx(result.scores.keyword)
    shares = [share for _, share in shared]
    assert shares == sorted(shares, reverse=True)


def test_a_query_without_known_words_shares_none() -> None:
    assert built().route("zzz qqq").explain().shared_words == ()


@pytest.mark.parametrize(
    ("query", "pattern"), [("my invoice inv-42", r"re:\binv-\d+\b"), ("I go to court", "court")]
)
def test_the_matching_pattern_is_named(query: str, pattern: str) -> None:
    result = built(threshold=0.0).route(query)

    assert result.scores.pattern == 1.0
    assert result.explain().matched_patterns == (pattern,)


def test_vectors_without_texts_are_numbered() -> None:
    router = Router(dimension=2, threshold=0.0)
    router.add_routes([Route("a", examples=["x", "y", "z"]), Route("b", examples=["w"])])
    router.build_index({"a": [[1, 0], [0.8, 0.6]], "b": [[0, 1]]})

    explanation = router.route("q", [0.8, 0.6]).explain()

    assert explanation.nearest_examples[0][:2] == ("a", "(vector 1)")
    assert explanation.nearest_examples[1][:2] == ("b", "w")


def test_the_settings_say_how_many_routes_are_shown() -> None:
    assert len(built(top_k=2).route("parcel").explain().ranking) == 2
    assert len(built(top_k=50).route("parcel").explain().ranking) == 5


@pytest.mark.parametrize(
    ("options", "query", "begins", "holds"),
    [
        ({"threshold": 0.0}, "my lawyer", "routed to 'legal', because", ">= threshold 0"),
        ({"threshold": 0.0}, "Track my package", "routed to 'delivery' (", ">= threshold 0"),
        ({"threshold": 1.0}, "Track my package", "no route: 'delivery' was best", "< threshold 1"),
        (
            {"threshold": 1.0, "fallback_route": "account"},
            "Track my package",
            "fell back to 'account': 'delivery' was best",
            "< threshold 1",
        ),
    ],
)
def test_the_summary_says_what_happened(
    options: dict[str, Any], query: str, begins: str, holds: str
) -> None:
    result = built(**options).route(query)

    summary = result.explain().summary

    assert summary.startswith(begins)
    assert holds in summary
    assert f"{result.confidence:.3f}" in summary
    assert "uncalibrated prior" in summary


def test_explaining_uses_the_snapshot_of_the_answer() -> None:
    router = built(threshold=0.0)
    result = router.route("Track my package")
    router.remove_route("delivery")

    assert result.explain().ranking[0].route_id == "delivery"


@pytest.mark.parametrize("lost", [{"query": None}, {"embedding": None}])
def test_a_result_that_lost_its_query_cannot_explain(lost: dict[str, Any]) -> None:
    result = replace(built().route("parcel"), **lost)

    with pytest.raises(InvalidInputError, match="route again"):
        result.explain()
