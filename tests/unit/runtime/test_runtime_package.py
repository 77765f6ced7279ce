"""What the package offers, and what offering it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import stratarouter_runtime
from stratarouter_runtime import factory
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.testing import EchoHandler, FixedRouter, ManualClock, make_decision

LATER = ["BatchProcessor", "StateManager"]
HEAVY = ["sklearn", "openai", "anthropic", "redis", "asyncpg", "starlette", "tenacity", "msgspec"]


def test_every_name_is_there_and_comes_from_where_it_lives() -> None:
    for name in stratarouter_runtime.__all__:
        value = getattr(stratarouter_runtime, name)
        home = sys.modules[f"stratarouter_runtime.{stratarouter_runtime._HOMES[name]}"]

        assert getattr(home, name) is value
    assert set(stratarouter_runtime._HOMES) == set(stratarouter_runtime.__all__)
    assert dir(stratarouter_runtime) == sorted(stratarouter_runtime.__all__)


@pytest.mark.parametrize("name", LATER)
def test_what_is_not_built_is_not_offered(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(stratarouter_runtime, name)


def test_importing_and_making_a_bridge_loads_nothing_heavy() -> None:
    code = (
        "import sys, stratarouter_runtime as s; s.CoreRuntimeBridge(s.RuntimeConfig());"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert answer.stdout.strip() == "[]"


def test_importing_alone_loads_not_even_numpy() -> None:
    code = "import sys, stratarouter_runtime; print('numpy' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert answer.stdout.strip() == "False"


def test_the_factory_follows_the_settings() -> None:
    config = RuntimeConfig(handler_threads=3, handler_queue=5, cache_enabled=False)
    pool = factory.make_pool(config)

    assert (pool._max_threads, pool._max_waiting) == (3, 5)
    assert factory.make_cache(config, ManualClock(), pool) is None


async def test_the_fakes_do_what_they_say() -> None:
    handler = EchoHandler()
    assert await handler("q", {"a": 1}) == "q"
    assert handler.calls == [("q", {"a": 1})]
    router = FixedRouter("billing", "support")
    assert router.route("the support, please").route_id == "support"
    assert router.route("anything").route_id == "billing"
    assert FixedRouter().route("anything").route_id is None
    assert make_decision(None).reason == "below_threshold"
    assert make_decision("billing", "q").query == "q"
