"""From a request to a plan: what is executed, for whom, under which name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.conversation import Message
from stratarouter_runtime.errors import InvalidContextError
from stratarouter_runtime.execution.binding_options import make_binding
from stratarouter_runtime.execution.bindings import BindingTable
from stratarouter_runtime.execution.deadline import Deadline
from stratarouter_runtime.execution_request import ExecutionRequest, make_request
from stratarouter_runtime.planning import ExecutionPlan, Planner, ProviderCall
from stratarouter_runtime.providers.bound_clients import BoundClients
from stratarouter_runtime.providers.registry import LLMClientRegistry
from stratarouter_runtime.testing import EchoClient, EchoHandler, make_decision
from stratarouter_runtime.types import ANONYMOUS, Partition

if TYPE_CHECKING:
    from collections.abc import Mapping

HANDLER = EchoHandler()


def request(
    subject: Any = None,
    context: Mapping[str, Any] | None = None,
    *,
    query: str | None = None,
    decision: Any = None,
) -> ExecutionRequest:
    return make_request(
        subject,
        context,
        query=query,
        decision=decision,
        embedding=None,
        execution_id="exec-1",
        started_s=0.0,
        deadline=Deadline.after(60.0, 0.0),
    )


def plan(
    context: Mapping[str, Any] | None = None,
    *,
    query: str = "q",
    route_id: str = "billing",
    encoder_id: str | None = None,
    handler: bool = False,
    table: BindingTable | None = None,
    clients: BoundClients | None = None,
    config: RuntimeConfig | None = None,
    **options: Any,
) -> ExecutionPlan:
    if table is None:
        table = BindingTable()
        target = {} if handler else {"provider": "p"}
        binding = make_binding(
            route_id, HANDLER if handler else None, 0, **{"cacheable": True, **target, **options}
        )
        table.add(route_id, binding, replace=False)
    planner = Planner(
        RuntimeConfig() if config is None else config,
        table,
        no_clients() if clients is None else clients,
    )
    decision = make_decision(route_id, query)
    return planned(planner, request(decision, context), encoder_id)


def planned(
    planner: Planner, asked: ExecutionRequest, encoder_id: str | None = None
) -> ExecutionPlan:
    assert asked.decision is not None
    binding, is_own = planner.resolve(asked.decision)
    assert binding is not None
    return planner.plan(
        asked, asked.decision, binding, is_own=is_own, encoder_id=encoder_id, now_s=0.0
    )


def no_clients() -> BoundClients:
    return BoundClients(LLMClientRegistry())


# Requests ---------------------------------------------------------------------------------------


def test_decision_and_query_are_told_apart_by_type() -> None:
    decision = make_decision("billing", "from the decision")

    assert request(decision).query == "from the decision"
    assert request(decision).decision is decision
    assert request("a text").query == "a text"
    assert request("a text").decision is None
    assert request(query="a text").query == "a text"
    assert request(decision=decision).decision is decision


def test_an_explicit_query_replaces_that_of_the_decision() -> None:
    assert request(make_decision("billing", "short"), query="the long version").query == (
        "the long version"
    )


def test_the_same_thing_twice_is_fine_if_equal() -> None:
    decision = make_decision()

    assert request(decision, decision=decision).decision is decision
    assert request("q", query="q").query == "q"


@pytest.mark.parametrize(
    ("subject", "options", "message"),
    [
        (None, {}, "no query text"),
        ("  ", {}, "no query text"),
        (make_decision("billing", None), {}, "no query text"),
        (make_decision("billing", ""), {}, "no query text"),
        (make_decision(), {"query": " "}, "no query text"),
        (7, {}, "got a int"),
        ({"route_id": "billing"}, {}, "got a dict"),
        ("q", {"query": "other"}, "query is given twice"),
        (make_decision(), {"decision": make_decision()}, "decision is given twice"),
        (None, {"decision": "billing", "query": "q"}, "decision must be a RouteResult"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    subject: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        request(subject, **options)


@pytest.mark.parametrize("context", ["user-1", ["user_id"], 7, {1: "a"}])
def test_a_context_is_a_mapping_with_texts_as_keys(context: Any) -> None:
    with pytest.raises(InvalidContextError):
        request("q", context)


def test_the_context_says_whose_execution_it_is() -> None:
    assert request("q").partition == ANONYMOUS
    assert request("q", {"org_id": "acme", "user_id": 7}).partition == Partition("acme", "7")


# Plans ------------------------------------------------------------------------------------------


def test_a_provider_is_asked_with_system_model_and_parameters() -> None:
    made = plan(query="hi", system="be brief", model="m", params={"top_p": 0.5})

    assert isinstance(made.call, ProviderCall)
    assert made.call.request.messages == (Message("system", "be brief"), Message("user", "hi"))
    assert (made.call.request.model, made.call.request.params) == ("m", {"top_p": 0.5})
    assert made.what == "provider 'p'"


def test_nobody_to_answer_is_no_plan() -> None:
    planner = Planner(RuntimeConfig(), BindingTable(), no_clients())

    assert planner.resolve(make_decision(None)) == (None, False)


def test_nothing_is_named_that_may_not_be_kept() -> None:
    assert plan(cacheable=False).cache_key is None
    assert plan(handler=True, cacheable=None).cache_key is None
    assert plan(config=RuntimeConfig(cache_enabled=False)).cache_key is None
    assert plan().cache_key is not None


@pytest.mark.parametrize(
    "change",
    [
        {"query": "Q"},
        {"route_id": "support"},
        {"encoder_id": "hashing:384"},
        {"model": "m"},
        {"system": "s"},
        {"params": {"top_p": 0.5}},
        {"provider": "other"},
        {"handler": True},
        {"cache_scope": "tenant"},
    ],
    ids=str,
)
def test_names_change_with_what_changes_the_answer(change: dict[str, Any]) -> None:
    assert plan(**change).cache_key != plan().cache_key


def test_a_handlers_answer_may_depend_on_anything_in_the_context() -> None:
    names = [
        plan(context, handler=True).cache_key
        for context in ({}, {"locale": "de"}, {"locale": "en"}, {"locale": "de", "tier": 1})
    ]

    assert len(set(names)) == 4


def test_a_providers_answer_does_not_depend_on_what_it_never_sees() -> None:
    assert plan({"request_id": "1"}).cache_key == plan({"request_id": "2"}).cache_key


def test_identities_are_in_the_partition_and_not_in_the_name() -> None:
    ann = plan({"org_id": "acme", "user_id": "ann"}, handler=True)
    bob = plan({"tenant_id": "acme", "user_id": "bob"}, handler=True)

    assert ann.cache_key == bob.cache_key
    assert (ann.partition, bob.partition) == (Partition("acme", "ann"), Partition("acme", "bob"))


def test_the_session_of_a_user_counts_for_handlers() -> None:
    first = plan({"user_id": "ann", "session_id": "1"}, handler=True)
    second = plan({"user_id": "ann", "session_id": "2"}, handler=True)

    assert first.partition == second.partition
    assert first.cache_key != second.cache_key


def test_a_wider_scope_leaves_the_narrower_identities_out() -> None:
    ann = plan({"org_id": "acme", "session_id": "1"}, handler=True, cache_scope="tenant")
    bob = plan({"org_id": "acme", "user_id": "bob"}, handler=True, cache_scope="tenant")

    assert (ann.partition, ann.cache_key) == (bob.partition, bob.cache_key)
    assert ann.partition == Partition("acme")


def test_the_scope_of_the_configuration_holds_unless_the_route_says_otherwise() -> None:
    config = RuntimeConfig(cache_scope="global")
    context = {"user_id": "ann"}

    assert plan(context, config=config).partition == ANONYMOUS
    assert plan(context, config=config, cache_scope="user").partition == Partition(user="ann")


def test_a_context_without_json_form_is_not_kept_and_says_so() -> None:
    made = plan({"db": object()}, handler=True)

    assert made.cache_key is None
    assert made.warnings[0].startswith("not cached, because the context is no JSON data")
    assert plan({"db": object()}).cache_key is not None


def test_a_replaced_target_or_client_does_not_inherit_answers() -> None:
    table, clients = BindingTable(), no_clients()
    clients.register("p", EchoClient(), replace=False)
    table.add("billing", make_binding("billing", None, 0, provider="p"), replace=False)
    names = [plan(table=table, clients=clients).cache_key]
    table.add("billing", make_binding("billing", None, 1, provider="p"), replace=True)
    names.append(plan(table=table, clients=clients).cache_key)
    clients.register("p", EchoClient(), replace=True)
    names.append(plan(table=table, clients=clients).cache_key)

    assert len(set(names)) == 3


def test_a_planner_notices_replacements_between_two_plans() -> None:
    table, clients = BindingTable(), no_clients()
    clients.register("p", EchoClient(), replace=False)
    clients.register("q", EchoClient(), replace=False)
    binding = make_binding("billing", None, 0, provider="p", fallback="q/m")
    table.add("billing", binding, replace=False)
    planner = Planner(RuntimeConfig(), table, clients)

    def name(encoder_id: str | None = None) -> str | None:
        return planned(planner, request(make_decision()), encoder_id).cache_key

    first = name()
    assert name() == first
    assert name("other encoder") != first
    clients.register("q", EchoClient(), replace=True)
    second = name()
    assert second != first
    clients.register("p", EchoClient(), replace=True)
    assert name() not in (first, second)


def test_decisions_about_unknown_routes_leave_nothing_behind() -> None:
    table = BindingTable("p")
    planner = Planner(RuntimeConfig(), table, no_clients())
    for index in range(100):
        planned(planner, request(make_decision(f"made-up-{index}")))

    assert planner._prefixes == {}
