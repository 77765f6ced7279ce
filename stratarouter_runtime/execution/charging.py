"""Whether a call that failed may have cost something all the same."""

from __future__ import annotations

import ssl
from socket import gaierror

from stratarouter.errors import StrataError
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.provider_errors import (
    AuthenticationError,
    BadRequestError,
    CircuitOpenError,
    ConnectionFailedError,
    NotFoundError,
    PermissionDeniedError,
    ProviderTimeoutError,
    RateLimitedError,
    ServerError,
)

__all__ = ["may_have_cost"]

# Refusals; no provider charges for them.
_FREE = (
    AuthenticationError,
    BadRequestError,
    CircuitOpenError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
)
_NEVER_CONNECTED = (ConnectionRefusedError, gaierror, ssl.SSLCertVerificationError)
_MAX_CAUSES = 16
_FIRST_ERROR_STATUS = 400


def may_have_cost(error: BaseException) -> bool:
    """Say whether a provider may charge for a call that ended like this.

    Parameters
    ----------
    error : BaseException
        What it ended with.

    Returns
    -------
    bool
        False if no byte of the request arrived, or the provider refused or failed and said so;
        True if it may have answered, and the answer was lost.
    """
    if isinstance(error, _FREE):
        return False
    if not isinstance(error, ProviderError):
        # Our own refusals come before any byte; what is no error of ours tells nothing.
        return not isinstance(error, StrataError)
    if isinstance(error, (ServerError, ProviderTimeoutError)):
        is_refused = error.status is not None and error.status >= _FIRST_ERROR_STATUS
        is_unconnected = isinstance(error, ProviderTimeoutError) and error.phase == "connect"
        return not (is_refused or is_unconnected)
    return not (isinstance(error, ConnectionFailedError) and _never_connected(error))


def _never_connected(error: BaseException) -> bool:
    cause: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if cause is None:
            return False
        if isinstance(cause, _NEVER_CONNECTED):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
