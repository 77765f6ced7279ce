"""What a client of the OpenAI wire format makes of each fault, written down by hand.

Nothing here asks the code under test. An outcome is what one call meets, without any repetition.
Waits are meant with `TIME_SCALE` at the upstream and `LIMITS` at the client.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from stratarouter_runtime.fake_upstream.answers import OK_SENTENCE
from stratarouter_runtime.fake_upstream.faults.catalogue import FAULTS
from stratarouter_runtime.provider_errors import (
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    ContentPolicyError,
    ContextWindowExceededError,
    InvalidAnswerError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderTimeoutError,
    QuotaExhaustedError,
    RateLimitedError,
    ServerError,
)

if TYPE_CHECKING:
    from stratarouter_runtime.errors import ProviderError
    from stratarouter_runtime.provider_errors import TimeoutPhase

__all__ = [
    "LIMITS",
    "PIECES",
    "TIMEOUT_S",
    "TIME_SCALE",
    "Cell",
    "Outcome",
    "cells",
    "outcome",
]

TIME_SCALE = 0.1
"""Of the upstream: something slow takes 1 s, a gap 3 s, a byte of a drip 0.1 s."""
LIMITS: dict[str, Any] = {
    "connect_timeout_s": 0.2,
    "first_byte_timeout_s": 0.3,
    "idle_timeout_s": 0.3,
}
"""Of the client, where time or a connection is at fault."""
TIMEOUT_S = 0.8
"""Of the whole call, then."""
PIECES = tuple(OK_SENTENCE[place : place + 4] for place in range(0, len(OK_SENTENCE), 4))
"""How a stream cuts its answer."""

Operation = Literal["complete", "stream", "embed"]
Bill = Literal["nothing", "part", "all", "any"]
OPERATIONS: tuple[Operation, ...] = ("complete", "stream", "embed")


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault that one kind of call meets."""

    fault: str
    """Its id."""
    variant: str
    """Its variant, "" for the usual one."""
    operation: Operation
    """The kind of call."""

    def __str__(self) -> str:
        return f"{self.name}-{self.operation}"

    @property
    def name(self) -> str:
        """Fault and variant."""
        return f"{self.fault}-{self.variant}" if self.variant else self.fault

    @property
    def kind(self) -> str:
        """Kind of the fault."""
        return FAULTS[self.fault].kind

    @property
    def is_timed(self) -> bool:
        """Whether `LIMITS` are meant."""
        return self.kind in {"connect", "time"} or self.fault == "late-success"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What comes of a call."""

    error: type[ProviderError] | None = None
    """The very class; None for an answer."""
    phase: TimeoutPhase | None = None
    """Phase of a timeout of ours."""
    retry_after_s: tuple[float, float] | None = None
    """Least and greatest wait that the error asks for."""
    text: str = OK_SENTENCE
    """Text of the answer, or what a stream delivers before it fails."""
    has_call: bool = False
    """Whether the answer is a call of a tool."""
    finish: str = "stop"
    """Why the answer ended."""
    estimated: bool = False
    """Whether its usage is a guess."""
    factor: int = 1
    """How many times the true usage is reported."""
    warning: str = ""
    """Part of a warning."""
    model_suffix: str = ""
    """What the answering model has at the end of its name."""
    calls: tuple[int, int] = (1, 1)
    """Least and greatest number of requests that the upstream sees."""
    bill: Bill = "all"
    """What the upstream bills."""
    longest_s: float = 30.0
    """Longest time that it may take, with room for a busy machine."""


def cells() -> list[Cell]:
    """Return every cell where the fault can happen."""
    return [
        Cell(fault.id, variant, operation)
        for fault in FAULTS.values()
        for variant in ("", *fault.variants)
        for operation in OPERATIONS
        if fault.applies(operation)
    ]


def outcome(cell: Cell) -> Outcome:
    """Return what comes of one call that meets the fault."""
    found = _TABLE.get(f"{cell.name}/{cell.operation}", _TABLE.get(cell.name))
    assert found is not None, f"no outcome is written down for {cell}"
    if cell.operation != "stream" and found.error is not None:
        found = replace(found, text="")
    return found


def _fails(error: type[ProviderError], bill: Bill = "nothing", **more: Any) -> Outcome:
    return Outcome(error=error, **{"bill": bill, "text": "", **more})


def _late(phase: TimeoutPhase, bill: Bill = "nothing", text: str = "", **more: Any) -> Outcome:
    limit_s = {"connect": 0.2, "first_byte": 0.3, "idle": 0.6, "total": TIMEOUT_S}[phase]
    settings: dict[str, Any] = {"text": text, "longest_s": limit_s + 1.0, **more}
    return Outcome(error=ProviderTimeoutError, phase=phase, bill=bill, **settings)


def _said(count: int) -> str:
    return "".join(PIECES[:count])


def _waits(least_s: float, most_s: float | None = None) -> Outcome:
    bounds = (least_s, least_s if most_s is None else most_s)
    return _fails(RateLimitedError, retry_after_s=bounds)


_SWAPPED = "".join((*PIECES[:2], PIECES[3], PIECES[2], *PIECES[4:]))
_TWICE = "".join((*PIECES[:3], PIECES[2], *PIECES[3:]))
_CALL = Outcome(text="", has_call=True, finish="tool_calls")
_UNSAID = Outcome(finish="unknown")

_TABLE: dict[str, Outcome] = {
    # Connections.
    "refused": _fails(ConnectionFailedError, calls=(0, 0)),
    "black-hole": _late("connect", calls=(0, 0)),
    # The kernel takes the connection up, so only the answer is late; nobody waits for it then.
    "slow-accept": _late("first_byte", "any", calls=(0, 1)),
    "reset": _fails(ConnectionFailedError, calls=(0, 0)),
    "tls-garbage": _fails(ConnectionFailedError, calls=(0, 0)),
    "half-close": _fails(ConnectionFailedError, calls=(0, 0)),
    # Statuses.
    "status-302": _fails(NotFoundError),
    "status-400": _fails(BadRequestError),
    "status-400-context": _fails(ContextWindowExceededError),
    "status-400-content": _fails(ContentPolicyError),
    "status-401": _fails(AuthenticationError),
    "status-403": _fails(PermissionDeniedError),
    "status-404": _fails(NotFoundError),
    "status-408": _fails(ProviderTimeoutError),
    "status-409": _fails(ServerError),
    "status-413": _fails(ContextWindowExceededError),
    "status-422": _fails(BadRequestError),
    "status-429": _fails(RateLimitedError),
    "status-429-seconds": _waits(1.0),
    "status-429-ms": _waits(1.0),
    "status-429-date": _waits(0.0, 2.0),
    "status-429-absurd": _waits(3600.0),
    "status-429-negative": _waits(0.0),
    "status-429-quota": _fails(QuotaExhaustedError),
    "status-500": _fails(ServerError),
    "status-502": _fails(ServerError),
    "status-503": _fails(OverloadedError),
    "status-504": _fails(ServerError),
    "status-529": _fails(OverloadedError),
    # Bodies.
    "empty-200": _fails(InvalidAnswerError),
    "truncated-json": _fails(InvalidAnswerError, "all"),
    "truncated-json/stream": _fails(InvalidAnswerError, "part", text=_said(2)),
    "truncated-json-closed": _fails(ConnectionFailedError, "all"),
    "truncated-json-closed/stream": _fails(ConnectionFailedError, "part", text=_said(2)),
    "wrong-content-type": _fails(InvalidAnswerError, "all"),
    "wrong-content-type/stream": _fails(InvalidAnswerError, "any"),
    "large-body": _fails(InvalidAnswerError, "all"),
    "large-body/stream": _fails(InvalidAnswerError, "any"),
    "invalid-utf8": _fails(InvalidAnswerError, "all"),
    "invalid-utf8/stream": _fails(InvalidAnswerError, "any"),
    "duplicate-keys": Outcome(),
    "nan": _fails(InvalidAnswerError, "all"),
    "nan/stream": _fails(InvalidAnswerError, "any"),
    "error-in-200": _fails(ServerError),
    "usage-missing": Outcome(estimated=True),
    "usage-wrong": Outcome(estimated=True, warning="usage"),
    "usage-wrong-inflated": Outcome(factor=1000),
    "usage-wrong-sum": Outcome(),
    # Time.
    "slow-headers": _late("first_byte"),
    "slow-first-token": _late("first_byte", "part"),
    "slow-second-chunk": _late("idle", "part", _said(1)),
    "idle-gap": _late("idle", "all"),
    "idle-gap/stream": _late("idle", "part", _said(2)),
    "drip": _late("total", "all"),
    "drip/stream": _late("total", "part"),
    "never-ends": _late("total", "all"),
    "never-ends/stream": _late("total", "any", OK_SENTENCE),
    # Streams.
    "cut": _fails(ConnectionFailedError, "part", text=_said(2)),
    **{
        f"cut-{count}": _fails(ConnectionFailedError, "part", text=_said(count))
        for count in (0, 1, 2, 3, 5, 8)
    },
    "cut-reset": _fails(ConnectionFailedError, "part", text=_said(2)),
    "no-done": Outcome(),
    "done-then-more": Outcome(),
    "broken-line": _fails(InvalidAnswerError, "any", text=_said(2)),
    "error-first": _fails(ServerError),
    "error-mid": _fails(ServerError, "part", text=_said(2)),
    "split-utf8": Outcome(),
    "crlf-mix": Outcome(),
    "comments": Outcome(),
    "tool-name-split": _CALL,
    "arguments-split": _CALL,
    "two-choices": Outcome(warning="more than one answer"),
    "usage-in-choices": Outcome(),
    "finish-missing": _UNSAID,
    "finish-unknown": _UNSAID,
    # Chunks bear no numbers, so nobody can tell.
    "reordered": Outcome(text=_SWAPPED),
    "duplicated": Outcome(text=_TWICE),
    # States.
    "late-success": _late("first_byte"),
    "answers-twice": Outcome(),
    "changes-model": Outcome(model_suffix="-other"),
    "limit-reset": _waits(1.0),
    "limit-reset-early": _waits(1000.0),
}
# It goes on without anybody waiting, and costs all of it.
_TABLE["late-success"] = replace(_TABLE["late-success"], bill="all")
