"""Answers that are kept, and calls that are shared."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.cache.flight import SingleFlight
from stratarouter_runtime.calling import last_moment
from stratarouter_runtime.errors import (
    CacheBackendError,
    ExecutionTimeoutError,
    UncacheableValueError,
)
from stratarouter_runtime.execution.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from stratarouter_runtime.cache.manager import CacheManager
    from stratarouter_runtime.calling import Caller
    from stratarouter_runtime.feedback import RememberedExecution
    from stratarouter_runtime.planning import ExecutionPlan
    from stratarouter_runtime.protocols import Clock

__all__ = ["Keeper"]


class Keeper:
    """Finds answers that are kept already, and keeps new ones.

    Parameters
    ----------
    cache : CacheManager, optional
        Where answers are kept; None keeps none.
    caller : Caller
        Who gets new ones.
    clock : Clock
        Where the time comes from.
    """

    def __init__(self, cache: CacheManager | None, caller: Caller, clock: Clock) -> None:
        self._cache = cache
        self._caller = caller
        self._clock = clock
        self._flights: SingleFlight[Answer] = SingleFlight()

    async def answer(self, plan: ExecutionPlan) -> Answer:
        """Return a kept answer, or one that is under way for somebody else, or a new one.

        Parameters
        ----------
        plan : ExecutionPlan
            What is to be done.

        Returns
        -------
        Answer
            The answer.

        Raises
        ------
        StrataError
            If there is none.
        """
        key = plan.cache_key
        if key is None or self._cache is None:
            return await self._caller.supervised(plan)
        found = await self.found(plan)
        if found is not None:
            return found
        began: list[ExecutionPlan] = []
        try:
            return await self._flown(plan, key, began)
        except ExecutionTimeoutError:
            # It may have been the time of whoever began the call that was over.
            if began or plan.deadline.remaining_s(self._clock.now_s()) <= 0.0:
                raise
        return await self._flown(plan, key, began)

    async def found(self, plan: ExecutionPlan) -> Answer | None:
        """Return a kept answer.

        Parameters
        ----------
        plan : ExecutionPlan
            What is to be done.

        Returns
        -------
        Answer or None
            A copy of the answer; None if there is none.
        """
        key, cache = plan.cache_key, self._cache
        if key is None or cache is None:
            return None
        found = await cache.answers.lookup(plan.partition, key)
        if found is None:
            return None
        # A damaged answer is a miss; the new one replaces it.
        with suppress(CacheBackendError):
            return Answer.decoded(found, cache_hit=True)
        return None

    async def kept(self, plan: ExecutionPlan, answer: Answer) -> Answer:
        """Keep a new answer, if it may be.

        Parameters
        ----------
        plan : ExecutionPlan
            What was done.
        answer : Answer
            The answer.

        Returns
        -------
        Answer
            The answer, which says whether it can be shared, and why not.
        """
        key, cache = plan.cache_key, self._cache
        if key is None or cache is None:
            return answer
        if not answer.complete:
            reason = "it asks for tools" if answer.tool_calls else "it was cut short"
            return _with_warning(answer, f"the answer was not cached: {reason}")
        try:
            data = answer.encoded()
        except UncacheableValueError as error:
            return _with_warning(answer, f"the answer was not cached: {error}")
        await cache.answers.keep(plan.partition, key, data)
        return replace(answer, stored=data)

    async def drop(self, execution: RememberedExecution) -> None:
        """Remove the answer of an execution.

        Parameters
        ----------
        execution : RememberedExecution
            The execution.

        Raises
        ------
        CacheBackendError
            If the cache cannot be used.
        """
        if self._cache is not None and execution.cache_key is not None:
            await self._cache.answers.backend.delete(execution.partition, execution.cache_key)

    def close(self) -> None:
        """Cancel what is shared; those who wait for it get `BridgeClosedError`."""
        self._flights.close()

    async def _flown(self, plan: ExecutionPlan, key: str, began: list[ExecutionPlan]) -> Answer:
        def begin() -> Coroutine[Any, Any, Answer]:
            began.append(plan)
            return self._called(plan)

        answer, shared = await self._flights.run(
            (plan.partition, key),
            begin,
            timeout_s=last_moment(plan).remaining_s(self._clock.now_s()),
            limit_s=plan.deadline.timeout_s,
            what=plan.what,
        )
        if shared and answer.stored is not None:
            return Answer.decoded(answer.stored, cache_hit=False)
        return answer

    async def _called(self, plan: ExecutionPlan) -> Answer:
        return await self.kept(plan, await self._caller.called(plan))


def _with_warning(answer: Answer, warning: str) -> Answer:
    return replace(answer, warnings=(*answer.warnings, warning))
