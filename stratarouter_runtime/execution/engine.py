"""Carrying a call out: retries, breakers, fallbacks, one deadline and one cost cap over them."""

from __future__ import annotations

import asyncio
import uuid
import warnings
from decimal import Decimal, InvalidOperation
from itertools import count
from random import SystemRandom
from typing import TYPE_CHECKING, Any, TypeVar

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.errors import FeatureNotBuiltWarning
from stratarouter_runtime.execution.attempts import AttemptDesk
from stratarouter_runtime.execution.bookkeeping import Bookkeeper
from stratarouter_runtime.execution.deadline import Deadline
from stratarouter_runtime.execution.failover import Failover
from stratarouter_runtime.execution.handler_calls import HandlerCalls
from stratarouter_runtime.execution.handlers import Handler, adapt_handler
from stratarouter_runtime.execution.journal import NullJournal
from stratarouter_runtime.execution.operations import Execution
from stratarouter_runtime.execution.rules import EngineRules, RetryBudgets
from stratarouter_runtime.execution.streaming import open_stream
from stratarouter_runtime.policies.backoff import Backoff
from stratarouter_runtime.policies.circuit import CircuitTable
from stratarouter_runtime.policies.cost_cap import CostCap
from stratarouter_runtime.policies.selection import TargetStats
from stratarouter_runtime.telemetry.clock import SystemClock
from stratarouter_runtime.telemetry.events import EventBus
from stratarouter_runtime.types import ANONYMOUS

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Awaitable,
        Callable,
        Coroutine,
        Iterable,
        Mapping,
        Sequence,
    )

    from stratarouter_runtime.execution.operations import CallOperation, StreamOperation
    from stratarouter_runtime.execution.streaming import OpenStream
    from stratarouter_runtime.policies.targets import FallbackChains, Target
    from stratarouter_runtime.protocols import AttemptJournal, BlockingDoor, Clock, EventSink
    from stratarouter_runtime.stream_events import StreamEvent
    from stratarouter_runtime.types import Partition

__all__ = ["ExecutionEngine", "dollars"]

T = TypeVar("T")

_DEFAULT_MEMORY_MB = 512
_DEFAULT_CPU_PERCENT = 80


class ExecutionEngine:
    """Makes calls that end: in time, within their cost cap, with an answer if anybody has one.

    One engine serves many calls at a time, in one event loop; breakers, retry budgets and health
    are shared by all of them.

    Parameters
    ----------
    timeout : float, seconds, > 0
        Limit of a whole execution: attempts, waits and fallbacks together.
    max_retries : int, >= 0
        Repetitions at one target.
    retry_delay_ms : float, milliseconds, >= 0
        Bound of the random wait before the first repetition; it doubles with each.
    circuit_breaker_threshold : int, >= 1
        Failures in a row after which a target is left alone for a while.
    max_memory_mb : int, MiB
        Memory of an isolated handler; isolation is not built yet.
    max_cpu_percent : int, percent
        Processor time of an isolated handler; isolation is not built yet.
    rules : EngineRules, optional
        Finer settings.
    journal : AttemptJournal, optional
        Where every attempt is written down; None keeps no accounts.
    events : iterable of EventSink
        Where telemetry goes.
    clock : Clock, optional
        Where the time comes from; None takes that of the machine.
    sleep : callable
        Waits for seconds.
    random : callable, optional
        Returns a random number, uniform in [0, 1), for jitter; None takes the machine's.

    Raises
    ------
    InvalidInputError
        If a figure is out of its range.
    """

    def __init__(
        self,
        timeout: float = 60.0,
        max_retries: int = 3,
        retry_delay_ms: float = 100.0,
        circuit_breaker_threshold: int = 5,
        *,
        max_memory_mb: int = _DEFAULT_MEMORY_MB,
        max_cpu_percent: int = _DEFAULT_CPU_PERCENT,
        rules: EngineRules | None = None,
        journal: AttemptJournal | None = None,
        events: Iterable[EventSink] = (),
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] | None = None,
    ) -> None:
        if max_retries < 0:
            raise InvalidInputError(f"max_retries must be >= 0, got {max_retries!r}")
        if (max_memory_mb, max_cpu_percent) != (_DEFAULT_MEMORY_MB, _DEFAULT_CPU_PERCENT):
            warnings.warn(
                "isolated handlers are not built yet; max_memory_mb and max_cpu_percent do nothing",
                FeatureNotBuiltWarning,
                stacklevel=2,
            )
        rules = EngineRules() if rules is None else rules
        self._clock = SystemClock() if clock is None else clock
        self._timeout_s = Deadline.after(timeout, 0.0).timeout_s
        self._rules = rules
        self._max_retries = max_retries
        backoff = Backoff(base_s=retry_delay_ms / 1000.0, cap_s=rules.max_retry_delay_s)
        bus = EventBus(events, self._clock)
        self._bus = bus
        self._circuits = CircuitTable(rules.circuit_with(circuit_breaker_threshold))
        self._stats = TargetStats()
        self._books = Bookkeeper(NullJournal() if journal is None else journal)
        self._desk = AttemptDesk(self._circuits, self._stats, self._books, self._clock, bus)
        name = uuid.uuid4().hex
        self._names = (f"{name}-{number}" for number in count(1))
        self._random = SystemRandom().random if random is None else random
        self._failover = Failover(
            rules=rules,
            max_retries=max_retries,
            backoff=backoff,
            budgets=RetryBudgets(rules.retry_share, rules.retry_floor),
            circuits=self._circuits,
            clock=self._clock,
            sleep=sleep,
            random=self._random,
            bus=bus,
        )

        self._handlers = HandlerCalls(backoff, self._clock, sleep, self._random)

    @property
    def clock(self) -> Clock:
        """Where the time comes from."""
        return self._clock

    @property
    def stats(self) -> TargetStats:
        """How targets did lately."""
        return self._stats

    @property
    def circuits(self) -> CircuitTable:
        """Breakers of the targets."""
        return self._circuits

    @property
    def random(self) -> Callable[[], float]:
        """Where chance comes from."""
        return self._random

    @property
    def pending_writes(self) -> int:
        """Writes into the journal that a cancelled call could not wait for."""
        return self._books.pending

    def begin(
        self,
        *,
        timeout_s: float | None = None,
        max_cost_usd: Decimal | float | str | None = None,
        partition: Partition = ANONYMOUS,
        route_id: str | None = None,
        execution_id: str | None = None,
        chains: FallbackChains | None = None,
    ) -> Execution:
        """Start the clock of an execution.

        Parameters
        ----------
        timeout_s : float, seconds, > 0, optional
            Its limit; None takes the engine's.
        max_cost_usd : Decimal or float or str, US dollars, >= 0, optional
            The most that all its attempts may cost together; a float is taken as it is written.
        partition : Partition
            Whose money it is.
        route_id : str, optional
            Route that is carried out.
        execution_id : str, optional
            Its unique name; None makes one.
        chains : FallbackChains, optional
            Targets for special failures.

        Returns
        -------
        Execution
            The execution, for one call.

        Raises
        ------
        InvalidInputError
            If a limit is out of its range.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        return Execution(
            execution_id=next(self._names) if execution_id is None else execution_id,
            partition=partition,
            deadline=Deadline.after(limit_s, self._clock.now_s()),
            cap=CostCap(dollars(max_cost_usd)),
            route_id=route_id,
            chains=chains,
        )

    def call(
        self, targets: Sequence[Target], operation: CallOperation[T], execution: Execution
    ) -> Coroutine[Any, Any, T]:
        """Get one answer; to be awaited.

        Parameters
        ----------
        targets : sequence of Target
            Whom to ask, in order; at least one.
        operation : CallOperation
            What is done.
        execution : Execution
            Its limits, from `begin`.

        Returns
        -------
        T
            The answer.

        Raises
        ------
        ExecutionTimeoutError
            If the time is over.
        AllTargetsFailedError
            If several targets were asked in vain.
        StrataError
            The failure of the only target, or one that nobody else can cure.
        """
        desk = self._desk

        def ask(target: Target, limit_s: float, is_forced: bool) -> Awaitable[T]:
            return desk.call(target, operation, execution, limit_s, force=is_forced)

        return self._failover.run(targets, operation, execution, ask)

    async def stream(
        self, targets: Sequence[Target], operation: StreamOperation, execution: Execution
    ) -> AsyncGenerator[StreamEvent, None]:
        """Get one answer piece by piece; whoever stops reading ends the upstream call.

        Targets are exchanged freely until the first piece of the answer is here, and never after.
        Usage is always among the events, before the end; it is marked as estimated where the
        provider does not report it.

        Parameters
        ----------
        targets : sequence of Target
            Whom to ask, in order; at least one.
        operation : StreamOperation
            What is done.
        execution : Execution
            Its limits, from `begin`.

        Yields
        ------
        StreamEvent
            The events; `Finish` is the last.

        Raises
        ------
        StreamInterruptedError
            If the stream breaks off after a piece was passed on.
        StrataError
            As `call`.
        """

        def ask(
            target: Target,
            limit_s: float,
            is_forced: bool,
        ) -> Awaitable[OpenStream]:
            attempt = desk.begin(target, operation, execution, force=is_forced)
            return open_stream(desk, attempt, operation, limit_s, rules.idle_timeout_s)

        desk, rules = self._desk, self._rules
        opened = await self._failover.run(targets, operation, execution, ask)
        events = opened.events()
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    async def execute(
        self,
        handler: Callable[..., Any] | Handler,
        query: str,
        context: Mapping[str, Any] | None = None,
        *,
        timeout_s: float | None = None,
        idempotent: bool = False,
        door: BlockingDoor | None = None,
    ) -> Any:
        """Call a handler within a time limit.

        Parameters
        ----------
        handler : callable
            Takes (query, context) or (query); sync or async. A sync one runs in a thread, which
            goes on if the time is over.
        query : str
            The query.
        context : mapping, optional
            The context.
        timeout_s : float, seconds, > 0, optional
            Limit over all calls and waits; None takes the engine's.
        idempotent : bool
            Whether it may be called again after it raised; what handlers do is their user's, so
            otherwise it is called once, whatever happens.
        door : BlockingDoor, optional
            Where sync handlers run; None takes threads of the engine's own.

        Returns
        -------
        Any
            What it returned.

        Raises
        ------
        HandlerError
            If it raised; the original is the cause.
        ExecutionTimeoutError
            If the time is over.
        SaturatedError
            If it is sync and no thread is free.
        InvalidInputError
            If it cannot be called like that, or the limit is out of its range.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        deadline = Deadline.after(limit_s, self._clock.now_s())
        call = handler if isinstance(handler, Handler) else adapt_handler(handler, None)
        retries = self._max_retries if idempotent else 0
        return await self._handlers.run(call, query, context or {}, deadline, retries, door=door)

    async def aclose(self) -> None:
        """Wait for what is still being written down, and let threads go."""
        await self._books.aclose()
        self._handlers.close()


def dollars(amount: Decimal | float | str | None) -> Decimal | None:
    """Return an amount exactly as it was written.

    Parameters
    ----------
    amount : Decimal or float or str, US dollars, or None
        The amount; a float is taken as it is written.

    Returns
    -------
    Decimal or None
        The amount; None if there is none.

    Raises
    ------
    InvalidInputError
        If it is no number.
    """
    if amount is None or isinstance(amount, Decimal):
        return amount
    try:
        return Decimal(repr(amount) if isinstance(amount, float) else amount)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise InvalidInputError(f"max_cost_usd must be a number >= 0, got {amount!r}") from error
