"""The three things that the registry has the engine do, whichever client does them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Generic, TypeVar

from stratarouter_runtime.conversation import CompletionRequest
from stratarouter_runtime.embeddings import EmbeddingRequest
from stratarouter_runtime.execution.operations import Bill
from stratarouter_runtime.policies.pricing import price_call, price_ceiling
from stratarouter_runtime.policies.stream_assembly import StreamAssembler
from stratarouter_runtime.policies.usage import (
    ceiling_embedding_usage,
    ceiling_usage,
    estimate_embedding_usage,
    estimate_usage,
)
from stratarouter_runtime.provider_errors import UnsupportedOperationError
from stratarouter_runtime.providers.base import complete_within, embed_within, events_within

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from stratarouter_runtime.conversation import Completion, Usage
    from stratarouter_runtime.embeddings import EmbeddingAnswer
    from stratarouter_runtime.policies.pricing import PriceSource
    from stratarouter_runtime.policies.targets import Target
    from stratarouter_runtime.provider_protocol import EventStream, ModelClient
    from stratarouter_runtime.providers.client_table import RegisteredClient

__all__ = ["CompleteOperation", "EmbedOperation", "StreamingOperation"]

R = TypeVar("R", CompletionRequest, EmbeddingRequest)


class _ClientOperation(Generic[R]):
    """What the three have in common.

    Parameters
    ----------
    clients : mapping of str to RegisteredClient
        Clients by provider.
    request : CompletionRequest or EmbeddingRequest
        What is asked, checked.
    prices : PriceSource, optional
        What calls cost.
    """

    __slots__ = ("_clients", "_prices", "_request")

    def __init__(
        self,
        clients: Mapping[str, RegisteredClient],
        request: R,
        prices: PriceSource | None,
    ) -> None:
        self._clients = clients
        self._request: R = request
        self._prices = prices

    def breaker_key(self, target: Target) -> Hashable:
        """Return what shares a breaker: provider, model, and the client with its key.

        Parameters
        ----------
        target : Target
            Who is asked.

        Returns
        -------
        Hashable
            The key.
        """
        return target.provider, target.model, self._clients[target.provider].number

    def _client(self, target: Target) -> ModelClient:
        return self._clients[target.provider].client

    def _asked(self, target: Target) -> R:
        request = self._request
        if target.model == request.model:
            return request
        changed: R = replace(request, model=target.model)
        return changed

    def _priced_model(self, target: Target) -> str | None:
        if target.model is not None:
            return target.model
        return self._client(target).capabilities().default_model

    def _ceiling(self, target: Target, usage: Usage) -> Decimal | None:
        return price_ceiling(self._prices, target.provider, self._priced_model(target), usage)

    def _bill(
        self, target: Target, model: str | None, usage: Usage, stated_usd: float | None
    ) -> Bill:
        if stated_usd is not None:
            # Who sends the bill knows best.
            return Bill(Decimal(repr(float(stated_usd))), usage, model)
        cost_usd, warnings = price_call(
            self._prices,
            target.provider,
            model,
            usage,
            asked_model=self._priced_model(target),
        )
        return Bill(cost_usd, usage, model, warnings)


class CompleteOperation(_ClientOperation[CompletionRequest]):
    """Answering a conversation."""

    __slots__ = ()

    @property
    def what(self) -> str:
        """Name of it in messages."""
        return "the completion"

    def ceiling_usd(self, target: Target) -> Decimal | None:
        """Return the most that a call can cost.

        Parameters
        ----------
        target : Target
            Who is asked.

        Returns
        -------
        Decimal or None
            US dollars; None if the price is not known.
        """
        if self._prices is None:
            return None
        longest = self._client(target).capabilities(target.model).max_output_tokens
        return self._ceiling(target, ceiling_usage(self._request, longest))

    async def call(self, target: Target, timeout_s: float) -> tuple[Completion, Bill]:
        """Make the call, once.

        Parameters
        ----------
        target : Target
            Who is asked.
        timeout_s : float, seconds, > 0
            Longest time.

        Returns
        -------
        answer : Completion
            The answer, with its price.
        bill : Bill
            What it cost.

        Raises
        ------
        StrataError
            If there is no answer.
        """
        request = self._asked(target)
        answer = await complete_within(self._client(target), target.provider, request, timeout_s)
        bill = self.bill(target, answer)
        finished = replace(
            answer,
            cost_usd=None if bill.cost_usd is None else float(bill.cost_usd),
            provider=target.provider if answer.provider is None else answer.provider,
            warnings=(*answer.warnings, *bill.warnings),
            usage=bill.usage,
        )
        return finished, bill

    def bill(self, target: Target, answer: Completion) -> Bill:
        """Return what a finished answer cost.

        Parameters
        ----------
        target : Target
            Who answered.
        answer : Completion
            The answer.

        Returns
        -------
        Bill
            The price.
        """
        usage = answer.usage
        if usage.total_tokens == 0 and answer.cost_usd is None:
            # A report of nothing is none: every answer has at least read the question.
            usage = estimate_usage(self._request, answer.content, answer.tool_calls)
        return self._bill(target, answer.model, usage, answer.cost_usd)


class StreamingOperation(CompleteOperation):
    """Answering a conversation piece by piece."""

    __slots__ = ()

    @property
    def what(self) -> str:
        """Name of it in messages."""
        return "the stream"

    def open(self, target: Target, timeout_s: float) -> EventStream:
        """Make the call, once; nothing happens before the first event is asked for.

        Parameters
        ----------
        target : Target
            Who is asked.
        timeout_s : float, seconds, > 0
            Longest time for the whole stream.

        Returns
        -------
        EventStream
            The events.
        """
        request = self._asked(target)
        return events_within(self._client(target), target.provider, request, timeout_s)

    def assembler(self, target: Target) -> StreamAssembler:
        """Return what follows the events of one attempt.

        Parameters
        ----------
        target : Target
            Who is asked.

        Returns
        -------
        StreamAssembler
            A new one.
        """
        return StreamAssembler(target.provider, self._request)


class EmbedOperation(_ClientOperation[EmbeddingRequest]):
    """Embedding texts."""

    __slots__ = ()

    @property
    def what(self) -> str:
        """Name of it in messages."""
        return "the embedding"

    def ceiling_usd(self, target: Target) -> Decimal | None:
        """Return the most that a call can cost.

        Parameters
        ----------
        target : Target
            Who is asked.

        Returns
        -------
        Decimal or None
            US dollars; None if the price is not known.
        """
        if self._prices is None:
            return None
        return self._ceiling(target, ceiling_embedding_usage(self._request))

    async def call(self, target: Target, timeout_s: float) -> tuple[EmbeddingAnswer, Bill]:
        """Make the call, once.

        Parameters
        ----------
        target : Target
            Who is asked.
        timeout_s : float, seconds, > 0
            Longest time.

        Returns
        -------
        answer : EmbeddingAnswer
            The answer, with its price.
        bill : Bill
            What it cost.

        Raises
        ------
        StrataError
            If there is no answer.
        UnsupportedOperationError
            If the provider has no embeddings.
        """
        client, request = self._client(target), self._asked(target)
        if not client.capabilities(request.model).embeddings:
            raise UnsupportedOperationError(target.provider, "embeddings")
        answer = await embed_within(client, target.provider, request, timeout_s)
        usage = answer.usage
        if usage.total_tokens == 0 and answer.cost_usd is None:
            usage = estimate_embedding_usage(request)
        bill = self._bill(target, answer.model, usage, answer.cost_usd)
        finished = replace(
            answer,
            cost_usd=None if bill.cost_usd is None else float(bill.cost_usd),
            provider=target.provider if answer.provider is None else answer.provider,
            warnings=(*answer.warnings, *bill.warnings),
            usage=usage,
        )
        return finished, bill
