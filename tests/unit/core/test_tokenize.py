"""Words of texts: scripts, apostrophes, compatibility forms and English endings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.algorithms.tokenize import stem, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Refund, please!", ["refund", "pleas"]),
        ("snake_case-and/slash", ["snak", "case", "and", "slash"]),
        ("INV-42 2024", ["inv", "42", "2024"]),
        ("it's Anna’s dog", ["it", "anna", "dog"]),
        ("'quoted'", ["quot"]),
        ("\uff32efund", ["refund"]),
        ("Straße STRASSE", ["strass", "strass"]),
        ("где мой заказ", ["где", "мой", "заказ"]),
        ("注文はどこ", ["注", "文", "は", "ど", "こ"]),
        ("请退款 order", ["请", "退", "款", "order"]),
        ("?!… --- 🙂", []),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_repeats_are_kept_in_order() -> None:
    assert words("no no maybe no") == ["no", "no", "mayb", "no"]


@pytest.mark.parametrize(
    "group",
    [
        ("refund", "refunds", "refunded", "refunding"),
        ("parcel", "parcels"),
        ("delivery", "deliveries"),
        ("address", "addresses"),
        ("invoice", "invoices", "invoiced", "invoicing"),
        ("stop", "stops", "stopped", "stopping"),
        ("call", "calls", "called", "calling"),
        ("payment", "payments"),
    ],
)
def test_inflections_become_one_word(group: tuple[str, ...]) -> None:
    assert len({stem(word) for word in group}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("bill", "bell"), ("order", "border"), ("charge", "change"), ("return", "retire")],
)
def test_different_words_stay_different(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@pytest.mark.parametrize("word", ["is", "as", "bus", "gas", "42s", "größes", "des", "été"])
def test_short_and_foreign_words_are_kept(word: str) -> None:
    assert stem(word) == word


@given(st.text())
def test_words_are_lower_case_and_never_blank(text: str) -> None:
    for word in words(text):
        assert word
        assert word == word.casefold()
        assert not any(character.isspace() for character in word)


@given(st.text(alphabet="abcdefgilnoprstuy '", max_size=30))
def test_case_and_surrounding_punctuation_do_not_matter(text: str) -> None:
    assert words(f"  ¡{text.upper()}! ") == words(text)
