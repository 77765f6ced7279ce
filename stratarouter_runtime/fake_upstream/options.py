"""What can be set about a fake upstream."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from stratarouter.errors import InvalidInputError

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of a fake upstream.

    Raises
    ------
    InvalidInputError
        If a number is negative, not finite, or too large.
    """

    time_scale: float = 1.0
    """Factor for the waits of faults: 0.01 makes an idle gap of 30 s one of 0.3 s. Latencies
    that a model name asks for in milliseconds are not scaled."""
    latency_ms: float = 0.0
    """Wait before every answer, milliseconds."""
    default: str = "echo"
    """Script of model names that are no scripts."""
    embedding_dimension: int = 8
    """Width of embeddings where the request does not ask for one."""
    large_body_bytes: int = 50_000_000
    """Size of the body of the fault `large-body`."""
    max_body_bytes: int = 16 * 1024 * 1024
    """Largest body of a request; beyond it the answer is 413."""
    keep_requests: int = 10_000
    """How many requests and connections are remembered; totals count all of them."""
    retry_after_s: float = 1.0
    """What `Retry-After` says where the variant of the fault does not fix it, seconds."""

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "default":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InvalidInputError(f"{field.name} must be a number, not {value!r}")
            if not math.isfinite(value) or value < 0:
                raise InvalidInputError(f"{field.name} must be finite and >= 0, not {value!r}")
        for name in ("embedding_dimension", "keep_requests"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} must be at least 1")
