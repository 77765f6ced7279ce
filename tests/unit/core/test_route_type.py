"""Route, scores and results as values."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter import Alternative, InvalidInputError, InvalidRouteError, Route
from stratarouter.types import Explanation, RouteResult, RouteScores

TEXTS = st.text(min_size=1).filter(lambda text: bool(text.strip()))
LISTS = st.lists(TEXTS, max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
ROUTES = st.builds(
    Route,
    st.text("abc- é中", min_size=1, max_size=9).filter(lambda text: bool(text.strip())),
    examples=st.lists(TEXTS, min_size=1, max_size=3),
    description=st.none() | TEXTS,
    keywords=LISTS,
    patterns=LISTS,
    tags=LISTS,
    metadata=st.dictionaries(st.text(), JSON, max_size=2),
    threshold=st.none() | st.floats(0.0, 1.0),
    pattern_mode=st.sampled_from(["score", "override"]),
)
FULL = Route(
    "billing",
    examples=["my invoice", "a charge"],
    description="Money",
    keywords=["invoice"],
    patterns=["inv"],
    tags=["money"],
    metadata={"team": "finance"},
    threshold=0.0,
    pattern_mode="override",
)


# Both dialects -----------------------------------------------------------------------------------


def test_both_dialects_make_the_same_route() -> None:
    one = Route(id="billing", examples=["my invoice"])
    other = Route(name="billing", utterances=["my invoice"])

    assert one == other
    assert hash(one) == hash(other)
    assert (one.name, one.utterances) == (other.id, other.examples)


def test_both_names_may_be_given_if_they_agree() -> None:
    assert Route("a", name="a", examples=["x"], utterances=["x"]) == Route("a", examples=["x"])


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "a", "name": "b", "examples": ["x"]},
        {"id": "a", "examples": ["x"], "utterances": ["y"]},
    ],
)
def test_names_that_differ_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRouteError, match="are the same field; give only one"):
        Route(**fields)


# Fields ------------------------------------------------------------------------------------------


def test_the_defaults() -> None:
    route = Route("a", examples=["x"])

    assert route.to_dict() == {
        "id": "a",
        "description": "",
        "examples": ["x"],
        "keywords": [],
        "patterns": [],
        "tags": [],
        "metadata": {},
        "threshold": None,
        "pattern_mode": "score",
    }


def test_texts_are_the_examples_then_the_description() -> None:
    assert FULL.texts == ("my invoice", "a charge", "Money")
    assert Route("a", examples=["x"]).texts == ("x",)
    assert Route("a", description="d").texts == ("d",)


def test_blanks_around_id_and_description_go() -> None:
    route = Route("  a ", description=" d\n")

    assert (route.id, route.description) == ("a", "d")


@pytest.mark.parametrize("threshold", [0, 0.0, 1, 1.0, 0.5])
def test_thresholds_from_0_to_1_are_floats(threshold: float) -> None:
    kept = Route("a", examples=["x"], threshold=threshold).threshold

    assert kept == threshold
    assert isinstance(kept, float)


@pytest.mark.parametrize("threshold", [-0.01, 1.2, math.nan, math.inf, True, "0.5", [0.5]])
def test_other_thresholds_are_refused(threshold: Any) -> None:
    with pytest.raises(InvalidRouteError, match=r"threshold must be in \[0, 1\]"):
        Route("a", examples=["x"], threshold=threshold)


@pytest.mark.parametrize("route_id", [None, "", "  ", 7, b"a", "x" * 257, "a\nb", "a\x00b"])
def test_unusable_ids_are_refused(route_id: Any) -> None:
    with pytest.raises(InvalidRouteError):
        Route(route_id, examples=["x"])


def test_an_id_of_256_characters_is_fine() -> None:
    assert len(Route("x" * 256, examples=["x"]).id) == 256


@pytest.mark.parametrize(
    "fields", [{}, {"examples": []}, {"description": "  "}, {"utterances": [], "keywords": ["k"]}]
)
def test_a_route_needs_examples_or_a_description(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRouteError, match="neither examples nor a description"):
        Route("a", **fields)


@pytest.mark.parametrize("field", ["examples", "utterances", "keywords", "patterns", "tags"])
@pytest.mark.parametrize("value", ["one text", b"bytes", 7])
def test_a_string_where_a_list_is_meant_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidRouteError, match="must be a list of strings") as caught:
        Route("a", description="d", **{field: value})

    assert f"write [{value!r}]" in str(caught.value)


@pytest.mark.parametrize("field", ["examples", "keywords", "patterns", "tags"])
@pytest.mark.parametrize("bad", ["", " \t", None, 7])
def test_a_blank_text_is_named_by_its_place(field: str, bad: Any) -> None:
    fields: dict[str, Any] = {"description": "d", field: ["fine", bad]}
    with pytest.raises(InvalidRouteError, match=rf"{field}\[1\] must be a non-empty string"):
        Route("a", **fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [("description", 7), ("metadata", ["x"]), ("metadata", "x"), ("pattern_mode", "always")],
)
def test_other_fields_of_the_wrong_kind_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidRouteError, match=field):
        Route("a", **{"examples": ["x"], field: value})


# Values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [*FULL.to_dict(), "name", "anything"])
def test_a_route_cannot_be_changed(field: str) -> None:
    before = FULL.to_dict()

    with pytest.raises(AttributeError, match="immutable"):
        setattr(FULL, field, "x")
    with pytest.raises(AttributeError, match="immutable"):
        delattr(FULL, field)
    assert FULL.to_dict() == before


def test_what_was_handed_in_may_change_afterwards() -> None:
    examples, metadata = ["x"], {"k": 1}
    route = Route("a", examples=examples, metadata=metadata)

    examples.append("y")
    metadata["k"] = 2

    assert (route.examples, dict(route.metadata)) == (("x",), {"k": 1})


def test_what_was_handed_out_may_change() -> None:
    fields = FULL.to_dict()
    fields["examples"].append("y")
    fields["metadata"]["team"] = "other"

    assert FULL.examples == ("my invoice", "a charge")
    assert FULL.metadata["team"] == "finance"


def test_the_metadata_of_a_route_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        FULL.metadata["team"] = "other"  # type: ignore[index]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "other"),
        ("description", "other"),
        ("examples", ["a charge", "my invoice"]),
        ("keywords", []),
        ("patterns", []),
        ("tags", []),
        ("metadata", {"team": "other"}),
        ("threshold", None),
        ("pattern_mode", "score"),
    ],
)
def test_routes_that_differ_in_one_field_are_unequal(field: str, value: Any) -> None:
    assert Route(**{**FULL.to_dict(), field: value}) != FULL


def test_a_route_equals_nothing_else() -> None:
    others: list[object] = [FULL.to_dict(), "billing", None]

    assert not any(other == FULL for other in others)


def test_equal_routes_meet_in_a_set() -> None:
    assert len({FULL, Route(**FULL.to_dict()), Route("b", examples=["x"])}) == 2


@given(ROUTES)
def test_a_route_survives_its_own_fields_copies_and_json(route: Route) -> None:
    rebuilt = Route(**json.loads(json.dumps(route.to_dict())))

    for twin in (rebuilt, copy.copy(route), copy.deepcopy(route), Route(**route.to_dict())):
        assert twin == route
        assert hash(twin) == hash(route)
        assert twin.to_dict() == route.to_dict()


def test_a_route_can_be_sent_to_another_process() -> None:
    constructor, arguments = FULL.__reduce__()

    assert constructor(*arguments) == FULL


def test_the_repr_names_what_is_there() -> None:
    assert repr(FULL) == "Route('billing', examples=2, keywords=1, patterns=1, tags=1)"
    assert repr(Route("a", description="d")) == "Route('a', examples=0)"


# Scores and results ------------------------------------------------------------------------------

SCORES = RouteScores(semantic=0.9, keyword=0.5, pattern=1.0, total=0.8, confidence=0.7)


def test_scores_read_as_attributes_items_and_dictionary() -> None:
    expected = {"semantic": 0.9, "keyword": 0.5, "pattern": 1.0, "total": 0.8, "confidence": 0.7}

    assert dict(SCORES) == SCORES.to_dict() == expected
    assert list(SCORES) == list(expected)
    assert len(SCORES) == 5
    assert all(SCORES[name] == getattr(SCORES, name) == value for name, value in expected.items())


@pytest.mark.parametrize("key", ["keys", "to_dict", "score", "__class__"])
def test_only_components_are_items(key: str) -> None:
    with pytest.raises(KeyError, match=key):
        SCORES[key]


@pytest.mark.parametrize(
    ("reason", "matched"),
    [
        ("accepted", True),
        ("pattern_override", True),
        ("below_threshold", False),
        ("fallback", False),
    ],
)
def test_a_result_is_true_if_a_route_was_accepted(reason: Any, matched: bool) -> None:
    result = RouteResult(route_id="a", confidence=0.7, scores=SCORES, reason=reason)

    assert result.matched is matched
    assert bool(result) is matched


def test_the_dictionary_of_a_result_is_json_in_the_published_shape() -> None:
    result = RouteResult(
        route_id="a",
        confidence=0.7,
        scores=SCORES,
        alternatives=(Alternative("b", SCORES),),
        latency_ms=0.25,
        metadata={"k": [1]},
        query="q",
        embedding=np.ones(2),
    )

    shown = json.loads(json.dumps(result.to_dict()))

    assert shown["route_id"] == "a"
    assert shown["confidence"] == shown["scores"]["confidence"] == 0.7
    assert shown["alternatives"] == [
        {"route_id": "b", "confidence": 0.7, "scores": SCORES.to_dict()}
    ]
    assert shown["latency_ms"] == 0.25
    assert shown["metadata"] == {"k": [1]}
    assert "embedding" not in shown


def test_query_and_embedding_stay_out_of_the_repr() -> None:
    result = RouteResult(
        route_id="a", confidence=0.7, scores=SCORES, query="my secret", embedding=np.ones(2)
    )

    assert "my secret" not in repr(result)
    assert "embedding" not in repr(result)


def test_a_result_made_by_hand_cannot_explain() -> None:
    with pytest.raises(InvalidInputError, match="not made by a router"):
        RouteResult(route_id="a", confidence=0.7, scores=SCORES).explain()


def test_an_explanation_reads_as_a_paragraph() -> None:
    text = str(
        Explanation(
            query="q",
            summary="routed to 'a'",
            nearest_examples=(("a", "my invoice", 0.9),),
            shared_words=(("invoice", 0.4),),
            matched_patterns=("inv",),
            ranking=(Alternative("a", SCORES), Alternative("b", SCORES)),
        )
    )

    for part in ("routed to 'a'", "1. a: confidence 0.700", "2. b:", "'my invoice' [a]"):
        assert part in text
    assert "invoice 0.40" in text
    assert "patterns: inv" in text
