"""What can go wrong between the runtime and a provider.

The kinds of `ProviderError`, and what concerns several providers or none::

    ProviderError (RuntimeError)
    ├── AuthenticationError
    ├── PermissionDeniedError
    ├── BadRequestError
    │   ├── ContextWindowExceededError
    │   └── ContentPolicyError
    ├── NotFoundError
    ├── RateLimitedError
    │   └── QuotaExhaustedError
    ├── ServerError
    │   └── OverloadedError
    ├── ConnectionFailedError
    ├── ProviderTimeoutError
    ├── InvalidAnswerError
    ├── StreamInterruptedError
    └── CircuitOpenError

    StrataError
    ├── AllTargetsFailedError (RuntimeError)
    └── InvalidInputError (ValueError)
        └── UnsupportedOperationError

``retryable`` says that the same call to the same target may succeed later, ``failover`` that
another target may succeed now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stratarouter.errors import InvalidInputError, StrataError
from stratarouter_runtime.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AllTargetsFailedError",
    "AttemptFailure",
    "AuthenticationError",
    "BadRequestError",
    "CircuitOpenError",
    "ConnectionFailedError",
    "ContentPolicyError",
    "ContextWindowExceededError",
    "InvalidAnswerError",
    "NotFoundError",
    "OverloadedError",
    "PermissionDeniedError",
    "ProviderTimeoutError",
    "QuotaExhaustedError",
    "RateLimitedError",
    "ServerError",
    "StreamInterruptedError",
    "TimeoutPhase",
    "UnsupportedOperationError",
]

TimeoutPhase = Literal["connect", "first_byte", "idle", "total"]
"""What took too long: the connection, the beginning of the answer, a pause in it, or all of it."""


class AuthenticationError(ProviderError):
    """The provider does not accept the key; other targets have keys of their own."""

    code: ClassVar[str] = "PROVIDER_AUTHENTICATION"
    retryable: ClassVar[bool] = False


class PermissionDeniedError(ProviderError):
    """The key may not do this; other targets have keys of their own."""

    code: ClassVar[str] = "PROVIDER_PERMISSION_DENIED"
    retryable: ClassVar[bool] = False


class BadRequestError(ProviderError):
    """The provider does not understand the request; no other would, so none is asked."""

    code: ClassVar[str] = "PROVIDER_BAD_REQUEST"
    retryable: ClassVar[bool] = False
    failover: ClassVar[bool] = False


class ContextWindowExceededError(BadRequestError):
    """The conversation is longer than the model can take; one with a longer window may do."""

    code: ClassVar[str] = "CONTEXT_WINDOW_EXCEEDED"
    failover: ClassVar[bool] = True


class ContentPolicyError(BadRequestError):
    """The provider refuses the content; only targets named for this case are asked instead."""

    code: ClassVar[str] = "CONTENT_POLICY"


class NotFoundError(ProviderError):
    """There is no such model or address at the provider."""

    code: ClassVar[str] = "PROVIDER_NOT_FOUND"
    retryable: ClassVar[bool] = False


class RateLimitedError(ProviderError):
    """The provider takes no more calls for now."""

    code: ClassVar[str] = "PROVIDER_RATE_LIMITED"


class QuotaExhaustedError(RateLimitedError):
    """The account has no credit left; waiting does not help."""

    code: ClassVar[str] = "PROVIDER_QUOTA_EXHAUSTED"
    retryable: ClassVar[bool] = False


class ServerError(ProviderError):
    """The provider failed on its side."""

    code: ClassVar[str] = "PROVIDER_SERVER_ERROR"


class OverloadedError(ServerError):
    """The provider has more to do than it can."""

    code: ClassVar[str] = "PROVIDER_OVERLOADED"


class ConnectionFailedError(ProviderError):
    """No connection came about, or it broke before an answer began."""

    code: ClassVar[str] = "PROVIDER_CONNECTION"


class InvalidAnswerError(ProviderError):
    """The provider answered something that is no answer."""

    code: ClassVar[str] = "PROVIDER_INVALID_ANSWER"


class ProviderTimeoutError(ProviderError):
    """The provider took longer than an attempt may take.

    Parameters
    ----------
    provider : str
        Name of the provider.
    timeout_s : float, seconds, > 0
        The limit that passed.
    phase : {"connect", "first_byte", "idle", "total"}
        What took too long.
    model : str, optional
        Model that was asked.
    status : int, optional
        HTTP status, if an answer had begun or said so.
    request_id : str, optional
        The provider's name for the call.
    """

    code: ClassVar[str] = "PROVIDER_TIMEOUT"

    def __init__(
        self,
        provider: str,
        timeout_s: float,
        phase: TimeoutPhase = "total",
        *,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        said = {
            "connect": "could not be connected to",
            "first_byte": "did not begin to answer",
            "idle": "said nothing more",
            "total": "did not answer",
        }
        message = f"{said[phase]} within {timeout_s:g} s"
        super().__init__(provider, message, model=model, status=status, request_id=request_id)
        self.timeout_s = timeout_s
        self.phase = phase


class StreamInterruptedError(ProviderError):
    """A stream broke off after a part of it was passed on, so nobody else may continue it.

    Parameters
    ----------
    provider : str
        Name of the provider.
    message : str
        What happened.
    delivered : str
        The text that had been passed on.
    model : str, optional
        Model that was answering.
    status : int, optional
        HTTP status of the answer.
    request_id : str, optional
        The provider's name for the call.
    """

    code: ClassVar[str] = "STREAM_INTERRUPTED"
    retryable: ClassVar[bool] = False
    failover: ClassVar[bool] = False

    def __init__(
        self,
        provider: str,
        message: str,
        delivered: str,
        *,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        sentence = f"the stream broke off after {len(delivered)} characters: {message}"
        super().__init__(provider, sentence, model=model, status=status, request_id=request_id)
        self.delivered = delivered


class CircuitOpenError(ProviderError):
    """The target failed so often lately that it is left alone; no call was made.

    Parameters
    ----------
    provider : str
        Name of the provider.
    retry_after_s : float, seconds, >= 0
        When it will be tried again.
    model : str, optional
        Model that was to be asked.
    """

    code: ClassVar[str] = "CIRCUIT_OPEN"
    retryable: ClassVar[bool] = False
    origin: ClassVar[Literal["ours", "handler", "provider"]] = "ours"

    def __init__(self, provider: str, retry_after_s: float, *, model: str | None = None) -> None:
        message = f"left alone for {retry_after_s:.3g} s more after repeated failures"
        super().__init__(provider, message, model=model, retry_after_s=retry_after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailure:
    """One attempt that failed."""

    provider: str
    """Provider that was asked."""
    model: str | None
    """Model that was asked."""
    error: StrataError
    """What happened."""
    duration_s: float = 0.0
    """How long it took, seconds."""


class AllTargetsFailedError(StrataError, RuntimeError):
    """Every target that could be asked failed; the last failure is the ``__cause__``.

    Parameters
    ----------
    attempts : sequence of AttemptFailure
        What was tried, oldest first; at least one.
    """

    code: ClassVar[str] = "ALL_TARGETS_FAILED"
    retryable: ClassVar[bool] = True
    origin: ClassVar[Literal["ours", "handler", "provider"]] = "provider"

    def __init__(self, attempts: Sequence[AttemptFailure]) -> None:
        self.attempts = tuple(attempts)
        tried = "; ".join(
            f"{entry.provider}/{entry.model or 'default'}: {entry.error.code}"
            for entry in self.attempts
        )
        super().__init__(f"no target answered ({tried}); .attempts holds the errors")


class UnsupportedOperationError(InvalidInputError):
    """A provider cannot do what it is asked for at all.

    Parameters
    ----------
    provider : str
        Name of the provider.
    operation : str
        What it cannot do: "embeddings", for instance.
    """

    code: ClassVar[str] = "UNSUPPORTED_OPERATION"
    failover: ClassVar[bool] = True

    def __init__(self, provider: str, operation: str) -> None:
        super().__init__(f"provider {provider!r} has no {operation}; ask another one")
        self.provider = provider
        self.operation = operation
