"""What a route asks of a context, and what it adds to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import msgspec
import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.context_errors import (
    ContextSchemaError,
    EnrichmentError,
    TemplateFieldError,
)
from stratarouter_runtime.errors import ExecutionTimeoutError, InvalidContextError
from stratarouter_runtime.execution.context_rules import ContextSchema
from stratarouter_runtime.testing import EchoHandler, ScriptedClient, make_decision


class AsStruct(msgspec.Struct):
    user_name: str
    tier: int | None = None


@dataclass
class AsDataclass:
    user_name: str
    tier: int | None = None


class AsDictionary(TypedDict):
    user_name: str


SCHEMAS = [{"user_name": str, "tier": int | None}, AsStruct, AsDataclass, AsDictionary]


# Schemas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", SCHEMAS, ids=["mapping", "struct", "dataclass", "typed dict"])
def test_a_context_has_the_fields_that_are_asked_for(schema: Any) -> None:
    found = ContextSchema.of(schema)
    found.check({"user_name": "Ann", "anything": object()}, "billing")
    with pytest.raises(ContextSchemaError, match="route 'billing'") as caught:
        found.check({"tier": 1}, "billing")
    assert caught.value.field == "user_name"
    with pytest.raises(ContextSchemaError, match="Expected `str`") as caught:
        found.check({"user_name": 7}, None)
    assert (caught.value.field, caught.value.route_id) == ("user_name", None)


def test_bounds_and_names_of_any_kind_are_kept() -> None:
    short = Annotated[str, msgspec.Meta(max_length=3)]
    schema = ContextSchema.of({"user-id": short, "db": EchoHandler})
    schema.check({"user-id": "abc", "db": EchoHandler()}, "r")
    with pytest.raises(ContextSchemaError) as caught:
        schema.check({"user-id": "abcd", "db": EchoHandler()}, "r")
    assert caught.value.field == "user-id"
    with pytest.raises(ContextSchemaError):
        schema.check({"user-id": "abc", "db": 1}, "r")


@pytest.mark.parametrize(
    "schema", ["str", 7, {"type": "object"}, {1: str}, {"a": "str"}, [("a", str)]], ids=repr
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidInputError, match="context_schema="):
        ContextSchema.of(schema)


async def test_a_context_that_does_not_fit_reaches_nobody() -> None:
    handler = EchoHandler()
    enriched: list[str] = []
    async with CoreRuntimeBridge() as bridge:
        bridge.bind(
            "billing",
            handler,
            context_schema={"user_name": str},
            enrich=enriched.append,
        )
        with pytest.raises(ContextSchemaError, match="'user_name'"):
            await bridge.execute(make_decision())

    assert (handler.calls, enriched) == ([], [])


# Enrichment -------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_handlers_see_the_fields_that_are_added(is_async: bool) -> None:
    def plain(query: str, context: Any) -> dict[str, Any]:
        return {"plan": f"{context['user_id']}/{query}", "locale": "de"}

    async def awaited(query: str, context: Any) -> dict[str, Any]:
        return plain(query, context)

    handler = EchoHandler()
    given = {"user_id": "ann", "locale": "en"}
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", handler, enrich=awaited if is_async else plain)
        await bridge.execute(make_decision("billing", "q"), given)

    assert handler.calls == [("q", {"user_id": "ann", "locale": "de", "plan": "ann/q"})]
    assert given == {"user_id": "ann", "locale": "en"}


async def test_prompts_use_the_context_and_what_is_added() -> None:
    client = ScriptedClient(["ok"])
    async with CoreRuntimeBridge() as bridge:
        bridge.bind(
            "billing",
            client=client,
            system="You help {user_name}, plan {plan}. Answer as {{json}}.",
            prompt="<q>{query}</q>",
            enrich=lambda query: {"plan": "gold"},
        )
        await bridge.execute(make_decision("billing", "why {plan}?"), {"user_name": "Ann"})

    assert [message.text for message in client.requests[0].messages] == [
        "You help Ann, plan gold. Answer as {json}.",
        "<q>why {plan}?</q>",
    ]


async def test_a_field_that_is_missing_is_told_before_any_call() -> None:
    client = ScriptedClient(["ok"])
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client, system="You help {user_name}.")
        with pytest.raises(TemplateFieldError, match="user_name"):
            await bridge.execute(make_decision(), {"user": "Ann"})

    assert client.calls == 0


async def test_answers_are_kept_by_the_fields_that_changed_them() -> None:
    client = ScriptedClient(["ok"])
    plans = iter(["gold", "gold", "tin", "tin"])
    async with CoreRuntimeBridge() as bridge:
        bridge.bind(
            "billing",
            client=client,
            system="You help {user_name}.",
            enrich=lambda query: {"plan": next(plans)},
        )
        hits = [
            (await bridge.execute(make_decision(), {"user_name": name, "request": n})).cache_hit
            for n, name in enumerate(["Ann", "Ann", "Ann", "Bob"])
        ]

    assert hits == [False, True, False, False]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda query: 1 // 0, "raised ZeroDivisionError: "),
        (lambda query: None, "must return a mapping of fields, got a NoneType"),
        (lambda query: {1: 2}, "must name fields with texts, got 1"),
    ],
)
async def test_what_goes_wrong_is_told_by_route(function: Any, message: str) -> None:
    handler = EchoHandler()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", handler, enrich=function)
        with pytest.raises(EnrichmentError, match="enrich= of route 'billing'") as caught:
            await bridge.execute(make_decision())

    assert message in str(caught.value)
    assert (caught.value.route_id, handler.calls) == ("billing", [])


async def test_nobody_becomes_somebody_else() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", EchoHandler(), enrich=lambda query: {"user_id": "bob"})
        with pytest.raises(InvalidContextError, match="may not change 'user_id'"):
            await bridge.execute(make_decision(), {"user_id": "ann"})

        result = await bridge.execute(make_decision(), {"user_id": "bob"})

    assert result.response == "Where's my invoice?"


async def test_enrichment_has_until_the_deadline() -> None:
    async def never(query: str) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", EchoHandler(), enrich=never)
        with pytest.raises(ExecutionTimeoutError, match="enrich= of route 'billing'"):
            await bridge.execute(make_decision(), timeout_s=0.01)


async def test_what_cannot_be_called_is_refused_when_it_is_bound() -> None:
    bridge = CoreRuntimeBridge()
    with pytest.raises(InvalidInputError, match="enrich= must"):
        bridge.bind("billing", EchoHandler(), enrich=lambda: None)
    with pytest.raises(InvalidInputError, match="context_schema="):
        bridge.bind("billing", EchoHandler(), context_schema="user_id")  # type: ignore[arg-type]
