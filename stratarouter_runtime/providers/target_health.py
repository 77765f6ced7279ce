"""What is known about how a target does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from stratarouter_runtime.execution.engine import ExecutionEngine
    from stratarouter_runtime.policies.circuit import CircuitState
    from stratarouter_runtime.policies.targets import TargetKey

__all__ = ["TargetHealth", "target_health"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHealth:
    """How a target did in the last minute."""

    provider: str
    """Its provider."""
    model: str | None
    """Its model; None for the client's own."""
    score: float
    """Successes per call, in [0, 1]; 1.0 without calls."""
    calls: int
    """How many calls that is."""
    latency_s: float
    """About how long a call takes, seconds; nearly 0 if nobody knows."""
    circuit: CircuitState
    """State of its breaker."""


def target_health(engine: ExecutionEngine, key: TargetKey, breaker_key: Hashable) -> TargetHealth:
    """Return how a target did.

    Parameters
    ----------
    engine : ExecutionEngine
        Who asked it.
    key : TargetKey
        The target.
    breaker_key : Hashable
        Its breaker.

    Returns
    -------
    TargetHealth
        The figures, of one moment.
    """
    now_s = engine.clock.now_s()
    score, calls = engine.stats.health(key, now_s)
    return TargetHealth(
        provider=key[0],
        model=key[1],
        score=score,
        calls=calls,
        latency_s=engine.stats.latency_s(key),
        circuit=engine.circuits.get(breaker_key, now_s).state(now_s),
    )
