"""The bridge: how it is made, bound and asked, and what it answers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stratarouter.errors import (
    ConfigurationError,
    EncoderRequiredError,
    EncodingError,
    InvalidInputError,
    RouteNotFoundError,
)
from stratarouter.types import Route
from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.conversation import Completion, Message, Usage
from stratarouter_runtime.errors import (
    DuplicateBindingError,
    HandlerError,
    InvalidContextError,
    ProviderError,
    UnboundRouteError,
    UnknownProviderError,
)
from stratarouter_runtime.testing import (
    EchoClient,
    EchoHandler,
    FixedRouter,
    ScriptedClient,
    TinyEncoder,
    make_decision,
)

if TYPE_CHECKING:
    from stratarouter.types import RouteResult

# Making -----------------------------------------------------------------------------------------


def test_a_bridge_needs_nothing() -> None:
    bridge = CoreRuntimeBridge()

    assert bridge.config == RuntimeConfig()
    assert bridge.core_router is None
    assert (bridge.bound_routes, bridge.providers, bridge.closed) == ((), (), False)


def test_the_first_argument_is_settings_or_a_router() -> None:
    config, router = RuntimeConfig(cache_ttl=5), FixedRouter("billing")

    assert CoreRuntimeBridge(config).config is config
    assert CoreRuntimeBridge(router).core_router is router
    both = CoreRuntimeBridge(config, core_router=router)
    assert (both.config, both.core_router) == (config, router)
    named = CoreRuntimeBridge(router, runtime_config=config)
    assert (named.config, named.core_router) == (config, router)
    published = CoreRuntimeBridge(core_router=router, runtime_config=config)
    assert (published.config, published.core_router) == (config, router)


def test_two_names_of_one_thing_must_agree() -> None:
    CoreRuntimeBridge(RuntimeConfig(cache_ttl=5), runtime_config=RuntimeConfig(cache_ttl=5))
    with pytest.raises(ConfigurationError, match="runtime_config is given twice"):
        CoreRuntimeBridge(RuntimeConfig(cache_ttl=5), runtime_config=RuntimeConfig())
    with pytest.raises(ConfigurationError, match="core_router is given twice"):
        CoreRuntimeBridge(FixedRouter("a"), core_router=FixedRouter("a"))
    with pytest.raises(ConfigurationError, match="default_provider is given twice"):
        CoreRuntimeBridge(RuntimeConfig(default_provider="a"), default_provider="b")


@pytest.mark.parametrize("value", [{"cache_enabled": True}, "config.toml", 5])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="expected a RuntimeConfig, or a router"):
        CoreRuntimeBridge(value)
    with pytest.raises(InvalidInputError, match="expected a RuntimeConfig, or a router"):
        CoreRuntimeBridge(core_router=value)


def test_switching_the_cache_off_leaves_none() -> None:
    assert CoreRuntimeBridge(RuntimeConfig(cache_enabled=False)).cache is None
    assert CoreRuntimeBridge().cache is not None


# Binding ----------------------------------------------------------------------------------------


def test_only_routes_of_the_router_can_be_bound() -> None:
    bridge = CoreRuntimeBridge(FixedRouter("billing", "support"))
    bridge.bind("billing", EchoHandler())
    bridge.bind(Route("support", description="x"), handler=EchoHandler())

    assert bridge.bound_routes == ("billing", "support")
    with pytest.raises(RouteNotFoundError, match="did you mean 'billing'"):
        bridge.bind("biling", EchoHandler())


def test_without_a_router_any_route_can_be_bound() -> None:
    bridge = CoreRuntimeBridge()
    bridge.bind("anything", EchoHandler())

    assert bridge.bound_routes == ("anything",)


def test_a_route_is_bound_once_unless_replaced() -> None:
    bridge = CoreRuntimeBridge()
    bridge.bind("billing", EchoHandler())
    with pytest.raises(DuplicateBindingError):
        bridge.bind("billing", EchoHandler())
    bridge.bind("billing", EchoHandler(), replace=True)
    bridge.bind_fallback(EchoHandler())
    with pytest.raises(DuplicateBindingError):
        bridge.bind_fallback(EchoHandler())


@pytest.mark.parametrize("route", ["", "  ", None, 5])
def test_a_route_id_is_a_text(route: Any) -> None:
    with pytest.raises(InvalidInputError, match="a route id must be"):
        CoreRuntimeBridge().bind(route, EchoHandler())


def test_clients_need_a_name_and_a_method() -> None:
    bridge = CoreRuntimeBridge()
    with pytest.raises(InvalidInputError, match="the name of a provider"):
        bridge.register_client("", EchoClient())
    with pytest.raises(InvalidInputError, match="async def complete"):
        bridge.register_client("echo", object())  # type: ignore[arg-type]
    bridge.register_client("echo", EchoClient())

    assert bridge.providers == ("echo",)


# Executing --------------------------------------------------------------------------------------


async def test_a_decision_is_carried_out_by_its_handler() -> None:
    handler = EchoHandler()
    decision = make_decision("billing", "my invoice?", confidence=0.8)
    async with CoreRuntimeBridge(new_id=lambda: "exec-1") as bridge:
        bridge.bind("billing", handler)
        result = await bridge.execute(decision, context={"user_id": "ann", "locale": "de"})

    assert handler.calls == [("my invoice?", {"user_id": "ann", "locale": "de"})]
    assert (result.route_id, result.response, result.execution_id) == (
        "billing",
        "my invoice?",
        "exec-1",
    )
    assert (result.cache_hit, result.provider, result.cost_usd) == (False, None, 0.0)
    assert result.metadata == {"model": None, "tokens_used": 0}
    assert (result.confidence, result.reason, result.warnings) == (0.8, "executed", ())
    assert result.decision is decision
    assert result.latency_ms > 0.0


async def test_a_query_is_routed_with_a_vector_first() -> None:
    router = FixedRouter("billing", "support")
    async with CoreRuntimeBridge(router) as bridge:
        for route_id in ("billing", "support"):
            bridge.bind(route_id, EchoHandler())
        by_name = await bridge.execute(query="support please", context={"user_id": "ann"})
        by_position = await bridge.execute("billing please")

    assert (by_name.route_id, by_position.route_id) == ("support", "billing")
    assert [query for query, _ in router.queries] == ["support please", "billing please"]
    assert all(vector is not None and vector.shape == (4,) for _, vector in router.queries)


async def test_only_the_first_query_is_routed_in_a_thread() -> None:
    threads = []

    class Watched(FixedRouter):
        def route(self, query: str, embedding: Any = None, k: int | None = None) -> RouteResult:
            threads.append(threading.current_thread())
            return super().route(query, embedding, k)

    async with CoreRuntimeBridge(Watched("billing")) as bridge:
        bridge.bind("billing", EchoHandler())
        for _ in range(3):
            await bridge.execute("q", embedding=[1, 0, 0, 0])

    main = threading.main_thread()
    assert [thread is main for thread in threads] == [False, True, True]


async def test_a_vector_of_the_caller_is_used_instead_of_the_encoder() -> None:
    encoder = TinyEncoder()
    router = FixedRouter("billing", encoder=encoder)
    vector = np.eye(4, dtype=np.float32)[1]
    async with CoreRuntimeBridge(router) as bridge:
        bridge.bind("billing", EchoHandler())
        await bridge.execute(query="q", embedding=vector)

    assert encoder.calls == 0
    assert router.queries[0][1] is vector


async def test_an_async_encoder_is_awaited() -> None:
    class AsyncEncoder(TinyEncoder):
        async def aencode(self, texts: list[str]) -> Any:
            return super().encode(texts)

        def encode(self, texts: Any) -> Any:
            raise AssertionError("the other one is to be used")

    async with CoreRuntimeBridge(FixedRouter("billing", encoder=AsyncEncoder())) as bridge:
        bridge.bind("billing", EchoHandler())

        assert (await bridge.execute("q")).route_id == "billing"


async def test_a_router_without_encoder_needs_a_vector() -> None:
    router = FixedRouter("billing")
    router.encoder = None
    async with CoreRuntimeBridge(router) as bridge:
        bridge.bind("billing", EchoHandler())
        with pytest.raises(EncoderRequiredError, match="embedding="):
            await bridge.execute("q")

        assert (await bridge.execute("q", embedding=[1, 0, 0, 0])).route_id == "billing"


async def test_a_failing_encoder_is_named() -> None:
    class Broken(TinyEncoder):
        def encode(self, texts: Any) -> Any:
            raise OSError("no model")

    async with CoreRuntimeBridge(FixedRouter("billing", encoder=Broken())) as bridge:
        bridge.bind("billing", EchoHandler())
        with pytest.raises(EncodingError, match="OSError: no model"):
            await bridge.execute("q")


async def test_a_query_needs_a_router() -> None:
    async with CoreRuntimeBridge() as bridge:
        with pytest.raises(ConfigurationError, match="core_router"):
            await bridge.execute(query="q")


async def test_a_provider_answers_with_model_tokens_and_cost() -> None:
    completion = Completion(
        content="Here is your invoice",
        model="gpt-4",
        usage=Usage(input_tokens=100, output_tokens=80),
        cost_usd=0.0021,
    )
    client = ScriptedClient([completion])
    async with CoreRuntimeBridge() as bridge:
        bridge.register_client("openai", client)
        bridge.bind("billing", provider="openai", model="gpt-4", system="Be brief.")
        result = await bridge.execute(make_decision("billing", "my invoice?"))

    assert client.requests[0].messages == (
        Message("system", "Be brief."),
        Message("user", "my invoice?"),
    )
    assert client.requests[0].model == "gpt-4"
    assert (result.response, result.provider) == ("Here is your invoice", "openai")
    assert (result.cost_usd, result.metadata) == (0.0021, {"model": "gpt-4", "tokens_used": 180})


async def test_a_client_can_be_bound_without_registering() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=EchoClient())
        result = await bridge.execute(make_decision())

    assert (result.provider, result.reason) == ("echo", "executed")


async def test_a_provider_may_be_registered_after_it_was_bound() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", provider="openai")
        with pytest.raises(UnknownProviderError, match="register_client"):
            await bridge.execute(make_decision())
        bridge.register_client("openai", EchoClient())

        assert (await bridge.execute(make_decision())).provider == "openai"


async def test_an_unbound_route_says_how_to_bind_it() -> None:
    async with CoreRuntimeBridge() as bridge:
        with pytest.raises(UnboundRouteError, match=r"bridge\.bind"):
            await bridge.execute(make_decision())


async def test_the_only_client_answers_unbound_routes() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.register_client("echo", EchoClient())
        result = await bridge.execute(make_decision("billing"))

    assert (result.route_id, result.provider, result.fallback) == ("billing", "echo", True)


@pytest.mark.parametrize("by_setting", [True, False])
async def test_the_default_provider_answers_unbound_routes(by_setting: bool) -> None:
    bridge = (
        CoreRuntimeBridge(RuntimeConfig(default_provider="b"))
        if by_setting
        else CoreRuntimeBridge(default_provider="b")
    )
    async with bridge:
        bridge.register_client("a", EchoClient())
        bridge.register_client("b", EchoClient())

        assert (await bridge.execute(make_decision("billing"))).provider == "b"
        assert (await bridge.execute(make_decision(None))).provider == "b"


async def test_without_a_route_there_is_a_result_that_says_so() -> None:
    async with CoreRuntimeBridge(FixedRouter("billing", finds_nothing=True)) as bridge:
        bridge.bind("billing", EchoHandler())
        result = await bridge.execute("what is the weather?")

    assert (result.route_id, result.response, result.reason) == (None, None, "no_route")
    assert result.metadata == {"model": None, "tokens_used": 0, "reason": "below_threshold"}
    assert result.confidence == 0.1
    assert result.decision is not None
    assert not result.fallback


async def test_the_fallback_answers_queries_without_a_route() -> None:
    async with CoreRuntimeBridge(FixedRouter("billing", finds_nothing=True)) as bridge:
        bridge.bind_fallback(lambda query: f"I cannot help with {query!r}")
        result = await bridge.execute("the weather")

    assert (result.route_id, result.reason) == (None, "fallback")
    assert result.response == "I cannot help with 'the weather'"


async def test_a_fallback_route_of_the_router_is_a_route_like_others() -> None:
    handler = EchoHandler()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("general", handler)
        result = await bridge.execute(make_decision("general", reason="fallback"))

    assert (result.route_id, result.reason) == ("general", "executed")


async def test_a_handlers_error_is_told_apart_from_ours() -> None:
    def fail(query: str) -> None:
        raise LookupError("no such order")

    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", fail)
        with pytest.raises(HandlerError, match="LookupError: no such order") as caught:
            await bridge.execute(make_decision())

    assert isinstance(caught.value.__cause__, LookupError)


async def test_a_providers_error_is_told_apart_from_ours() -> None:
    async with CoreRuntimeBridge(RuntimeConfig(max_retries=0)) as bridge:
        bridge.bind("billing", client=ScriptedClient([ConnectionError("refused"), "back"]))
        with pytest.raises(ProviderError, match="ConnectionError: refused"):
            await bridge.execute(make_decision())

        assert (await bridge.execute(make_decision())).response == "back"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({}, InvalidInputError),
        ({"query": " "}, InvalidInputError),
        ({"decision_or_query": 5}, InvalidInputError),
        ({"query": "q", "context": "ann"}, InvalidContextError),
        ({"query": "q", "context": {"tenant_id": "a", "org_id": "b"}}, InvalidContextError),
        ({"query": "q", "timeout_s": 0}, InvalidInputError),
    ],
)
async def test_requests_that_make_no_sense_are_refused(
    arguments: dict[str, Any], kind: type[Exception]
) -> None:
    async with CoreRuntimeBridge(FixedRouter("billing")) as bridge:
        bridge.bind("billing", EchoHandler())
        with pytest.raises(kind):
            await bridge.execute(**arguments)


async def test_executions_have_names_of_their_own() -> None:
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", EchoHandler())
        names = {(await bridge.execute(make_decision())).execution_id for _ in range(3)}

    assert len(names) == 3
    assert all(name.startswith("exec-") and len(name) == 37 for name in names)
