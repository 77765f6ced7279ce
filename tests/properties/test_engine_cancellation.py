"""A call that is cancelled at any await leaves nothing behind."""

from __future__ import annotations

import asyncio
import types
from contextlib import aclosing, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import StrataError
from stratarouter_runtime.execution.rules import EngineRules
from stratarouter_runtime.ledger.budgets import Budget
from stratarouter_runtime.policies.circuit import CircuitRules
from stratarouter_runtime.policies.targets import FallbackChains, Target
from stratarouter_runtime.provider_errors import (
    BadRequestError,
    ConnectionFailedError,
    ContextWindowExceededError,
    RateLimitedError,
    ServerError,
)
from stratarouter_runtime.stream_events import Finish, StreamStart, TextDelta
from tests.engine_setting import Setting
from tests.planned_client import HANG_S, PlannedClient, events
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from stratarouter_runtime.testing import ManualClock

    Make = Callable[[ManualClock, Any], tuple[Setting, Coroutine[Any, Any, Any]]]

DOWN = ServerError("x", "down", status=503)
CUT = ConnectionFailedError("x", "cut")
TOO_LONG = ContextWindowExceededError("x", "too long", status=400)
BAD = BadRequestError("x", "what?", status=400)
LIMITED = RateLimitedError("x", "later", status=429, retry_after_s=0.5)
SHORT = EngineRules(idle_timeout_s=0.5)
PROBING = EngineRules(circuit=CircuitRules(open_s=1.0, probes=1, successes_to_close=1))


class SlowJournal:
    """A journal whose every word takes a while, before and after it is written."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        write = getattr(self._ledger, name)

        async def slowly(*args: Any, **fields: Any) -> None:
            await asyncio.sleep(0.01)
            await write(*args, **fields)
            await asyncio.sleep(0.01)

        return slowly


@types.coroutine
def cancelled_at(work: Any, step: int, reached: list[int]) -> Generator[Any, Any, Any]:
    """Run a coroutine, and cancel its task when it waits for the `step`-th time."""
    waits = 0
    resume: Callable[[], Any] = lambda: work.send(None)  # noqa: E731
    while True:
        try:
            waiting = resume()
        except StopIteration as end:
            return end.value
        waits += 1
        if waits == step:
            reached.append(step)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            value = yield waiting
        except BaseException as error:  # noqa: BLE001 -- handed on to the coroutine.
            resume = lambda error=error: work.throw(error)  # type: ignore[misc]  # noqa: E731
        else:
            resume = lambda value=value: work.send(value)  # type: ignore[misc]  # noqa: E731


async def read_some(setting: Setting, count: int) -> None:
    """Read a few events of a stream, and leave."""
    async with aclosing(setting.registry.stream("a", messages="hello")) as stream:
        for _ in range(count):
            await anext(stream)


async def after_an_outage(setting: Setting, ask: Callable[[], Any]) -> None:
    """Let the breaker open, wait until it is half-open, and ask."""
    for _ in range(2):
        with suppress(StrataError):
            await setting.ask()
    await asyncio.sleep(1.5)
    await ask()


def embed(setting: Setting, fallback: Any = ()) -> Any:
    """Ask for embeddings."""
    return setting.registry.embed("a", fallback, ["x", "y"])


P = PlannedClient
SCENARIOS: dict[str, tuple[Callable[[], list[PlannedClient]], dict[str, Any], Any]] = {
    "answered": (lambda: [P("yes")], {}, lambda s: s.ask()),
    "answered late": (lambda: [P([1.0, "yes"])], {}, lambda s: s.ask()),
    "repeated": (lambda: [P(DOWN, DOWN, "yes")], {}, lambda s: s.ask()),
    "told to wait": (lambda: [P(LIMITED, "yes")], {}, lambda s: s.ask()),
    "given up": (lambda: [P(DOWN)], {}, lambda s: s.ask()),
    "not understood": (lambda: [P(BAD)], {}, lambda s: s.ask()),
    "fallback": (lambda: [P(DOWN), P("b")], {}, lambda s: s.ask("a", ["b"])),
    "two fallbacks": (lambda: [P(CUT), P(BAD), P("c")], {}, lambda s: s.ask("a", ["b", "c"])),
    "all fail": (lambda: [P(DOWN), P(CUT), P(DOWN)], {}, lambda s: s.ask("a", ["b", "c"])),
    "hangs": (lambda: [P(HANG_S)], {}, lambda s: s.ask(timeout_s=2.0)),
    "three hang": (
        lambda: [P(HANG_S), P(HANG_S), P(HANG_S)],
        {},
        lambda s: s.ask("a", ["b", "c"], timeout_s=2.0),
    ),
    "too long": (
        lambda: [P(TOO_LONG), P("b")],
        {},
        lambda s: s.ask("a", chains=FallbackChains(context_window=(Target(provider="b"),))),
    ),
    "capped": (lambda: [P(CUT, "yes")], {}, lambda s: s.ask(max_cost_usd="0.0002")),
    "over budget": (
        lambda: [P("yes")],
        {"budgets": (Budget(name="b", limit_usd=Decimal("0.00001")),)},
        lambda s: s.ask(),
    ),
    "budget is tight": (
        lambda: [P(CUT, "yes"), P("b")],
        {"budgets": (Budget(name="b", limit_usd=Decimal("0.0002")),)},
        lambda s: s.ask("a", ["b"]),
    ),
    "probed": (
        lambda: [P(DOWN, DOWN, [0.5, "yes"])],
        {"rules": PROBING, "circuit_breaker_threshold": 2, "max_retries": 0},
        lambda s: after_an_outage(s, s.ask),
    ),
    "probed in vain": (
        lambda: [P([0.5, DOWN])],
        {"rules": PROBING, "circuit_breaker_threshold": 2, "max_retries": 0},
        lambda s: after_an_outage(s, s.ask),
    ),
    "probed by a stream": (
        lambda: [P(DOWN, DOWN, events("a", "b"))],
        {"rules": PROBING, "circuit_breaker_threshold": 2, "max_retries": 0},
        lambda s: after_an_outage(s, s.read),
    ),
    "embedded": (lambda: [P()], {}, embed),
    "embedded later": (lambda: [P(DOWN, [1.0, "yes"])], {}, embed),
    "embedded by another": (lambda: [P(DOWN), P()], {}, lambda s: embed(s, ["b"])),
    "no embeddings": (
        lambda: [P(embeddings=False), P()],
        {},
        lambda s: embed(s, ["b"]),
    ),
    "streamed": (lambda: [P(events("a", "b", "c"))], {}, lambda s: s.read()),
    "streamed slowly": (
        lambda: [P([StreamStart(), 0.2, TextDelta("a"), 0.2, TextDelta("b"), 0.2, Finish()])],
        {},
        lambda s: s.read(),
    ),
    "stream repeated": (
        lambda: [P([DOWN], [StreamStart(), CUT], events("c"))],
        {},
        lambda s: s.read(),
    ),
    "stream of another": (
        lambda: [P([StreamStart(), CUT]), P(events("b"))],
        {},
        lambda s: s.read("a", ["b"]),
    ),
    "stream cut": (lambda: [P([TextDelta("a"), 0.1, CUT])], {}, lambda s: s.read()),
    "stream stalls": (lambda: [P([TextDelta("a"), HANG_S])], {"rules": SHORT}, lambda s: s.read()),
    "stream never begins": (
        lambda: [P([StreamStart(), HANG_S])],
        {},
        lambda s: s.read(timeout_s=2.0),
    ),
    "stream closes slowly": (
        lambda: [P([*events("a", "b"), 0.1], closing_s=0.1)],
        {},
        lambda s: s.read(),
    ),
    "cut stream closes slowly": (
        lambda: [P([TextDelta("a"), 0.1, CUT], closing_s=0.1)],
        {},
        lambda s: s.read(),
    ),
    "reader leaves a stream that closes slowly": (
        lambda: [P(events("a", "b"), closing_s=0.1)],
        {},
        lambda s: read_some(s, 2),
    ),
    "reader leaves early": (lambda: [P(events("a", "b"))], {}, lambda s: read_some(s, 1)),
    "reader leaves in the middle": (
        lambda: [P([StreamStart(), TextDelta("a"), 0.5, TextDelta("b"), Finish()])],
        {},
        lambda s: read_some(s, 3),
    ),
    "reader leaves at the end": (lambda: [P(events("a", "b"))], {}, lambda s: read_some(s, 5)),
}


def assert_nothing_is_left(setting: Setting) -> None:
    """Check every resource that an attempt takes."""
    totals = setting.ledger.totals()
    assert totals.open_attempts == 0
    assert totals.reserved_usd == 0
    assert all(not row.is_open for row in setting.ledger.rows())
    assert [client.open for client in setting.clients] == [0] * len(setting.clients)
    assert setting.engine.pending_writes == 0
    stats, now_s = setting.engine.stats, setting.engine.clock.now_s()
    for health in setting.registry.health():
        key = (health.provider, health.model)
        # Nobody is under way any more.
        assert stats.load_s(key) == stats.latency_s(key)
    for breaker in setting.engine.circuits._breakers.values():
        # A place for a probe, if it is time for probes.
        assert breaker.state(now_s) == "open" or breaker.acquire(now_s) is not None


@pytest.mark.parametrize("journal", ["quick", "slow"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_cancelling_at_any_await_leaves_nothing_behind(name: str, journal: str) -> None:
    make, settings, ask = SCENARIOS[name]

    async def run(clock: ManualClock, step: int, reached: list[int]) -> None:
        setting = Setting(
            clock, *make(), journal=SlowJournal if journal == "slow" else lambda x: x, **settings
        )

        async def cancelled() -> Any:
            return await cancelled_at(ask(setting), step, reached)

        task = asyncio.create_task(cancelled())
        await asyncio.wait((task,))
        assert task.cancelled() == bool(reached)
        if not reached and (error := task.exception()) is not None:
            assert isinstance(error, StrataError)
        assert_nothing_is_left(setting)

    step, reached = 0, [0]
    while reached:
        step += 1
        reached = []
        in_virtual_time(lambda clock: run(clock, step, reached))  # noqa: B023
    assert step > (1 if journal == "quick" else 4) or name in {"over budget", "capped"}
