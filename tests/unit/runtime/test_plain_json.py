"""JSON that gives back what it was given, or refuses."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import pytest

from stratarouter_runtime.errors import CacheBackendError, UncacheableValueError
from stratarouter_runtime.policies.plain_json import canonical_json, decode_plain, encode_plain


class Color(IntEnum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        2**100,
        -1.5,
        1e308,
        "",
        "Where's my invoice? äöü 你好 🙂",
        "lone \ud800 surrogate",
        [],
        {},
        {"a": [1, {"b": None}], "": "x"},
    ],
)
def test_plain_values_come_back_equal_and_fresh(value: Any) -> None:
    copy = decode_plain(encode_plain(value))

    assert copy == value
    assert type(copy) is type(value)
    if isinstance(value, (list, dict)):
        assert copy is not value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        (1, 2),
        {1: "a"},
        {"a": (1,)},
        [b"x"],
        {1, 2},
        object(),
        Color.RED,
        {"a": {"b": [object()]}},
    ],
    ids=repr,
)
def test_values_that_would_come_back_different_are_refused(value: object) -> None:
    with pytest.raises(UncacheableValueError):
        encode_plain(value)


def test_circles_and_towers_are_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(UncacheableValueError, match="deeper"):
        encode_plain(circle)
    with pytest.raises(UncacheableValueError):
        canonical_json(circle)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"nul"])
def test_damaged_bytes_are_the_fault_of_the_store(data: bytes) -> None:
    with pytest.raises(CacheBackendError, match="damaged"):
        decode_plain(data)


def test_the_order_of_keys_does_not_matter() -> None:
    left = {"a": 1, "b": {"x": 1, "y": [1, 2]}}
    right = {"b": {"y": [1, 2], "x": 1}, "a": 1}

    assert canonical_json(left) == canonical_json(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, 1.0), (1, True), (0, False), (None, "null"), ("1", 1), ([1, 2], [2, 1]), ("a", ["a"])],
)
def test_different_values_have_different_forms(left: object, right: object) -> None:
    assert canonical_json(left) != canonical_json(right)


@pytest.mark.parametrize("value", [math.nan, object(), b"x", {("a",): 1}])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises(UncacheableValueError):
        canonical_json({"value": value})
