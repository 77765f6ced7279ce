"""An event loop whose time passes only when everybody waits, and then at once."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

from stratarouter_runtime.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["in_virtual_time", "virtual"]

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everybody waits, and nothing will ever happen")
            self._clock.advance(timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(_Selector(clock))
        self._virtual_clock = clock

    def time(self) -> float:
        return self._virtual_clock.now_s()


def in_virtual_time(main: Callable[[ManualClock], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine whose waits cost no time.

    Parameters
    ----------
    main : callable
        Takes the clock of the loop and returns the coroutine.

    Returns
    -------
    T
        What it returned.
    """
    clock = ManualClock()
    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(_alone(main(clock)))


async def _alone(work: Coroutine[Any, Any, T]) -> T:
    answer = await work
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks were left behind: {left}"
    return answer


def virtual(test: Callable[[ManualClock], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Return a test that runs in virtual time."""

    def run() -> None:
        in_virtual_time(test)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run
