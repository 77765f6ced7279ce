"""What people say about answers, and which executions they can say it about."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratarouter_runtime.context_errors import UnknownExecutionError

if TYPE_CHECKING:
    from stratarouter_runtime.types import Partition

__all__ = ["FeedbackBook", "RememberedExecution"]


@dataclass(slots=True, kw_only=True)
class RememberedExecution:
    """An execution as far as feedback needs it."""

    query: str
    """The query."""
    partition: Partition
    """Who shares the answer."""
    cache_key: str | None = None
    """Name under which the answer may be kept; None if it may not."""
    asked: tuple[str, str | None] | None = None
    """Provider and model that answered, as they were asked; None for a handler, or nobody."""
    answer_ok: bool | None = None
    """What was said about the answer; None if nothing was."""


class FeedbackBook:
    """The latest executions, and the queries that people have labelled; both bounded.

    Parameters
    ----------
    max_executions : int, >= 0
        Most of either; beyond it the oldest go.
    """

    def __init__(self, max_executions: int) -> None:
        self._max = max_executions
        self._executions: OrderedDict[str, RememberedExecution] = OrderedDict()
        self._labels: OrderedDict[str, tuple[str, str | None]] = OrderedDict()

    def remember(self, execution_id: str, execution: RememberedExecution) -> None:
        """Remember an execution.

        Parameters
        ----------
        execution_id : str
            Its name.
        execution : RememberedExecution
            What to remember.
        """
        self._executions[execution_id] = execution
        if len(self._executions) > self._max:
            self._executions.popitem(last=False)

    def get(self, execution_id: str) -> RememberedExecution:
        """Return an execution.

        Parameters
        ----------
        execution_id : str
            Its name.

        Returns
        -------
        RememberedExecution
            The execution.

        Raises
        ------
        UnknownExecutionError
            If it is not remembered.
        """
        execution = self._executions.get(execution_id)
        if execution is None:
            raise UnknownExecutionError(execution_id, self._max)
        return execution

    def label(self, execution_id: str, query: str, route_id: str | None) -> None:
        """Note where a query belongs; a later word goes before an earlier one.

        Parameters
        ----------
        execution_id : str
            Execution that it is about.
        query : str
            Its query.
        route_id : str or None
            Where it belongs; None for nowhere.
        """
        self._labels[execution_id] = (query, route_id)
        self._labels.move_to_end(execution_id)
        if len(self._labels) > self._max:
            self._labels.popitem(last=False)

    def labelled(self) -> tuple[list[str], list[str | None]]:
        """Return the labelled queries, oldest label first.

        Returns
        -------
        queries : list of str
            The queries.
        labels : list of str or None
            Where each belongs; None for nowhere.
        """
        pairs = list(self._labels.values())
        return [query for query, _ in pairs], [label for _, label in pairs]
