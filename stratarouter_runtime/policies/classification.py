"""Which of our errors an answer of a provider means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stratarouter_runtime.policies.retry_after import duration_s, retry_after_s
from stratarouter_runtime.provider_errors import (
    AuthenticationError,
    BadRequestError,
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
    from collections.abc import Mapping

    from stratarouter_runtime.errors import ProviderError

__all__ = ["ErrorBody", "classify_status", "error_from_response", "read_error_body"]

_BY_STATUS: dict[int, type[ProviderError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: QuotaExhaustedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: ProviderTimeoutError,
    409: ServerError,
    410: NotFoundError,
    413: ContextWindowExceededError,
    425: ServerError,
    429: RateLimitedError,
    503: OverloadedError,
    529: OverloadedError,
}
# Codes, types and states of the error object, in lower case.
_BY_CODE: dict[str, type[ProviderError]] = {
    "context_length_exceeded": ContextWindowExceededError,
    "string_above_max_length": ContextWindowExceededError,
    "request_too_large": ContextWindowExceededError,
    "content_filter": ContentPolicyError,
    "content_policy_violation": ContentPolicyError,
    "responsibleaipolicyviolation": ContentPolicyError,
    "invalid_api_key": AuthenticationError,
    "authentication_error": AuthenticationError,
    "unauthenticated": AuthenticationError,
    "api_key_invalid": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "permission_denied": PermissionDeniedError,
    "model_not_found": NotFoundError,
    "not_found_error": NotFoundError,
    "not_found": NotFoundError,
    "deploymentnotfound": NotFoundError,
    "insufficient_quota": QuotaExhaustedError,
    "billing_error": QuotaExhaustedError,
    "billing_hard_limit_reached": QuotaExhaustedError,
    "rate_limit_exceeded": RateLimitedError,
    "rate_limit_error": RateLimitedError,
    "resource_exhausted": RateLimitedError,
    "overloaded_error": OverloadedError,
    "unavailable": OverloadedError,
    "server_overloaded": OverloadedError,
    "timeout_error": ProviderTimeoutError,
    "deadline_exceeded": ProviderTimeoutError,
    "api_error": ServerError,
    "server_error": ServerError,
    "internal_error": ServerError,
    "internal": ServerError,
    "invalid_request_error": BadRequestError,
    "invalid_argument": BadRequestError,
}
# Said in sentences only, with a refusal of the request.
_BY_PHRASE: tuple[tuple[str, type[ProviderError]], ...] = (
    ("context length", ContextWindowExceededError),
    ("context window", ContextWindowExceededError),
    ("prompt is too long", ContextWindowExceededError),
    ("too many tokens", ContextWindowExceededError),
    ("input token count", ContextWindowExceededError),
    ("exceeds the maximum number of tokens", ContextWindowExceededError),
    ("content management policy", ContentPolicyError),
    ("content policy", ContentPolicyError),
    ("usage policies", ContentPolicyError),
    ("api key not valid", AuthenticationError),
    ("credit balance is too low", QuotaExhaustedError),
)
# What a status says and a vaguer code does not take back.
_VAGUE = (BadRequestError, ServerError, RateLimitedError)
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-goog-request-id")
_MAX_DETAILS = 32


class ErrorBody:
    """What the body of a refusal says, whatever the provider's shape of it.

    Parameters
    ----------
    message : str
        The sentence; empty if there is none.
    codes : tuple of str
        Codes, types and states, the most precise first, in lower case.
    wait_s : float, seconds, >= 0, optional
        How long to wait, where the body says so.
    status : int, optional
        HTTP status, where the body says so: relays put the error of another into their own answer.
    """

    __slots__ = ("codes", "message", "status", "wait_s")

    def __init__(
        self,
        message: str,
        codes: tuple[str, ...] = (),
        wait_s: float | None = None,
        status: int | None = None,
    ) -> None:
        self.message = message
        self.codes = codes
        self.wait_s = wait_s
        self.status = status


def read_error_body(body: object) -> ErrorBody:
    """Find the message and the codes in a body.

    Parameters
    ----------
    body : bytes, str, mapping or None
        The body, parsed or not.

    Returns
    -------
    ErrorBody
        What it says; a text that is no JSON is the message.
    """
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    if isinstance(body, str):
        text = body
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return ErrorBody(text)
        if not isinstance(body, (dict, list)):
            return ErrorBody(text)
    if isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, dict):
        return ErrorBody("")
    inner = body.get("error", body)
    if isinstance(inner, str):
        return ErrorBody(inner)
    if not isinstance(inner, dict):
        inner = body
    message = inner.get("message")
    return ErrorBody(
        message if isinstance(message, str) else "",
        tuple(_codes(inner)),
        _retry_delay_s(inner),
        _inner_status(inner),
    )


def classify_status(status: int, body: ErrorBody | None = None) -> type[ProviderError]:
    """Return the kind of error.

    Parameters
    ----------
    status : int
        HTTP status; 200 for an error object inside an answer.
    body : ErrorBody, optional
        What the body says.

    Returns
    -------
    type
        A subclass of `ProviderError`.

    Examples
    --------
    >>> classify_status(529).__name__, classify_status(404).__name__
    ('OverloadedError', 'NotFoundError')
    >>> classify_status(400, ErrorBody("", ("context_length_exceeded",))).__name__
    'ContextWindowExceededError'
    """
    if body is not None and body.status is not None and status < 300:
        status = body.status
    kind = _kind_of(status)
    if body is None or not (kind in _VAGUE or status < 300):
        return kind
    said = next((_BY_CODE[code] for code in body.codes if code in _BY_CODE), None)
    if said is not None and said not in _VAGUE:
        return said
    if kind is not ServerError or status < 300:
        message = body.message.lower()
        for phrase, meant in _BY_PHRASE:
            if phrase in message:
                return meant
    return said if said is not None and status < 300 else kind


def error_from_response(
    provider: str,
    status: int,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    *,
    wall_s: float,
    model: str | None = None,
    timeout_s: float = 0.0,
) -> ProviderError:
    """Return the error that a refusal means.

    Parameters
    ----------
    provider : str
        Name of the provider.
    status : int
        HTTP status; 200 for an error object inside an answer or a stream.
    body : bytes, str, mapping or None
        Its body, parsed or not.
    headers : mapping of str to str, optional
        Its headers, in any case.
    wall_s : float
        Time of day, seconds since 1970 UTC, for dates in the headers.
    model : str, optional
        Model that was asked.
    timeout_s : float, seconds, >= 0
        Time limit of the attempt, for the message of a timeout.

    Returns
    -------
    ProviderError
        The error, ready to be raised.
    """
    said = read_error_body(body)
    kind = classify_status(status, said)
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    request_id = next((lower[name] for name in _REQUEST_ID_HEADERS if name in lower), None)
    if kind is ProviderTimeoutError:
        return ProviderTimeoutError(
            provider, timeout_s, model=model, status=status, request_id=request_id
        )
    wait_s = retry_after_s(lower, wall_s)
    wait_s = said.wait_s if wait_s is None else wait_s
    # A wait makes sense only where coming back does.
    return kind(
        provider,
        f"answered with status {status}{_remark(status)}: {said.message or 'no message'}",
        model=model,
        status=status,
        request_id=request_id,
        retry_after_s=wait_s if kind.retryable else None,
    )


def _kind_of(status: int) -> type[ProviderError]:
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    if 400 <= status < 500:
        return BadRequestError
    if 300 <= status < 400:
        return NotFoundError
    return ServerError if status >= 500 or status == 200 else InvalidAnswerError


def _remark(status: int) -> str:
    # To follow one would hand the key to whomever it names.
    return ", a redirection, which is not followed" if 300 <= status < 400 else ""


def _codes(inner: Mapping[str, Any]) -> list[str]:
    found = [inner.get("code"), inner.get("type"), inner.get("status")]
    deeper = inner.get("innererror")
    if isinstance(deeper, dict):
        found.insert(0, deeper.get("code"))
    found[:0] = [entry.get("reason") for entry in _details(inner)]
    return [code.lower() for code in found if isinstance(code, str)]


def _inner_status(inner: Mapping[str, Any]) -> int | None:
    code = inner.get("code")
    is_status = isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600
    return code if is_status else None


def _retry_delay_s(inner: Mapping[str, Any]) -> float | None:
    for entry in _details(inner):
        delay = entry.get("retryDelay")
        if isinstance(delay, str):
            return duration_s(delay)
    return None


def _details(inner: Mapping[str, Any]) -> list[dict[str, Any]]:
    details = inner.get("details")
    if not isinstance(details, list):
        return []
    return [entry for entry in details[:_MAX_DETAILS] if isinstance(entry, dict)]
