"""Start, features that are not built, event loops, the end."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path
from typing import Any

import pytest

from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.errors import (
    BridgeClosedError,
    BridgeLoopError,
    FeatureNotBuiltWarning,
    FeatureUnavailableError,
)
from stratarouter_runtime.testing import EchoClient, EchoHandler, GatedClient, make_decision


async def execute(bridge: CoreRuntimeBridge) -> object:
    return (await bridge.execute(make_decision())).response


async def test_plain_settings_are_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with CoreRuntimeBridge(RuntimeConfig()) as bridge:
            bridge.bind("billing", EchoHandler())
            await execute(bridge)


async def test_missing_features_are_said_once_at_the_first_await() -> None:
    config = RuntimeConfig(cache_backend="redis", batch_enabled=True, metrics_enabled=True)
    bridge = CoreRuntimeBridge(config)
    bridge.bind("billing", EchoHandler())
    with pytest.warns(FeatureNotBuiltWarning) as caught:
        await execute(bridge)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await execute(bridge)
    await bridge.aclose()

    sentences = [str(warning.message) for warning in caught]
    assert [sentence.split("=")[0].split()[0] for sentence in sentences] == [
        "cache_backend",
        "batch_enabled",
        "metrics_enabled",
    ]
    assert {Path(warning.filename) for warning in caught} == {Path(__file__)}


@pytest.mark.parametrize(
    "setting",
    [
        "auth_enabled",
        "api_key_validation",
        "encryption_at_rest",
        "audit_logging",
        "resource_quotas",
    ],
)
async def test_missing_protections_stop_every_start(setting: str) -> None:
    settings: dict[str, Any] = {setting: True}
    bridge = CoreRuntimeBridge(RuntimeConfig(**settings))
    handler = EchoHandler()
    bridge.bind("billing", handler)
    with pytest.raises(FeatureUnavailableError, match=setting) as caught:
        await bridge.execute(make_decision())
    with pytest.raises(FeatureUnavailableError):
        async with bridge:
            raise AssertionError("must not get here")

    assert caught.value.settings == (setting,)
    assert handler.calls == []


async def test_tenant_isolation_is_built() -> None:
    async with CoreRuntimeBridge(RuntimeConfig(tenant_isolation=True)) as bridge:
        bridge.bind("billing", EchoHandler())

        assert await execute(bridge)


async def test_closing_twice_is_harmless_and_final() -> None:
    bridge = CoreRuntimeBridge()
    bridge.bind("billing", EchoHandler())
    await execute(bridge)
    await bridge.aclose()
    await bridge.aclose()

    assert bridge.closed
    with pytest.raises(BridgeClosedError, match="make a new one"):
        await execute(bridge)


async def test_closing_what_was_never_started_is_harmless() -> None:
    await CoreRuntimeBridge().aclose()


async def test_closing_waits_for_executions_under_way() -> None:
    client = GatedClient()
    bridge = CoreRuntimeBridge()
    bridge.bind("billing", client=client)
    call = asyncio.create_task(execute(bridge))
    await client.entered.wait()
    closing = asyncio.create_task(bridge.aclose())
    await asyncio.sleep(0)
    with pytest.raises(BridgeClosedError):
        await execute(bridge)
    client.gate.set()

    assert await call == "done"
    await closing


@pytest.mark.parametrize("cached", [True, False])
async def test_closing_cancels_what_takes_too_long(cached: bool) -> None:
    client = GatedClient()
    bridge = CoreRuntimeBridge(RuntimeConfig(cache_enabled=cached))
    bridge.bind("billing", client=client)
    call = asyncio.create_task(execute(bridge))
    await client.entered.wait()
    await bridge.aclose(grace_s=0.0)

    with pytest.raises(BridgeClosedError):
        await call
    assert client.cancelled == 1


async def test_a_close_that_is_cancelled_still_ends_everything() -> None:
    client = GatedClient()
    bridge = CoreRuntimeBridge()
    bridge.bind("billing", client=client)
    call = asyncio.create_task(execute(bridge))
    await client.entered.wait()
    closing = asyncio.create_task(bridge.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    with pytest.raises(BridgeClosedError):
        await call


async def test_closing_does_not_close_clients_of_the_caller() -> None:
    client = EchoClient()
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        await execute(bridge)
    async with CoreRuntimeBridge() as bridge:
        bridge.bind("billing", client=client)
        await execute(bridge)

    assert client.calls == 2


def test_a_bridge_serves_one_event_loop_after_the_other() -> None:
    bridge = CoreRuntimeBridge()
    client = EchoClient()
    bridge.bind("billing", client=client)
    bridge.bind("plain", lambda query: "from a thread")

    async def twice() -> list[object]:
        plain = await bridge.execute(make_decision("plain"))
        return [await execute(bridge), plain.response]

    assert asyncio.run(twice()) == asyncio.run(twice())
    assert client.calls == 1
    asyncio.run(bridge.aclose())


def test_a_bridge_does_not_serve_two_event_loops_at_once() -> None:
    bridge = CoreRuntimeBridge()
    bridge.bind("billing", EchoHandler())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(execute(bridge))
    with pytest.raises(BridgeLoopError):
        asyncio.run(execute(bridge))
    loop.run_until_complete(bridge.aclose())
    loop.close()
