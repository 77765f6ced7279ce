"""Who answers what: targets, stand-ins, clients, replacements."""

from __future__ import annotations

from typing import Any

import pytest

from stratarouter.errors import ConfigurationError, InvalidInputError
from stratarouter_runtime.errors import (
    DuplicateBindingError,
    UnboundRouteError,
    UncacheableValueError,
)
from stratarouter_runtime.execution.binding_options import make_binding
from stratarouter_runtime.execution.bindings import Binding, BindingTable, ProviderTarget
from stratarouter_runtime.execution.handlers import Handler
from stratarouter_runtime.policies.templates import PromptTemplate
from stratarouter_runtime.testing import EchoClient, EchoHandler


def provider_of(binding: Binding | None) -> str:
    assert binding is not None
    assert isinstance(binding.target, ProviderTarget)
    return binding.target.provider


def table(
    *bound: str, default_provider: str | None = None, providers: tuple[str, ...] = ()
) -> BindingTable:
    made = BindingTable(default_provider, lambda: providers)
    for route_id in bound:
        made.add(route_id, make_binding(route_id, EchoHandler(), 0), replace=False)
    return made


def test_handlers_are_not_cacheable_unless_said() -> None:
    assert not make_binding("r", EchoHandler(), 0).cacheable
    assert make_binding("r", EchoHandler(), 0, cacheable=True).cacheable
    assert make_binding("r", EchoHandler(), 0, idempotent=True).idempotent


def test_providers_are_cacheable_unless_said() -> None:
    assert make_binding("r", None, 0, provider="openai").cacheable
    assert not make_binding("r", None, 0, provider="openai", cacheable=False).cacheable


def test_a_target_keeps_what_was_said_about_it() -> None:
    binding = make_binding(
        "r", None, 2, provider="p", model="m", system="s", params={"top_p": 1}, cache_scope="tenant"
    )

    assert binding.target == ProviderTarget(
        provider="p", model="m", system=PromptTemplate.parse("s"), params={"top_p": 1}
    )
    assert (binding.cache_scope, binding.generation) == ("tenant", 2)
    assert isinstance(make_binding("r", EchoHandler(), 0).target, Handler)


def test_a_client_is_called_by_its_name_or_class() -> None:
    class Mine(EchoClient):
        name = ""

    assert provider_of(make_binding("r", None, 0, client=EchoClient())) == "echo"
    assert provider_of(make_binding("r", None, 0, client=Mine())) == "Mine"
    assert provider_of(make_binding("r", None, 0, client=EchoClient(), provider="p")) == "p"


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (None, {}, "one of them"),
        (EchoHandler(), {"provider": "openai"}, "one of them"),
        (EchoHandler(), {"client": EchoClient()}, "one of them"),
        (EchoHandler(), {"model": "gpt-4o"}, "model= is for providers"),
        (EchoHandler(), {"params": {}}, "params= is for providers"),
        (None, {"provider": "  "}, "non-empty name"),
        (None, {"client": object()}, "async def complete"),
        (None, {"provider": "p", "modle": "m"}, "does not know modle=; did you mean 'model'"),
        (None, {"client": EchoClient}, "async def complete"),
    ],
)
def test_bindings_that_make_no_sense_are_refused(
    function: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make_binding("r", function, 0, **options)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cache_scope"):
        make_binding("r", EchoHandler(), 0, cache_scope="world")  # type: ignore[arg-type]


def test_parameters_must_have_a_name_in_json() -> None:
    with pytest.raises(UncacheableValueError):
        make_binding("r", None, 0, provider="p", params={"stop": object()})


def test_a_route_is_bound_once() -> None:
    made = table("billing")
    again = make_binding("billing", EchoHandler(), made.generation("billing"))
    with pytest.raises(DuplicateBindingError, match="route 'billing'"):
        made.add("billing", again, replace=False)
    made.add("billing", again, replace=True)

    assert made.resolve("billing") == (again, True)
    assert (made.generation("billing"), made.generation("support")) == (2, 0)
    assert "billing" in made
    assert made.routes == ("billing",)


def test_an_unbound_route_says_how_to_bind_it() -> None:
    with pytest.raises(UnboundRouteError, match="did you mean 'billing'"):
        table("billing").resolve("biling")


def test_the_only_client_stands_in_for_unbound_routes() -> None:
    binding, is_own = table(providers=("echo",)).resolve("billing")
    assert (provider_of(binding), is_own) == ("echo", False)

    with pytest.raises(UnboundRouteError):
        table(providers=("echo", "other")).resolve("billing")


def test_the_default_provider_stands_in_before_the_only_client() -> None:
    made = table(default_provider="openai", providers=("echo",))

    assert provider_of(made.resolve("billing")[0]) == "openai"
    assert provider_of(made.resolve(None)[0]) == "openai"


def test_without_a_route_the_only_client_does_not_answer() -> None:
    assert table(providers=("echo",)).resolve(None) == (None, False)


def test_the_fallback_answers_queries_without_a_route_only() -> None:
    made = table(default_provider="openai")
    fallback = make_binding(None, EchoHandler(), 0)
    made.add(None, fallback, replace=False)

    assert made.resolve(None) == (fallback, False)
    assert provider_of(made.resolve("billing")[0]) == "openai"
    with pytest.raises(DuplicateBindingError, match="fallback"):
        made.add(None, fallback, replace=False)


def test_identities_differ_with_everything_that_matters() -> None:
    options: list[dict[str, Any]] = [
        {"provider": "p"},
        {"provider": "q"},
        {"provider": "p", "model": "m"},
        {"provider": "p", "system": "s"},
        {"provider": "p", "params": {"top_p": 1}},
    ]
    bindings = [make_binding("r", None, 0, **entry) for entry in options]
    bindings += [make_binding("r", None, 1, provider="p"), make_binding("r", EchoHandler(), 0)]
    identities = [str(binding.identity()) for binding in bindings]

    assert len(set(identities)) == len(identities)
