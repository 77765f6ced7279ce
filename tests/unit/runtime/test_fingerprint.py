"""Names of answers change with everything that changes the answer."""

from __future__ import annotations

from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.errors import UncacheableValueError
from stratarouter_runtime.policies.fingerprint import FingerprintPrefix, text_key

PARTS: dict[str, Any] = {
    "route": "billing",
    "target": {"provider": "openai", "model": "m", "system": None, "params": {"top_p": 1.0}},
    "scope": "user",
    "encoder": "hashing:384",
}


def test_equal_requests_have_one_name() -> None:
    reordered = dict(reversed(PARTS.items()))

    assert FingerprintPrefix(PARTS).of("q", {"a": 1, "b": 2}) == FingerprintPrefix(reordered).of(
        "q", {"b": 2, "a": 1}
    )


@pytest.mark.parametrize(
    "change",
    [
        {"route": "support"},
        {"route": None},
        {"target": {**PARTS["target"], "model": "n"}},
        {"target": {**PARTS["target"], "system": "be brief"}},
        {"target": {**PARTS["target"], "params": {"top_p": 0.5}}},
        {"target": {**PARTS["target"], "params": {}}},
        {"scope": "global"},
        {"encoder": None},
        {"policy": 2},
    ],
    ids=str,
)
def test_each_part_counts(change: dict[str, Any]) -> None:
    assert FingerprintPrefix({**PARTS, **change}).of("q") != FingerprintPrefix(PARTS).of("q")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("q", None), ("Q", None)),
        (("q", None), ("q ", None)),
        (("q", {"a": 1}), ("q", {"a": "1"})),
        (("q", {"a": 1}), ("q", None)),
        (('q{"a":1}', None), ("q", {"a": 1})),
        (("é", None), ("e\u0301", None)),
    ],
)
def test_query_and_context_count_exactly(left: Any, right: Any) -> None:
    prefix = FingerprintPrefix(PARTS)

    assert prefix.of(*left) != prefix.of(*right)


def test_an_empty_context_is_none() -> None:
    prefix = FingerprintPrefix(PARTS)

    assert prefix.of("q", {}) == prefix.of("q") == prefix.of("q", None)


def test_asking_twice_changes_nothing() -> None:
    prefix = FingerprintPrefix(PARTS)
    first = prefix.of("q")
    prefix.of("other")

    assert prefix.of("q") == first


def test_names_are_the_same_in_every_process() -> None:
    assert FingerprintPrefix({"route": "billing"}).of("hello") == (
        FingerprintPrefix({"route": "billing"}).of("hello")
    )
    assert text_key("hello") == (
        "q:324dcf027dd4a30a932c441f365a25e86b173defa4b8e58948253471b81b72cf"
    )


def test_lone_surrogates_have_names_too() -> None:
    prefix = FingerprintPrefix(PARTS)

    assert len({prefix.of("\ud800"), prefix.of("\ud801"), prefix.of("?")}) == 3
    assert text_key("\ud800") != text_key("?")


@pytest.mark.parametrize("query", [None, 7, b"bytes", ["a"]])
def test_only_texts_have_keys(query: object) -> None:
    with pytest.raises(InvalidInputError, match="query text"):
        text_key(query)


def test_a_context_without_json_form_is_refused() -> None:
    with pytest.raises(UncacheableValueError):
        FingerprintPrefix(PARTS).of("q", {"connection": object()})
