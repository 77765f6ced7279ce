"""Making a call again after it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

__all__ = ["repeat"]

T = TypeVar("T")


async def repeat(
    first: Exception,
    again: Callable[[], Awaitable[T]],
    delay_after: Callable[[BaseException], float | None],
    sleep: Callable[[float], Awaitable[None]],
) -> T:
    """Go on after a first failure, until an answer or the end of patience.

    Parameters
    ----------
    first : Exception
        The first failure. The first call costs nothing here, so that calls which succeed at once,
        nearly all, do not pay for the set-up.
    again : callable
        Makes the call once more.
    delay_after : callable
        Takes a failure, the first one included, and says how long to wait before the next call,
        seconds; None gives up.
    sleep : callable
        Waits.

    Returns
    -------
    T
        The answer.

    Raises
    ------
    Exception
        The last failure.
    """
    from tenacity import AsyncRetrying, retry_if_exception

    pending: list[Exception] = [first]
    delay_s = 0.0

    def is_repeated(error: BaseException) -> bool:
        nonlocal delay_s
        delay = delay_after(error) if isinstance(error, Exception) else None
        delay_s = 0.0 if delay is None else delay
        return delay is not None

    def upcoming_s(_: RetryCallState) -> float:
        return delay_s

    async def attempt() -> T:
        if pending:
            raise pending.pop()
        return await again()

    retrying = AsyncRetrying(
        retry=retry_if_exception(is_repeated), wait=upcoming_s, sleep=sleep, reraise=True
    )
    return await retrying(attempt)
