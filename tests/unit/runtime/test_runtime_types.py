"""Partitions, results and the other values that users hold."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from stratarouter_runtime.conversation import Message, Usage
from stratarouter_runtime.errors import InvalidContextError
from stratarouter_runtime.testing import make_decision
from stratarouter_runtime.types import ANONYMOUS, ExecutionResult, Partition


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (None, ANONYMOUS),
        ({}, ANONYMOUS),
        ({"locale": "de"}, ANONYMOUS),
        ({"user_id": None, "tenant_id": None}, ANONYMOUS),
        ({"user_id": "u1"}, Partition(user="u1")),
        ({"user_id": 7}, Partition(user="7")),
        ({"tenant_id": "t"}, Partition("t")),
        ({"org_id": "t"}, Partition("t")),
        ({"org_id": "t", "tenant_id": "t", "user_id": "u"}, Partition("t", "u")),
        ({"tenant_id": "t", "org_id": None, "user_id": "u"}, Partition("t", "u")),
        ({"session_id": "s"}, Partition(user="s", user_kind="session")),
        ({"tenant_id": "t", "session_id": "s"}, Partition("t", "s", "session")),
        ({"user_id": "u", "session_id": "s"}, Partition(user="u")),
        ({"tenant_id": 0}, Partition("0")),
    ],
)
def test_a_context_names_its_narrowest_identity(
    context: dict[str, Any] | None, expected: Partition
) -> None:
    assert Partition.from_context(context) == expected


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"tenant_id": "a", "org_id": "b"}, "differ"),
        ({"user_id": ""}, "blank"),
        ({"session_id": "  "}, "blank"),
        ({"user_id": True}, "bool"),
        ({"user_id": 1.5}, "float"),
        ({"tenant_id": ["a"]}, "list"),
        ({"user_id": "x" * 513}, "at most 512"),
    ],
)
def test_unusable_identities_are_refused(context: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidContextError, match=message):
        Partition.from_context(context)


def test_different_owners_have_different_keys() -> None:
    owners = [
        ANONYMOUS,
        Partition("a"),
        Partition(user="a"),
        Partition(user="a", user_kind="session"),
        Partition("a", "b"),
        Partition("a", "b", "session"),
        Partition("ab"),
        Partition(user="ab"),
        Partition('a", "b'),
        Partition("None"),
        Partition(user="None"),
    ]

    assert len({owner.key for owner in owners}) == len(owners)
    assert len(set(owners)) == len(owners)


def test_widening_never_leaves_the_tenant() -> None:
    user = Partition("t", "u")

    assert user.widened("user") == user
    assert user.widened("tenant") == Partition("t")
    assert Partition("t", "s", "session").widened("tenant") == Partition("t")
    assert Partition("t").widened("tenant") == Partition("t")
    assert user.widened("global") == ANONYMOUS


def test_without_a_tenant_the_tenant_scope_stays_with_the_user() -> None:
    assert Partition(user="u").widened("tenant") == Partition(user="u")


def test_a_result_has_the_published_shape() -> None:
    result = ExecutionResult(
        route_id="billing",
        response="Here is your invoice",
        latency_ms=312.4,
        cost_usd=0.0021,
        provider="openai",
        metadata={"model": "gpt-4", "tokens_used": 180},
        decision=make_decision(),
    )
    published = {
        "route_id": "billing",
        "response": "Here is your invoice",
        "cache_hit": False,
        "latency_ms": 312.4,
        "cost_usd": 0.0021,
        "provider": "openai",
        "metadata": {"model": "gpt-4", "tokens_used": 180},
    }

    assert published.items() <= result.to_dict().items()
    assert list(result.to_dict())[: len(published)] == list(published)
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


def test_a_result_gives_away_all_its_fields_but_the_decision() -> None:
    names = {entry.name for entry in fields(ExecutionResult)} - {"decision"}

    assert set(ExecutionResult(route_id=None, response=None).to_dict()) == names


def test_a_result_is_immutable_and_its_dict_a_copy() -> None:
    result = ExecutionResult(route_id="a", response="b", metadata={"model": None})
    result.to_dict()["metadata"]["model"] = "changed"

    assert result.metadata == {"model": None}
    with pytest.raises(FrozenInstanceError):
        result.response = "c"  # type: ignore[misc]


def test_the_decision_stays_out_of_the_repr() -> None:
    result = ExecutionResult(route_id="a", response="b", decision=make_decision(query="secret"))

    assert "secret" not in repr(result)


def test_a_stand_in_is_called_fallback() -> None:
    assert ExecutionResult(route_id=None, response="b", reason="fallback").fallback
    assert not ExecutionResult(route_id=None, response=None, reason="no_route").fallback


def test_small_values_add_up() -> None:
    assert Usage(input_tokens=2, output_tokens=3).total_tokens == 5
    assert Message("user", "hi").to_dict() == {"role": "user", "content": "hi"}
