"""Exceptions and warnings of the runtime.

The tree continues the one of `stratarouter.errors`::

    StrataError
    ├── InvalidInputError (ValueError)
    │   ├── InvalidContextError
    │   ├── DuplicateBindingError
    │   └── UncacheableValueError
    ├── ConfigurationError (ValueError)
    │   └── FeatureUnavailableError
    ├── UnboundRouteError (RuntimeError)
    ├── UnknownProviderError (KeyError)
    ├── HandlerError (RuntimeError)
    ├── ProviderError (RuntimeError)
    ├── ExecutionTimeoutError (TimeoutError)
    ├── SaturatedError (RuntimeError)
    ├── CacheBackendError (RuntimeError)
    ├── BridgeClosedError (RuntimeError)
    └── BridgeLoopError (RuntimeError)

    RuntimeWarning
    └── FeatureNotBuiltWarning
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from stratarouter.errors import (
    ConfigurationError,
    InvalidInputError,
    StrataError,
    nearest_name_hint,
)
from stratarouter_runtime.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BridgeClosedError",
    "BridgeLoopError",
    "CacheBackendError",
    "DuplicateBindingError",
    "ExecutionTimeoutError",
    "FeatureNotBuiltWarning",
    "FeatureUnavailableError",
    "HandlerError",
    "InvalidContextError",
    "ProviderError",
    "SaturatedError",
    "UnboundRouteError",
    "UncacheableValueError",
    "UnknownProviderError",
]


class InvalidContextError(InvalidInputError):
    """The context of an execution is no mapping, or its identities are unusable."""

    code: ClassVar[str] = "INVALID_CONTEXT"


class DuplicateBindingError(InvalidInputError):
    """A route has a target already, or a provider a client.

    Parameters
    ----------
    what : str
        Kind of thing, as it appears in the message: "route" or "provider".
    name : str
        The name that is taken.
    """

    code: ClassVar[str] = "DUPLICATE_BINDING"

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{what} {name!r} is bound already; pass replace=True to change it")
        self.what = what
        self.name = name


class UncacheableValueError(InvalidInputError):
    """A value is not plain JSON data, so a cache could not give back an equal copy."""

    code: ClassVar[str] = "UNCACHEABLE_VALUE"


class FeatureUnavailableError(ConfigurationError):
    """The configuration asks for protection that this version does not have.

    Running without it would be unsafe, so the runtime refuses to start.

    Parameters
    ----------
    settings : iterable of str
        Names of the settings that ask for it.
    """

    code: ClassVar[str] = "FEATURE_UNAVAILABLE"

    def __init__(self, settings: Iterable[str]) -> None:
        self.settings = tuple(settings)
        names = ", ".join(self.settings)
        super().__init__(
            f"refusing to start without a protection that was asked for: {names}; "
            "this version does not have it, so switch the setting off "
            "or put the protection in front of the process"
        )


class UnboundRouteError(StrataError, RuntimeError):
    """A query was routed, but nothing is bound to the route.

    Parameters
    ----------
    route_id : str
        The route without a target.
    bound : iterable of str
        Routes that have one, for the hint in the message.
    """

    code: ClassVar[str] = "UNBOUND_ROUTE"

    def __init__(self, route_id: str, bound: Iterable[str] = ()) -> None:
        super().__init__(
            f"nothing is bound to route {route_id!r}{nearest_name_hint(route_id, bound)}; "
            f"call bridge.bind({route_id!r}, handler=...) or provider=..., "
            "or set RuntimeConfig(default_provider=...) and register its client"
        )
        self.route_id = route_id


class UnknownProviderError(StrataError, KeyError):
    """No client is registered under this provider name.

    Parameters
    ----------
    provider : str
        The name that was looked up.
    known : iterable of str
        Registered names, for the hint in the message.
    """

    code: ClassVar[str] = "UNKNOWN_PROVIDER"

    def __init__(self, provider: str, known: Iterable[str] = ()) -> None:
        super().__init__(
            f"no client is registered for provider {provider!r}"
            f"{nearest_name_hint(provider, known)}; "
            f"call registry.register({provider!r}, client), "
            f"or bridge.register_client({provider!r}, client)"
        )
        self.provider = provider

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which would quote the sentence.
        return str(self.args[0])


class HandlerError(StrataError, RuntimeError):
    """A bound handler raised; the original is the ``__cause__``.

    Parameters
    ----------
    route_id : str or None
        The route whose handler it is; None for the fallback handler.
    cause : BaseException
        What the handler raised.
    """

    code: ClassVar[str] = "HANDLER_ERROR"
    origin: ClassVar[Literal["ours", "handler", "provider"]] = "handler"

    def __init__(self, route_id: str | None, cause: BaseException) -> None:
        whose = "the fallback handler" if route_id is None else f"the handler of {route_id!r}"
        super().__init__(f"{whose} raised {type(cause).__name__}: {cause}")
        self.route_id = route_id


class ProviderError(StrataError, RuntimeError):
    """A provider's client failed; the original is the ``__cause__``.

    `stratarouter_runtime.provider_errors` has the kinds. Messages are cleared of secrets.

    Parameters
    ----------
    provider : str
        Name of the provider.
    message : str
        What happened.
    model : str, optional
        Model that was asked.
    status : int, optional
        HTTP status of the answer; None if there was none.
    request_id : str, optional
        The provider's name for the call.
    retry_after_s : float, seconds, >= 0, optional
        How long the provider asks to be left alone.

    Attributes
    ----------
    failover : bool
        Whether another target may be asked instead.
    retry_budget_exhausted : bool
        Whether the call would have been repeated, had there not been too many repetitions lately.
    """

    code: ClassVar[str] = "PROVIDER_ERROR"
    retryable: ClassVar[bool] = True
    failover: ClassVar[bool] = True
    origin: ClassVar[Literal["ours", "handler", "provider"]] = "provider"

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"provider {provider!r}: {redacted(message)}")
        self.provider = provider
        self.model = model
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.retry_budget_exhausted = False


class ExecutionTimeoutError(StrataError, TimeoutError):
    """The deadline of an execution passed.

    Parameters
    ----------
    what : str
        What was being waited for.
    timeout_s : float, seconds, > 0
        Length of the whole execution's time limit.
    """

    code: ClassVar[str] = "EXECUTION_TIMEOUT"
    retryable: ClassVar[bool] = True

    def __init__(self, what: str, timeout_s: float) -> None:
        super().__init__(
            f"{what} did not finish within {timeout_s:g} s; "
            "raise execution_timeout or pass timeout_s= if that is expected"
        )
        self.what = what
        self.timeout_s = timeout_s


class SaturatedError(StrataError, RuntimeError):
    """The bounded pool for blocking work is full.

    Parameters
    ----------
    running : int
        Calls that occupy a thread.
    waiting : int
        Calls that wait for one.
    abandoned : int
        Calls among the running whose caller has given up.
    """

    code: ClassVar[str] = "SATURATED"
    retryable: ClassVar[bool] = True

    def __init__(self, running: int, waiting: int, abandoned: int) -> None:
        super().__init__(
            f"no thread is free for blocking work: {running} running "
            f"({abandoned} of them abandoned after their deadline), {waiting} waiting; "
            "make the handlers async, bound their time, or raise handler_threads"
        )
        self.running = running
        self.waiting = waiting
        self.abandoned = abandoned


class CacheBackendError(StrataError, RuntimeError):
    """A cache backend could not be reached or answered nonsense.

    An execution treats it as a miss; only the cache's own methods raise it.
    """

    code: ClassVar[str] = "CACHE_UNAVAILABLE"
    retryable: ClassVar[bool] = True


class BridgeClosedError(StrataError, RuntimeError):
    """The bridge was closed; make a new one."""

    code: ClassVar[str] = "CLOSED"


class BridgeLoopError(StrataError, RuntimeError):
    """The bridge was started in another event loop, which still runs."""

    code: ClassVar[str] = "WRONG_EVENT_LOOP"


class FeatureNotBuiltWarning(RuntimeWarning):
    """A setting asks for something that this version does not have yet and can do without."""
