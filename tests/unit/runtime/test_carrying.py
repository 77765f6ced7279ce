"""What a provider cannot carry is said; and what an execution may cost is kept."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.accounting_errors import CostCapExceededError
from stratarouter_runtime.conversation import (
    CompletionRequest,
    ImagePart,
    Message,
    ResponseFormat,
    TextPart,
    ToolChoice,
    ToolSpec,
)
from stratarouter_runtime.policies.carrying import carried
from stratarouter_runtime.policies.cost_cap import CostCap
from stratarouter_runtime.provider_protocol import Capabilities

IMAGE = ImagePart(url="https://host/a.png")
FULL = CompletionRequest(
    messages=(Message("user", (TextPart("look"), IMAGE)), Message("user", "well?")),
    params={"seed": 1, "temperature": 0.5},
    tools=(ToolSpec(name="f"),),
    tool_choice=ToolChoice("required"),
    response_format=ResponseFormat("json_schema", schema={}),
)
ALL = Capabilities(images=True, tools=True, tool_choice=True, json=True, json_schema=True)


def test_what_can_be_carried_is_left_alone() -> None:
    assert carried(FULL, ALL) == (FULL, ())
    assert carried(FULL, ALL)[0] is FULL


@pytest.mark.parametrize(
    ("lacks", "changes", "warnings"),
    [
        ({"tools": False}, {"tools": (), "tool_choice": None}, ["has no tools"]),
        ({"tool_choice": False}, {"tool_choice": None}, ["which tool to use"]),
        (
            {"images": False},
            {"messages": (Message("user", "look"), Message("user", "well?"))},
            ["cannot see images"],
        ),
        ({"json_schema": False}, {"response_format": ResponseFormat("json")}, ["JSON schema"]),
        ({"json_schema": False, "json": False}, {"response_format": None}, ["JSON schema"]),
        (
            {"params": frozenset({"temperature"})},
            {"params": {"temperature": 0.5}},
            ["no parameter 'seed'"],
        ),
    ],
)
def test_what_cannot_is_left_out_with_a_warning(
    lacks: dict[str, Any], changes: dict[str, Any], warnings: list[str]
) -> None:
    request, said = carried(FULL, replace(ALL, **lacks))

    assert request == replace(FULL, **changes)
    assert len(said) == len(warnings)
    assert all(words in sentence for words, sentence in zip(warnings, said, strict=True))


def test_plain_json_needs_its_own_capability() -> None:
    asked = replace(FULL, response_format=ResponseFormat("json"))
    request, said = carried(asked, replace(ALL, json=False))

    assert request.response_format is None
    assert "cannot be asked for JSON" in said[0]
    text = replace(FULL, response_format=ResponseFormat())
    assert carried(text, replace(ALL, json=False))[0] is text


sums = st.integers(0, 60).map(lambda cents: Decimal(cents) / 100)


@given(attempts=st.lists(st.tuples(sums, st.integers(0, 4), st.booleans()), max_size=12))
def test_an_execution_never_costs_more_than_its_cap(
    attempts: list[tuple[Decimal, int, bool]],
) -> None:
    cap, used = CostCap(Decimal(1)), Decimal(0)
    for ceiling, share, is_known in attempts:
        if used + ceiling > 1:
            with pytest.raises(CostCapExceededError):
                cap.reserve(ceiling)
            continue
        cap.reserve(ceiling)
        cost = ceiling * share / 4
        cap.settle(ceiling, cost if is_known else None)
        used += cost if is_known else ceiling
        assert cap.used_usd == used <= 1


def test_a_cap_allows_no_unknown_price_and_no_cap_allows_all() -> None:
    with pytest.raises(CostCapExceededError, match="unknown sum"):
        CostCap(Decimal(1)).reserve(None)
    free = CostCap()
    free.reserve(None)
    free.settle(None, Decimal("0.5"))
    assert free.used_usd == Decimal("0.5")


@pytest.mark.parametrize("bad", [0.5, Decimal(-1), Decimal("nan")])
def test_impossible_caps_are_refused(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="cost cap"):
        CostCap(bad)
