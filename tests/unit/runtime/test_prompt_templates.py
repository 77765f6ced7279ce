"""Prompts with fields: what is read, what is refused, what is put in."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.context_errors import TemplateFieldError
from stratarouter_runtime.policies.templates import PromptTemplate

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


def render(text: str, **values: Any) -> str:
    return PromptTemplate.parse(text).render(values)


def test_fields_are_put_in() -> None:
    template = PromptTemplate.parse("Hi {user_name}, {query} / {user_name}")

    assert template.fields == ("user_name", "query")
    assert template.render({"user_name": "Ann", "query": "why?"}) == "Hi Ann, why? / Ann"
    assert PromptTemplate.parse("plain").fields == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        (7, "7"),
        (0.5, "0.5"),
        (True, "True"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 5, 1), "2026-05-01"),
        ([1, "é"], '[1,"é"]'),
        ({"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
    ],
)
def test_values_have_one_text(value: Any, text: str) -> None:
    assert render("{x}", x=value) == text


@pytest.mark.parametrize(
    "text",
    [
        "{user.name}",
        "{user[0]}",
        "{user!r}",
        "{user:>9}",
        "{}",
        "{0}",
        "{ user }",
        '{"json": 1}',
        "{a b}",
    ],
)
def test_a_field_is_a_bare_name(text: str) -> None:
    with pytest.raises(InvalidInputError, match="no bare name"):
        PromptTemplate.parse(text)


@pytest.mark.parametrize("text", ["{", "}", "a { b", "{x}}", "{{x}", "{{{x}}"])
def test_a_single_brace_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"single '[{}]' at \d"):
        PromptTemplate.parse(text)


def test_only_texts_are_templates() -> None:
    with pytest.raises(InvalidInputError, match="system= must be a text, got a int"):
        PromptTemplate.parse(7, "system=")


def test_a_missing_field_is_named_with_the_nearest() -> None:
    with pytest.raises(TemplateFieldError, match="did you mean 'user_name'") as caught:
        render("{user_nme}", user_name="Ann")

    assert caught.value.field == "user_nme"


@pytest.mark.parametrize("value", [None, object(), b"bytes", [object()], {1, 2}])
def test_a_value_without_a_text_is_refused(value: Any) -> None:
    with pytest.raises(TemplateFieldError, match=r"\{x\}"):
        render("{x}", x=value)


@given(st.text())
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")

    template = PromptTemplate.parse(escaped)

    assert (template.fields, template.render({})) == ((), text)


@given(st.lists(st.tuples(st.text(), NAMES)), st.dictionaries(NAMES, st.text()), st.text())
def test_what_a_value_says_is_never_read(
    pieces: list[tuple[str, str]], values: dict[str, str], rest: str
) -> None:
    values = {**{name: f"{{{name}}}" for _, name in pieces}, **values}

    def escaped(text: str) -> str:
        return text.replace("{", "{{").replace("}", "}}")

    written = "".join(f"{escaped(text)}{{{name}}}" for text, name in pieces) + escaped(rest)
    expected = "".join(text + values[name] for text, name in pieces) + rest

    assert PromptTemplate.parse(written).render(values) == expected


@given(st.text(alphabet="{}ab.[]!: 0"))
def test_every_text_is_a_template_or_refused(text: str) -> None:
    try:
        template = PromptTemplate.parse(text)
    except InvalidInputError:
        return

    assert all(name.isidentifier() for name in template.fields)
    template.render(dict.fromkeys(template.fields, "v"))
