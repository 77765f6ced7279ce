"""Refusals of all providers, and the error that each of them means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter_runtime import provider_errors as errors
from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.policies.classification import error_from_response, read_error_body


def openai(message: str = "no", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def anthropic(kind: str, message: str = "no") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def google(code: int, status: str, message: str = "no", **fields: Any) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, **fields}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.NotFoundError),
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (402, errors.QuotaExhaustedError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (405, errors.BadRequestError),
        (408, errors.ProviderTimeoutError),
        (409, errors.ServerError),
        (413, errors.ContextWindowExceededError),
        (422, errors.BadRequestError),
        (429, errors.RateLimitedError),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (503, errors.OverloadedError),
        (504, errors.ServerError),
        (529, errors.OverloadedError),
        (599, errors.ServerError),
        (200, errors.ServerError),
        (204, errors.InvalidAnswerError),
    ],
)
def test_a_bare_status_has_its_kind(status: int, kind: type[ProviderError]) -> None:
    error = error_from_response("p", status, wall_s=0.0)

    assert type(error) is kind
    assert (error.provider, error.status) == ("p", status)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, openai(code="context_length_exceeded"), errors.ContextWindowExceededError),
        (400, openai(code="content_filter"), errors.ContentPolicyError),
        (
            400,
            openai(code="x", innererror={"code": "ResponsibleAIPolicyViolation"}),
            errors.ContentPolicyError,
        ),
        (400, openai("This model's maximum context length is 8192"),
         errors.ContextWindowExceededError),
        (400, openai(type="invalid_request_error", param="seed"), errors.BadRequestError),
        (404, openai(code="model_not_found"), errors.NotFoundError),
        (429, openai(code="insufficient_quota"), errors.QuotaExhaustedError),
        (429, openai(code="rate_limit_exceeded"), errors.RateLimitedError),
        (400, anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
         errors.ContextWindowExceededError),
        (400, anthropic("invalid_request_error", "Your credit balance is too low"),
         errors.QuotaExhaustedError),
        (529, anthropic("overloaded_error"), errors.OverloadedError),
        (200, anthropic("overloaded_error"), errors.OverloadedError),
        (200, anthropic("invalid_request_error"), errors.BadRequestError),
        (400, google(400, "INVALID_ARGUMENT", "API key not valid. Pass a valid one."),
         errors.AuthenticationError),
        (400, google(400, "INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}]),
         errors.AuthenticationError),
        (429, google(429, "RESOURCE_EXHAUSTED"), errors.RateLimitedError),
        (503, google(503, "UNAVAILABLE"), errors.OverloadedError),
        (200, openai(code=429), errors.RateLimitedError),
        (200, openai(code=502), errors.ServerError),
        (400, {"message": "too many tokens: 9"}, errors.ContextWindowExceededError),
        (404, {"error": "model 'x' not found"}, errors.NotFoundError),
        (500, openai("the context window service failed"), errors.ServerError),
        # A status that says enough is not softened by a vague code.
        (401, openai(type="invalid_request_error"), errors.AuthenticationError),
    ],
)  # fmt: skip
def test_the_body_says_more(status: int, body: dict[str, Any], kind: type[ProviderError]) -> None:
    assert type(error_from_response("p", status, body, wall_s=0.0)) is kind


def test_what_is_known_of_the_call_is_kept() -> None:
    error = error_from_response(
        "openai",
        429,
        b'{"error": {"message": "slow down, key sk-abcdefgh12345678", "code": "x"}}',
        {"X-Request-Id": "req_1", "Retry-After": "7"},
        wall_s=0.0,
        model="m",
    )

    assert (error.model, error.request_id, error.retry_after_s) == ("m", "req_1", 7.0)
    assert "slow down, key ***" in str(error)


def test_a_wait_may_stand_in_the_body() -> None:
    body = google(429, "RESOURCE_EXHAUSTED", details=[{"x": 1}, {"retryDelay": "37s"}])

    assert error_from_response("g", 429, body, wall_s=0.0).retry_after_s == 37.0


def test_a_wait_means_nothing_where_coming_back_does_not_help() -> None:
    error = error_from_response("p", 401, None, {"Retry-After": "7"}, wall_s=0.0)

    assert error.retry_after_s is None


def test_a_redirection_says_why_it_ends_here() -> None:
    assert "not followed" in str(error_from_response("p", 302, wall_s=0.0))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>gateway</html>", "<html>gateway</html>"),
        (b"\xff", "\ufffd"),
        ("7", "7"),
        ("[" * 100_000, "[" * 100_000),
        ([], ""),
        ([{"error": {"message": "first"}}], "first"),
        (None, ""),
        ({"error": None, "message": "m"}, "m"),
        ({"error": {"message": 3}}, ""),
    ],
)
def test_any_body_is_survived(body: object, message: str) -> None:
    assert read_error_body(body).message == message


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "code", "type", "status", "message", "details", "innererror"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(status=st.integers(100, 999), body=json_data | st.binary() | st.text())
def test_every_refusal_becomes_an_error(status: int, body: object) -> None:
    error = error_from_response("p", status, body, {"retry-after": "x"}, wall_s=0.0)

    assert isinstance(error, ProviderError)
    assert error.status == status
