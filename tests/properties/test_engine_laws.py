"""Laws of calls over several targets, whatever these do."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from stratarouter.errors import StrataError
from stratarouter_runtime.errors import ExecutionTimeoutError
from stratarouter_runtime.execution.rules import EngineRules
from stratarouter_runtime.provider_errors import (
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    ContextWindowExceededError,
    RateLimitedError,
    ServerError,
    StreamInterruptedError,
)
from stratarouter_runtime.stream_events import Finish, StreamStart, TextDelta, UsageDelta
from tests.engine_setting import Setting
from tests.planned_client import HANG_S, USAGE, PlannedClient
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from stratarouter_runtime.stream_events import StreamEvent
    from stratarouter_runtime.testing import ManualClock

FAILURES = (
    AuthenticationError("x", "wrong key", status=401),
    BadRequestError("x", "what?", status=400),
    ContextWindowExceededError("x", "too long", status=400),
    ServerError("x", "down", status=503),
    ConnectionFailedError("x", "broken"),
    RateLimitedError("x", "later", status=429, retry_after_s=1.0),
    RateLimitedError("x", "later", status=429, retry_after_s=1e5),
)
delays = st.sampled_from([0.0, 0.01, 0.4, 3.0, HANG_S])
steps = st.one_of(st.just("yes"), st.sampled_from(FAILURES))
plans = st.lists(st.tuples(delays, steps).map(list), min_size=1, max_size=4)
targets = st.lists(plans, min_size=1, max_size=3)
pieces = st.one_of(
    st.sampled_from([StreamStart(), TextDelta("ab"), TextDelta("c"), UsageDelta(USAGE), Finish()]),
    st.sampled_from(FAILURES),
    st.sampled_from([0.01, 0.4, HANG_S]),
)
streams = st.lists(
    st.lists(st.lists(pieces, max_size=6), min_size=1, max_size=3), min_size=1, max_size=3
)
limits = st.sampled_from([0.05, 1.0, 10.0])


def make(clock: ManualClock, given_plans: list[Any], retries: int) -> Setting:
    """Return a registry whose targets follow the plans."""
    clients = [PlannedClient(*plan) for plan in given_plans]
    return Setting(clock, *clients, max_retries=retries, rules=EngineRules(idle_timeout_s=0.3))


def check_limits(setting: Setting, clock: ManualClock, limit_s: float, retries: int) -> None:
    """Check what holds of every call."""
    # Each attempt may take a moment more, so that clients can say what took too long.
    assert clock.now_s() <= limit_s + 0.021 * max(1, sum(setting.calls)) + 0.001
    assert all(calls <= retries + 1 for calls in setting.calls)
    # Nobody is asked before those in front of it.
    asked = [calls > 0 for calls in setting.calls]
    assert asked == sorted(asked, reverse=True)
    totals = setting.ledger.totals()
    assert (totals.open_attempts, totals.reserved_usd) == (0, Decimal(0))
    assert totals.attempts == sum(setting.calls)
    assert [client.open for client in setting.clients] == [0] * len(setting.clients)


@given(plans=targets, limit_s=limits, retries=st.integers(0, 3))
def test_calls_end_in_time_and_ask_in_order(plans: Any, limit_s: float, retries: int) -> None:
    async def main(clock: ManualClock) -> None:
        setting = make(clock, plans, retries)
        names = list("abc"[: len(plans)])
        try:
            found = await setting.registry.complete(names[0], names[1:], "hello", timeout_s=limit_s)
        except ExecutionTimeoutError:
            assert clock.now_s() >= limit_s - 0.002
        except StrataError:
            assert clock.now_s() <= limit_s
        else:
            # The last one who was asked answered.
            assert found.provider == names[sum(calls > 0 for calls in setting.calls) - 1]
            assert setting.ledger.rows()[-1].state == "settled"
        check_limits(setting, clock, limit_s, retries)

    in_virtual_time(main)


@given(plans=streams, limit_s=limits, retries=st.integers(0, 2))
def test_streams_are_whole_or_say_what_was_delivered(
    plans: Any, limit_s: float, retries: int
) -> None:
    async def main(clock: ManualClock) -> None:
        setting = make(clock, plans, retries)
        names = list("abc"[: len(plans)])
        seen: list[StreamEvent] = []
        try:
            await setting.read(names[0], names[1:], seen, timeout_s=limit_s)
        except StreamInterruptedError as error:
            delivered = error.delivered
            assert delivered == text(seen)
            assert setting.ledger.rows()[-1].state == "unknown"
        except StrataError:
            assert seen == []
        else:
            assert isinstance(seen[-1], Finish)
            assert sum(isinstance(event, Finish) for event in seen) == 1
            assert isinstance(seen[-2], UsageDelta)
        check_limits(setting, clock, limit_s, retries)

    in_virtual_time(main)


def text(found: list[StreamEvent]) -> str:
    """Return the text of some events."""
    return "".join(event.text for event in found if isinstance(event, TextDelta))
