"""The published snippets of the runtime, with a client that needs no network."""

from __future__ import annotations

import asyncio
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter import HashingEncoder, Route, Router, RouterConfig
from stratarouter_runtime import (
    CacheManager,
    CoreRuntimeBridge,
    EchoClient,
    ExecutionResult,
    FeatureNotBuiltWarning,
    FeatureUnavailableError,
    RuntimeConfig,
)

if TYPE_CHECKING:
    from stratarouter.types import FloatArray

BILLING = ["Where's my invoice?", "Update payment", "I was charged twice", "Send me a receipt"]
SUPPORT = ["The app is crashing", "I cannot log in", "The screen stays black", "Sync is broken"]
DIALECTS = {
    "id": [Route(id="billing", examples=BILLING), Route(id="support", examples=SUPPORT)],
    "name": [
        Route(name="billing", utterances=BILLING),
        Route(name="support", utterances=SUPPORT),
    ],
}
QUERY = "Where's my invoice?"
ENCODER = HashingEncoder()


async def get_embedding(query: str) -> FloatArray:
    """Stand in for the embedding service of the snippets."""
    await asyncio.sleep(0)
    rows: FloatArray = ENCODER.encode([query])
    vector: FloatArray = rows[0]
    return vector


@pytest.fixture(params=list(DIALECTS))
def router(request: pytest.FixtureRequest) -> Router:
    """Return a built router, from routes of either dialect."""
    made = Router(RouterConfig(threshold=0.0), encoder=ENCODER)
    made.add_routes(DIALECTS[request.param])
    made.build_index()
    return made


def quiet_config(**settings: Any) -> RuntimeConfig:
    return RuntimeConfig(cache_enabled=True, execution_timeout=60, **settings)


async def test_basic_execution_with_a_decision(router: Router) -> None:
    config = RuntimeConfig(cache_enabled=True, batch_enabled=True, execution_timeout=60)
    bridge = CoreRuntimeBridge(config)
    bridge.register_client("echo", EchoClient())

    async def handle_query(query: str, user_id: str) -> str:
        embedding = await get_embedding(query)
        route_result = router.route(query, embedding)
        result = await bridge.execute(route_result, context={"user_id": user_id})
        response: str = result.response
        return response

    with pytest.warns(FeatureNotBuiltWarning, match="batch_enabled"):
        assert await handle_query(QUERY, "user-123") == QUERY
    assert await handle_query(QUERY, "user-123") == QUERY
    await bridge.aclose()


async def test_basic_execution_with_vectors_from_outside() -> None:
    core = Router()
    core.add_routes(DIALECTS["id"])
    texts = [text for route in core.routes for text in route.examples]
    core.build_index(ENCODER.encode(texts))
    bridge = CoreRuntimeBridge(quiet_config())
    bridge.bind("billing", client=EchoClient())
    route_result = core.route(QUERY, await get_embedding(QUERY))

    result = await bridge.execute(route_result, context={"user_id": "user-123"})
    await bridge.aclose()

    assert (result.route_id, result.response) == ("billing", QUERY)


async def test_the_bridge_of_the_architecture_page(router: Router) -> None:
    bridge = CoreRuntimeBridge(core_router=router, runtime_config=quiet_config())
    bridge.bind("billing", lambda query, context: f"{context['org_id']}: paid")

    result = await bridge.execute(query=QUERY, context={"user_id": "user-123", "org_id": "org-456"})
    await bridge.aclose()

    assert (result.route_id, result.response) == ("billing", "org-456: paid")
    assert result.confidence is not None
    assert 0.0 < result.confidence < 1.0


@pytest.mark.parametrize("by_decision", [True, False])
async def test_semantic_caching_hits_on_the_second_call(router: Router, by_decision: bool) -> None:
    config = RuntimeConfig(
        cache_enabled=True,
        cache_backend="redis",
        cache_ttl=3600,
        cache_similarity_threshold=0.95,
    )
    bridge = CoreRuntimeBridge(config, core_router=None if by_decision else router)
    client = EchoClient()
    bridge.register_client("echo", client)

    async def ask() -> ExecutionResult:
        if by_decision:
            return await bridge.execute(router.route(QUERY), context={"user_id": "u"})
        return await bridge.execute(query=QUERY, context={"user_id": "u"})

    with pytest.warns(FeatureNotBuiltWarning, match="redis"):
        result1 = await ask()
    result2 = await ask()
    await bridge.aclose()

    assert (result1.cache_hit, result2.cache_hit) == (False, True)
    assert client.calls == 1


async def test_batch_processing_returns_each_answer_in_order(router: Router) -> None:
    config = RuntimeConfig(
        batch_enabled=True, batch_window_ms=50, batch_max_size=32, batch_similarity=0.98
    )
    bridge = CoreRuntimeBridge(config)
    client = EchoClient()
    bridge.register_client("echo", client)
    decisions = [router.route(query) for query in (QUERY, "The app is crashing", QUERY)]

    with pytest.warns(FeatureNotBuiltWarning, match="batch_enabled"):
        results = await asyncio.gather(*[bridge.execute(decision) for decision in decisions])
    await bridge.aclose()

    assert [result.response for result in results] == [QUERY, "The app is crashing", QUERY]
    assert client.calls == 2


async def test_the_result_has_the_published_json(router: Router) -> None:
    async with CoreRuntimeBridge(router, runtime_config=quiet_config()) as bridge:
        bridge.bind("billing", client=EchoClient("gpt-4"), provider="openai")
        result = await bridge.execute(
            query=QUERY, context={"user_id": "user-123", "session_id": "sess-456"}
        )
    body = json.loads(json.dumps(result.to_dict()))

    assert body["route_id"] == "billing"
    assert body["provider"] == "openai"
    assert body["metadata"] == {"model": "gpt-4", "tokens_used": 10}
    assert body["cache_hit"] is False
    assert isinstance(body["latency_ms"], float)


async def test_the_published_cache(router: Router) -> None:
    with pytest.warns(FeatureNotBuiltWarning, match="redis"):
        cache = CacheManager(
            backend="redis", ttl=3600, similarity_threshold=0.95, max_cache_size_mb=1024
        )
    calls = []

    async def expensive_llm_call() -> str:
        calls.append(1)
        return "answer"

    embedding = await get_embedding(QUERY)
    for _ in range(2):
        result = await cache.get_or_execute(
            key=QUERY,
            embedding=embedding,
            executor=lambda: expensive_llm_call(),  # noqa: PLW0108 -- published
        )

        assert result == "answer"
    assert len(calls) == 1


def test_the_published_configurations_can_be_made() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RuntimeConfig(execution_timeout=60, cache_enabled=True, batch_enabled=True)
        RuntimeConfig(
            cache_enabled=True,
            cache_backend="redis",
            batch_enabled=True,
            batch_similarity_threshold=0.98,
            state_backend="postgresql",
            checkpoint_interval=10,
            metrics_enabled=True,
            tracing_enabled=True,
            log_level="info",
        )


async def test_the_enterprise_configuration_refuses_to_start(router: Router) -> None:
    config = RuntimeConfig(
        auth_enabled=True,
        jwt_secret="your-secret-key",
        api_key_validation=True,
        tenant_isolation=True,
        resource_quotas=True,
        region="us-east-1",
        failover_region="us-west-2",
        replication_lag_ms=1000,
        audit_logging=True,
        data_retention_days=2555,
        encryption_at_rest=True,
    )
    bridge = CoreRuntimeBridge(config, core_router=router)
    bridge.bind("billing", client=EchoClient())

    with pytest.raises(FeatureUnavailableError, match="auth_enabled, api_key_validation"):
        await bridge.execute(query=QUERY)


async def test_a_router_that_was_not_built_is_built_on_the_way() -> None:
    router = Router(RouterConfig(threshold=0.0), encoder=ENCODER)
    router.add_routes(DIALECTS["id"])
    async with CoreRuntimeBridge(router) as bridge:
        bridge.bind("billing", lambda query: "paid")

        assert (await bridge.execute(query=QUERY)).response == "paid"


async def test_a_query_that_fits_nothing_has_no_route() -> None:
    router = Router(RouterConfig(threshold=1.0), encoder=ENCODER)
    router.add_routes(DIALECTS["id"])
    async with CoreRuntimeBridge(router) as bridge:
        bridge.bind("billing", lambda query: "paid")
        result = await bridge.execute(query=QUERY)

    assert (result.route_id, result.response, result.reason) == (None, None, "no_route")
    assert result.metadata["reason"] == "below_threshold"


async def test_the_fallback_route_of_the_router_is_executed() -> None:
    config = RouterConfig(threshold=1.0, fallback_route="support")
    router = Router(config, encoder=ENCODER)
    router.add_routes(DIALECTS["name"])
    async with CoreRuntimeBridge(router) as bridge:
        bridge.bind("support", lambda query: "a person will call")
        result = await bridge.execute(query=QUERY)

    assert (result.route_id, result.response) == ("support", "a person will call")
