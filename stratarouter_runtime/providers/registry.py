"""The registry: clients by name, and calls that go to whoever can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratarouter.errors import InvalidInputError
from stratarouter_runtime.execution.engine import ExecutionEngine
from stratarouter_runtime.ledger.memory import MemoryLedger
from stratarouter_runtime.policies.selection import TargetSelector
from stratarouter_runtime.providers.call_options import (
    begun_execution,
    check_options,
    completion_request,
    embedding_request,
    price_source,
)
from stratarouter_runtime.providers.client_table import ClientTable
from stratarouter_runtime.providers.operations import (
    CompleteOperation,
    EmbedOperation,
    StreamingOperation,
)
from stratarouter_runtime.providers.resolving import TargetResolver
from stratarouter_runtime.providers.target_health import target_health
from stratarouter_runtime.telemetry.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence
    from typing import Unpack

    from stratarouter_runtime.conversation import Completion, CompletionRequest, Message
    from stratarouter_runtime.embeddings import EmbeddingAnswer, EmbeddingRequest
    from stratarouter_runtime.execution.operations import Execution, Operation
    from stratarouter_runtime.ledger.budgets import Budget
    from stratarouter_runtime.policies.pricing import ModelPrice, PriceSource
    from stratarouter_runtime.policies.selection import SelectionStrategy
    from stratarouter_runtime.policies.targets import AliasTable, Target, TargetKey
    from stratarouter_runtime.protocols import Clock, EventSink, LLMClient
    from stratarouter_runtime.provider_protocol import EventStream, ModelClient
    from stratarouter_runtime.providers.call_options import CallOptions
    from stratarouter_runtime.providers.resolving import Names
    from stratarouter_runtime.providers.target_health import TargetHealth

__all__ = ["LLMClientRegistry"]

_MAX_REMEMBERED = 4096


class LLMClientRegistry:
    """Clients by name, behind one face, with retries, fallbacks and accounts.

    Belongs to one event loop.

    Parameters
    ----------
    engine : ExecutionEngine, optional
        What makes the calls; None makes one with the published defaults and accounts in memory.
    aliases : mapping of str to str or sequence of str, optional
        Names for targets ("provider/model"), for other aliases, and for groups of either.
    prices : PriceSource or mapping, optional
        What calls cost; a mapping is read by `PriceTable`. Without prices costs are None.
    budgets : iterable of Budget
        Limits that are kept by the accounts in memory.
    strategy : {"priority", "round_robin", "weighted", "least_latency", "health"}
        How the targets behind `primary` are ordered.
    events : iterable of EventSink
        Where telemetry goes.
    clock : Clock, optional
        Where the time comes from; None takes that of the machine.

    Raises
    ------
    InvalidInputError
        If an alias leads back to itself, the strategy is unknown, or an engine has its own already.

    Examples
    --------
    >>> import asyncio
    >>> from stratarouter_runtime.providers.scripted import EchoClient
    >>> registry = LLMClientRegistry(prices={"echo/*": {"input_usd": 0}})
    >>> registry.register("echo", EchoClient())
    >>> asyncio.run(registry.complete("echo", messages="Hello")).content
    'Hello'
    """

    def __init__(
        self,
        engine: ExecutionEngine | None = None,
        *,
        aliases: AliasTable | None = None,
        prices: PriceSource | Mapping[str, ModelPrice | Mapping[str, Any]] | None = None,
        budgets: Iterable[Budget] = (),
        strategy: SelectionStrategy = "priority",
        events: Iterable[EventSink] = (),
        clock: Clock | None = None,
    ) -> None:
        budgets, events = tuple(budgets), tuple(events)
        if engine is None:
            clock = SystemClock() if clock is None else clock
            self._ledger: MemoryLedger | None = MemoryLedger(clock, budgets)
            engine = ExecutionEngine(journal=self._ledger, events=events, clock=clock)
        elif (budgets, events, clock) != ((), (), None):
            raise InvalidInputError("give budgets, events and clock to the engine, which has them")
        else:
            self._ledger = None
        TargetSelector(strategy, engine.stats)  # Refuses an unknown name.
        self._engine = engine
        self._strategy: SelectionStrategy = strategy
        self._prices = price_source(prices)
        self._aliases = dict(aliases or {})
        self._table = ClientTable()
        self._resolver = TargetResolver(self._table.entries, self._aliases, engine.stats)
        # Breaker by target, of those that were asked.
        self._known: dict[TargetKey, Hashable] = {}

    @property
    def engine(self) -> ExecutionEngine:
        """What makes the calls."""
        return self._engine

    @property
    def ledger(self) -> MemoryLedger | None:
        """The accounts in memory; None if an engine was given, which has its own."""
        return self._ledger

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the registered clients, in order."""
        return tuple(self._table.entries)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.providers)}; {self._strategy})"

    def register(
        self,
        name: str,
        client: ModelClient | LLMClient,
        *,
        weight: float = 1.0,
        timeout_s: float | None = None,
        models: Iterable[str] | None = None,
        replace: bool = False,
    ) -> None:
        """Give a client a name.

        Parameters
        ----------
        name : str
            Its name; without a slash, which divides provider and model.
        client : ModelClient or LLMClient
            The client, or anything with ``async def complete(request)``.
        weight : float, >= 0
            Its share of the traffic where targets are weighted.
        timeout_s : float, seconds, > 0, optional
            Longest attempt; None has no limit of its own.
        models : iterable of str, optional
            Models that it has, so that others are refused at once; None: whatever it is asked for.
        replace : bool
            Whether it may take the place of another.

        Raises
        ------
        DuplicateBindingError
            If the name is taken.
        InvalidInputError
            If a value is out of its range, or it is no client.
        """
        self._table.add(
            name, client, weight=weight, timeout_s=timeout_s, models=models, replace=replace
        )
        self._resolver = TargetResolver(self._table.entries, self._aliases, self._engine.stats)
        self._known = {}

    def client(self, name: str) -> ModelClient:
        """Return a registered client.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        ModelClient
            The client, whole.

        Raises
        ------
        UnknownProviderError
            If there is none.
        """
        return self._table.get(name).client

    async def complete(
        self,
        primary: Names | None = None,
        fallback: Names = (),
        messages: str | Sequence[Message | Mapping[str, Any]] | None = None,
        *,
        request: CompletionRequest | Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> Completion:
        """Answer a conversation.

        Parameters
        ----------
        primary : str or Target or sequence of either, optional
            Whom to ask: "provider", "provider/model" or an alias; None takes the only client.
        fallback : str or Target or sequence of either
            Whom to ask after them, in order.
        messages : str or sequence of Message or mapping, optional
            The conversation, oldest message first.
        request : CompletionRequest or mapping, optional
            The whole request, instead of `messages`.
        **options : Unpack[CallOptions]
            Limits and particulars.

        Returns
        -------
        Completion
            The answer; ``provider`` says whose it is.

        Raises
        ------
        InvalidInputError
            If nobody could answer it, or a limit is out of its range; no call was made.
        UnknownProviderError
            If a name is not known; no call was made.
        StrataError
            What `ExecutionEngine.call` raises.
        """
        asked = completion_request(messages, request, options)
        targets, execution = self._prepare(primary, fallback, asked.model, options)
        operation = CompleteOperation(self._table.entries, asked, self._prices)
        self._remember(targets, operation)
        return await self._engine.call(targets, operation, execution)

    def stream(
        self,
        primary: Names | None = None,
        fallback: Names = (),
        messages: str | Sequence[Message | Mapping[str, Any]] | None = None,
        *,
        request: CompletionRequest | Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> EventStream:
        """Answer a conversation piece by piece; the time runs from here.

        Parameters
        ----------
        primary : str or Target or sequence of either, optional
            Whom to ask; None takes the only client.
        fallback : str or Target or sequence of either
            Whom to ask after them, as long as no piece of an answer was passed on.
        messages : str or sequence of Message or mapping, optional
            The conversation.
        request : CompletionRequest or mapping, optional
            The whole request, instead of `messages`.
        **options : Unpack[CallOptions]
            Limits and particulars.

        Returns
        -------
        EventStream
            The events: pieces, then usage, then `Finish`. Closing it ends the upstream call.
            Reading it raises what `complete` raises, and `StreamInterruptedError`.

        Raises
        ------
        InvalidInputError
            If nobody could answer it, or a limit is out of its range; no call was made.
        UnknownProviderError
            If a name is not known; no call was made.
        """
        asked = completion_request(messages, request, options)
        targets, execution = self._prepare(primary, fallback, asked.model, options)
        operation = StreamingOperation(self._table.entries, asked, self._prices)
        self._remember(targets, operation)
        return self._engine.stream(targets, operation, execution)

    async def embed(
        self,
        primary: Names | None = None,
        fallback: Names = (),
        texts: str | Sequence[str] | None = None,
        *,
        request: EmbeddingRequest | None = None,
        dimensions: int | None = None,
        **options: Unpack[CallOptions],
    ) -> EmbeddingAnswer:
        """Embed texts.

        Parameters
        ----------
        primary : str or Target or sequence of either, optional
            Whom to ask; None takes the only client.
        fallback : str or Target or sequence of either
            Whom to ask after them; embeddings of two models cannot be compared.
        texts : str or sequence of str, optional
            The texts.
        request : EmbeddingRequest, optional
            The whole request, instead of `texts`.
        dimensions : int, >= 1, optional
            Width that is asked for, with `texts`.
        **options : Unpack[CallOptions]
            Limits and particulars.

        Returns
        -------
        EmbeddingAnswer
            One row for each text, in order.

        Raises
        ------
        StrataError
            What `complete` raises.
        """
        asked = embedding_request(texts, request, dimensions, options)
        targets, execution = self._prepare(primary, fallback, asked.model, options)
        operation = EmbedOperation(self._table.entries, asked, self._prices)
        self._remember(targets, operation)
        return await self._engine.call(targets, operation, execution)

    def health(self) -> tuple[TargetHealth, ...]:
        """Return how the targets did that were named since the last registration.

        Returns
        -------
        tuple of TargetHealth
            One for each, in the order in which they were first named.
        """
        return tuple(
            target_health(self._engine, key, breaker_key)
            for key, breaker_key in self._known.items()
        )

    def feedback(self, provider: str, model: str | None = None, *, answer_ok: bool) -> None:
        """Count what a user says about an answer into the health of its target.

        Parameters
        ----------
        provider : str
            Name under which its client is registered.
        model : str, optional
            The model as it was named in the call; None if the call named none.
        answer_ok : bool
            Whether the answer was good.

        Raises
        ------
        UnknownProviderError
            If there is no such client.
        """
        self.client(provider)
        now_s = self._engine.clock.now_s()
        self._engine.stats.judged((provider, model), now_s, is_good=answer_ok)

    async def aclose(self) -> None:
        """Close the clients; a failure of one does not keep the others open.

        Raises
        ------
        StrataError
            What the first of them failed with.
        """
        await self._engine.aclose()
        await self._table.aclose()

    async def __aenter__(self) -> LLMClientRegistry:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def _prepare(
        self, primary: Names | None, fallback: Names, model: str | None, options: CallOptions
    ) -> tuple[tuple[Target, ...], Execution]:
        check_options(options)
        engine, chains = self._engine, options.get("chains")
        targets = self._resolver.ordered(
            primary,
            fallback,
            model,
            options.get("strategy", self._strategy),
            now_s=engine.clock.now_s(),
            random=engine.random,
        )
        checked = None if chains is None else self._resolver.chains(chains, model)
        return targets, begun_execution(engine, options, checked)

    def _remember(self, targets: tuple[Target, ...], operation: Operation) -> None:
        known = self._known
        for target in targets:
            if target.key not in known and len(known) < _MAX_REMEMBERED:
                known[target.key] = operation.breaker_key(target)
