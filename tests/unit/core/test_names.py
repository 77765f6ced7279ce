"""Readable words in identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.names import readable_name

WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=8)
WORDS = st.lists(WORD, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("refund_request", "refund request"),
        ("refund-request", "refund request"),
        ("refund request", "refund request"),
        ("refundRequest", "refund request"),
        ("RefundRequest", "refund request"),
        ("refund.request/new", "refund request new"),
        ("__refund__", "refund"),
        ("REFUND", "refund"),
        ("HTTPServerDown", "http server down"),
        ("openATMCard", "open atm card"),
        ("pinV2", "pin v 2"),
        ("my card", "my card"),
        ("tier_1_support", "tier 1 support"),
    ],
)
def test_an_identifier_is_split_into_its_words(identifier: str, expected: str) -> None:
    assert readable_name(identifier) == expected


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("données_perdues", "données perdues"),
        ("GrößeÄndern", "größe ändern"),
        ("ÉtatCivil", "état civil"),
        ("возвратДенег", "возврат денег"),
        ("取消订单", "取消订单"),
    ],
)
def test_words_of_other_alphabets_are_kept_whole(identifier: str, expected: str) -> None:
    assert readable_name(identifier) == expected


@pytest.mark.parametrize(
    "identifier",
    ["", "x", "r17", "r_17", "a1", "id", "17", "2024-11-20", "___", "a3f09c", "550e8400-e29b-41d4"],
)
def test_a_name_that_says_nothing_is_empty(identifier: str) -> None:
    assert readable_name(identifier) == ""


@pytest.mark.parametrize(
    ("identifier", "reads"),
    [("support1", True), ("support12", True), ("support123", False), ("abc", True), ("ab", False)],
)
def test_where_a_name_begins_to_read(identifier: str, reads: bool) -> None:
    assert bool(readable_name(identifier)) is reads


@given(WORDS, st.sampled_from(["_", "-", " ", ".", "/", "__", ":"]))
def test_every_way_of_joining_words_reads_the_same(parts: list[str], separator: str) -> None:
    expected = " ".join(parts)

    assert readable_name(separator.join(parts)) == expected
    assert readable_name("".join(part.capitalize() for part in parts)) == expected
    assert readable_name(separator.join(parts).upper()) == expected


@given(st.text(max_size=40))
def test_nothing_is_invented_and_nothing_readable_is_lost(identifier: str) -> None:
    name = readable_name(identifier)

    assert name == " ".join(name.split())
    if name:
        told = [character for character in identifier if character.isalnum()]
        assert name.replace(" ", "") == "".join(told).lower()


@given(st.text(max_size=40))
def test_reading_a_readable_name_changes_nothing(identifier: str) -> None:
    name = readable_name(identifier)

    assert readable_name(name) in (name, "")
