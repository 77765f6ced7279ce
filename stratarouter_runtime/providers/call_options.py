"""Reading what the methods of the registry are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from stratarouter.errors import InvalidInputError, nearest_name_hint
from stratarouter_runtime.conversation import CompletionRequest
from stratarouter_runtime.embeddings import EmbeddingRequest
from stratarouter_runtime.policies.pricing import PriceTable
from stratarouter_runtime.policies.request_checks import check_embedding_request, check_request
from stratarouter_runtime.policies.request_parsing import parse_messages, parse_request
from stratarouter_runtime.types import ANONYMOUS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from stratarouter_runtime.conversation import Message
    from stratarouter_runtime.execution.engine import ExecutionEngine
    from stratarouter_runtime.execution.operations import Execution
    from stratarouter_runtime.policies.pricing import ModelPrice, PriceSource
    from stratarouter_runtime.policies.selection import SelectionStrategy
    from stratarouter_runtime.policies.targets import FallbackChains
    from stratarouter_runtime.types import Partition

__all__ = [
    "CallOptions",
    "begun_execution",
    "check_options",
    "completion_request",
    "embedding_request",
    "price_source",
]


class CallOptions(TypedDict, total=False):
    """What can be said about any call."""

    model: str
    """Model of the targets that name none themselves."""
    params: Mapping[str, Any]
    """Sampling parameters by their usual names; with ``messages`` or ``texts`` only."""
    strategy: SelectionStrategy
    """How the targets of `primary` are ordered; the registry's own unless said."""
    chains: FallbackChains
    """Targets for conversations that are too long, and for refused content."""
    timeout_s: float
    """Limit over all attempts, waits and fallbacks, seconds, > 0."""
    max_cost_usd: Decimal | float | str
    """The most that all attempts may cost together, US dollars, >= 0."""
    partition: Partition
    """Whose money it is; nobody's in particular unless said."""
    route_id: str
    """Route that is carried out, for budgets and accounts."""
    execution_id: str
    """Unique name of the execution in accounts and telemetry."""
    execution: Execution
    """What `ExecutionEngine.begin` returned, instead of limits and names; it can be read after."""


def check_options(options: CallOptions) -> None:
    """Refuse options that there are not.

    Parameters
    ----------
    options : CallOptions
        The options.

    Raises
    ------
    InvalidInputError
        If there is one too many; the message names it.
    """
    known = CallOptions.__optional_keys__
    for name in options:
        if name not in known:
            hint = nearest_name_hint(name, known)
            raise InvalidInputError(
                f"there is no option {name!r}{hint}; sampling parameters go into params="
            )


def begun_execution(
    engine: ExecutionEngine, options: CallOptions, chains: FallbackChains | None
) -> Execution:
    """Return the execution that was handed in, or begin one.

    Parameters
    ----------
    engine : ExecutionEngine
        Who makes the call.
    options : CallOptions
        Its limits and names, or the execution.
    chains : FallbackChains or None
        Targets for special failures, checked.

    Returns
    -------
    Execution
        The execution.

    Raises
    ------
    InvalidInputError
        If there are both an execution and limits, or a limit is out of its range.
    """
    execution = options.get("execution")
    if execution is None:
        return engine.begin(
            timeout_s=options.get("timeout_s"),
            max_cost_usd=options.get("max_cost_usd"),
            partition=options.get("partition", ANONYMOUS),
            route_id=options.get("route_id"),
            execution_id=options.get("execution_id"),
            chains=chains,
        )
    for name in ("timeout_s", "max_cost_usd", "partition", "route_id", "execution_id"):
        if name in options:
            raise InvalidInputError(f"{name}= belongs to the execution= that is given")
    if chains is not None:
        execution.chains = chains
    return execution


def completion_request(
    messages: str | Sequence[Message | Mapping[str, Any]] | None,
    request: CompletionRequest | Mapping[str, Any] | None,
    options: CallOptions,
) -> CompletionRequest:
    """Return the request, checked.

    Parameters
    ----------
    messages : str or sequence of Message or mapping, optional
        The conversation.
    request : CompletionRequest or mapping, optional
        The whole request.
    options : CallOptions
        ``model`` and ``params`` belong to `messages`.

    Returns
    -------
    CompletionRequest
        The request.

    Raises
    ------
    InvalidInputError
        If there are both or neither, or nobody could answer it.
    """
    _require_one("messages", messages, request, options)
    if messages is None:
        asked = parse_request(request)
    else:
        asked = CompletionRequest(
            messages=parse_messages(messages),
            model=options.get("model"),
            params=options.get("params", {}),
        )
    check_request(asked)
    return asked


def embedding_request(
    texts: str | Sequence[str] | None,
    request: EmbeddingRequest | None,
    dimensions: int | None,
    options: CallOptions,
) -> EmbeddingRequest:
    """Return the request, checked.

    Parameters
    ----------
    texts : str or sequence of str, optional
        The texts.
    request : EmbeddingRequest, optional
        The whole request.
    dimensions : int, >= 1, optional
        Width that is asked for.
    options : CallOptions
        ``model`` and ``params`` belong to `texts`.

    Returns
    -------
    EmbeddingRequest
        The request.

    Raises
    ------
    InvalidInputError
        If there are both or neither, or nobody could answer it.
    """
    _require_one("texts", texts, request, options)
    if texts is None:
        asked: object = request
    else:
        asked = EmbeddingRequest(
            texts=(texts,) if isinstance(texts, str) else tuple(texts),
            model=options.get("model"),
            dimensions=dimensions,
            params=options.get("params", {}),
        )
    if not isinstance(asked, EmbeddingRequest):
        raise InvalidInputError(f"request must be an EmbeddingRequest, got {asked!r:.80}")
    check_embedding_request(asked)
    return asked


def price_source(
    prices: PriceSource | Mapping[str, ModelPrice | Mapping[str, Any]] | None,
) -> PriceSource | None:
    """Return who knows prices.

    Parameters
    ----------
    prices : PriceSource or mapping, optional
        A source, or what `PriceTable` reads.

    Returns
    -------
    PriceSource or None
        The source; None if there are no prices.

    Raises
    ------
    InvalidInputError
        If a price is malformed.
    """
    return PriceTable(prices) if isinstance(prices, Mapping) else prices


def _require_one(
    name: str, parts: object | None, request: object | None, options: CallOptions
) -> None:
    if (parts is None) == (request is None):
        raise InvalidInputError(f"pass either {name}= or request=, one of them")
    if request is not None:
        for entry in ("model", "params"):
            if entry in options:
                raise InvalidInputError(f"{entry}= belongs into the request= that is given")
