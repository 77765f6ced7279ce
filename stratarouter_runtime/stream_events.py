"""What arrives while a model is still answering.

A stream begins with `StreamStart` where the client knows anything by then, and ends with one
`Finish`. A client whose stream fails raises; `StreamError` is for places that can only send.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from stratarouter.errors import StrataError
    from stratarouter_runtime.conversation import FinishReason, Usage
    from stratarouter_runtime.types import ExecutionResult

__all__ = [
    "ExecutionEvent",
    "ExecutionFinished",
    "ExecutionStarted",
    "Finish",
    "StreamError",
    "StreamEvent",
    "StreamStart",
    "StreamWarning",
    "TextDelta",
    "ToolCallDelta",
    "UsageDelta",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStart:
    """The provider has begun; nothing of the answer is here yet."""

    model: str | None = None
    """Model that answers."""
    provider: str | None = None
    """Provider that answers."""
    request_id: str | None = None
    """The provider's name for the call."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the text."""

    text: str
    """The piece; whole characters, but not whole words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """The next piece of a tool call."""

    index: int
    """Which call of this answer, from 0; calls may alternate."""
    id: str | None = None
    """Name of the call; with its first piece."""
    name: str | None = None
    """Next piece of the tool's name."""
    arguments: str = ""
    """Next piece of the arguments."""


@dataclass(frozen=True, slots=True)
class UsageDelta:
    """What the call has used so far; each report replaces the one before."""

    usage: Usage
    """Totals, not differences."""
    cost_usd: float | None = None
    """Price of the call, US dollars, where the provider states it."""


@dataclass(frozen=True, slots=True)
class StreamWarning:
    """Something that could not be carried over, or was strange."""

    text: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The model has ended; only usage and warnings may follow."""

    reason: FinishReason = "stop"
    """Why."""


@dataclass(frozen=True, slots=True)
class StreamError:
    """The stream failed; nothing follows."""

    error: StrataError = field(compare=False)
    """What happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionStarted:
    """The bridge has decided; the first event of its streams."""

    execution_id: str
    """Unique name of the execution."""
    route_id: str | None
    """Route that is carried out; None if there is none."""
    confidence: float
    """Confidence of the decision, in (0, 1)."""


@dataclass(frozen=True, slots=True)
class ExecutionFinished:
    """The bridge is done; the last event of its streams."""

    result: ExecutionResult
    """The answer and how it came about, as `execute` would have returned it."""


StreamEvent: TypeAlias = (
    StreamStart | TextDelta | ToolCallDelta | UsageDelta | StreamWarning | Finish | StreamError
)
"""Whatever may arrive from a model."""

ExecutionEvent: TypeAlias = ExecutionStarted | StreamEvent | ExecutionFinished
"""Whatever may arrive from a bridge."""
