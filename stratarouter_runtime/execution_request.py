"""What a caller asked for, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stratarouter.errors import InvalidInputError
from stratarouter.types import RouteResult
from stratarouter_runtime.errors import InvalidContextError
from stratarouter_runtime.types import Partition

if TYPE_CHECKING:
    from stratarouter_runtime.execution.deadline import Deadline

__all__ = ["ExecutionRequest", "make_request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRequest:
    """What a caller asked for, checked."""

    execution_id: str
    """Unique name of the execution."""
    query: str
    """The query."""
    context: Mapping[str, Any]
    """The context as it was given."""
    partition: Partition
    """Whose execution it is."""
    decision: RouteResult | None
    """The decision, if it was taken before."""
    embedding: Any
    """Embedding of the query, if the caller has it."""
    started_s: float
    """When it began."""
    deadline: Deadline
    """When it ends at the latest."""
    added: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the context that the route's enrichment added; they are in `context` as well."""


def make_request(
    subject: RouteResult | str | None,
    context: Mapping[str, Any] | None,
    *,
    query: str | None,
    decision: RouteResult | None,
    embedding: Any,
    execution_id: str,
    started_s: float,
    deadline: Deadline,
) -> ExecutionRequest:
    """Check what `execute` was given.

    Parameters
    ----------
    subject : RouteResult or str, optional
        A decision or a query, by position.
    context : mapping, optional
        The context.
    query : str, optional
        The query, by name; wins over the decision's own.
    decision : RouteResult, optional
        The decision, by name.
    embedding : array_like, shape (d,), optional
        Embedding of the query.
    execution_id : str
        Unique name of the execution.
    started_s : float
        When it began.
    deadline : Deadline
        When it ends at the latest.

    Returns
    -------
    ExecutionRequest
        The request.

    Raises
    ------
    InvalidInputError
        If there is no query, or a thing is given twice.
    InvalidContextError
        If the context is no mapping with str keys, or its identities are unusable.
    """
    if isinstance(subject, RouteResult):
        decision = _only("decision", subject, decision)
    elif isinstance(subject, str):
        query = _only("query", subject, query)
    elif subject is not None:
        raise InvalidInputError(
            f"execute takes a RouteResult or a query text, got a {type(subject).__name__}"
        )
    if decision is not None and not isinstance(decision, RouteResult):
        raise InvalidInputError(f"decision must be a RouteResult, got a {type(decision).__name__}")
    text: object = query if query is not None or decision is None else decision.query
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputError(
            "there is no query text to execute; pass query=..., "
            "or a decision that was made by router.route(query, ...)"
        )
    checked = _checked_context(context)
    return ExecutionRequest(
        execution_id=execution_id,
        query=text,
        context=checked,
        partition=Partition.from_context(checked),
        decision=decision,
        embedding=embedding,
        started_s=started_s,
        deadline=deadline,
    )


def _only(name: str, by_position: Any, by_name: Any) -> Any:
    if by_name is not None and by_name is not by_position and by_name != by_position:
        raise InvalidInputError(f"{name} is given twice, by position and by name; pass it once")
    return by_position


def _checked_context(context: object) -> Mapping[str, Any]:
    if context is None:
        return {}
    if not isinstance(context, Mapping):
        raise InvalidContextError(
            f"context must be a mapping such as {{'user_id': ...}}, got a {type(context).__name__}"
        )
    for key in context:
        if not isinstance(key, str):
            raise InvalidContextError(f"the keys of a context are strings, got {key!r}")
    return context
