"""Answers that were given before: the same request is answered by the same bytes but its number.

Whoever measures a client sends one request thousands of times; wording each answer anew would
measure this server instead.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratarouter_runtime.fake_upstream.actions import Plan, Send

if TYPE_CHECKING:
    from stratarouter_runtime.fake_upstream.records import RequestRecord

__all__ = ["Templates"]

_MOST = 256
_LONGEST_BYTES = 8192
_HIGHEST_NUMBER = 1_000_000


@dataclass(frozen=True, slots=True)
class _Template:
    """The bytes of an answer, cut where its number stands."""

    parts: tuple[bytes, ...]
    input_tokens: int
    output_tokens: int
    wire: str
    operation: str
    model: str


class Templates:
    """Remembers the latest ordinary answers."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, bytes], _Template] = OrderedDict()

    def clear(self) -> None:
        """Forget them all."""
        self._known.clear()

    def find(self, record: RequestRecord) -> Plan | None:
        """Return the answer to a request that was answered before.

        Parameters
        ----------
        record : RequestRecord
            The request; format, operation and model are written there.

        Returns
        -------
        Plan or None
            None if it was not.
        """
        found = self._known.get((record.target, record.body))
        if found is None:
            return None
        record.wire, record.operation, record.model = found.wire, found.operation, found.model
        data = (b"%08d" % record.number).join(found.parts)
        return Plan((Send(data, found.input_tokens, found.output_tokens),), 200)

    def keep(self, record: RequestRecord, plan: Plan) -> None:
        """Remember an answer, if it is short and depends on nothing but the request.

        Parameters
        ----------
        record : RequestRecord
            The request.
        plan : Plan
            An answer without faults and waits.
        """
        number = b"%08d" % record.number
        sends = [action for action in plan.actions if isinstance(action, Send)]
        # Digits of the request could be taken for the number; so could those of vectors.
        clear = record.number < _HIGHEST_NUMBER and number not in record.body
        short = sum(len(send.data) for send in sends) <= _LONGEST_BYTES >= len(record.body)
        if not (clear and short) or record.operation == "embed" or len(sends) < len(plan.actions):
            return
        self._known[record.target, record.body] = _Template(
            parts=tuple(b"".join(send.data for send in sends).split(number)),
            input_tokens=sum(send.input_tokens for send in sends),
            output_tokens=sum(send.output_tokens for send in sends),
            wire=record.wire,
            operation=record.operation,
            model=record.model,
        )
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
