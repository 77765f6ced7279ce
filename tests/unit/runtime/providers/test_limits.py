from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.provider_errors import ProviderTimeoutError
from stratarouter_runtime.providers.limits import CallLimits, PhaseLimits

SHORT = PhaseLimits(first_byte_s=0.01, idle_s=0.02)


async def hang() -> None:
    await asyncio.get_running_loop().create_future()


async def say(value: Any) -> Any:
    return value


async def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("phases", "timeout_s", "step", "phase", "limit_s"),
    [
        (SHORT, None, "first", "first_byte", 0.01),
        (SHORT, None, "next", "idle", 0.02),
        (SHORT, 10, "first", "first_byte", 0.01),
        (PhaseLimits(), 0.01, "first", "total", 0.01),
        (PhaseLimits(), 0.01, "next", "total", 0.01),
    ],
)
async def test_the_nearest_limit_ends_it(
    phases: PhaseLimits, timeout_s: float | None, step: str, phase: str, limit_s: float
) -> None:
    limits = CallLimits("p", "m", phases, timeout_s)
    with pytest.raises(ProviderTimeoutError) as caught:
        await getattr(limits, step)(hang())

    error = caught.value
    assert (error.phase, error.timeout_s, error.provider, error.model) == (phase, limit_s, "p", "m")


async def test_what_comes_in_time_comes_through() -> None:
    limits = CallLimits("p", "m", SHORT, None)

    assert await limits.first(say(1)) == 1
    assert await limits.next(say(2)) == 2
    limits.require_time()


@pytest.mark.parametrize("error", [TimeoutError("of somebody else"), ValueError("no")])
async def test_errors_of_others_come_through(error: Exception) -> None:
    limits = CallLimits("p", "m", PhaseLimits(), 10)
    with pytest.raises(type(error)) as caught:
        await limits.next(fail(error))
    assert caught.value is error


async def test_a_cancellation_is_no_timeout() -> None:
    limits = CallLimits("p", "m", PhaseLimits(), 10)
    task = asyncio.create_task(limits.next(hang()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_pauses_of_a_reader_count() -> None:
    limits = CallLimits("p", "m", PhaseLimits(), 1e-9)
    with pytest.raises(ProviderTimeoutError) as caught:
        limits.require_time()

    assert caught.value.phase == "total"


async def test_no_limit_at_all() -> None:
    endless = PhaseLimits(first_byte_s=float("inf"), idle_s=float("inf"))
    limits = CallLimits("p", None, endless, float("inf"))

    assert await limits.first(say(1)) == 1
    limits.require_time()


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), True, "1"])
def test_limits_are_numbers_above_0(value: Any) -> None:
    for name in ("connect_s", "first_byte_s", "idle_s"):
        with pytest.raises(InvalidInputError, match=name.removesuffix("_s")):
            PhaseLimits(**{name: value})


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
async def test_the_whole_is_more_than_nothing(value: float) -> None:
    with pytest.raises(InvalidInputError, match="timeout_s"):
        CallLimits("p", "m", SHORT, value)
