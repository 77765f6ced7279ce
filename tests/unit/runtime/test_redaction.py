"""Secrets do not get into messages, and the rest stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter_runtime.errors import ProviderError
from stratarouter_runtime.redaction import MAX_MESSAGE_CHARACTERS, redacted

CANARY = "Zq9xCanary7Secret"


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-{0}.",
        "Authorization: Bearer {0}",
        'headers={{"authorization": "Bearer {0}"}}',
        "x-api-key: {0}",
        "{{'api_key': '{0}'}}",
        "GET https://host/v1?key={0}&alt=sse failed",
        "https://user:{0}@host/v1",
        "api-key={0}",
        "x-goog-api-key: {0}",
        "password = {0}",
        "Basic {0}",
        "AIza{0}AIza",
        "gsk_{0}",
        "0123456789abcdef{0}0123456789abcdef",
    ],
)
def test_keys_are_masked(text: str) -> None:
    shown = redacted(text.format(CANARY))

    assert CANARY not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "The model `gpt-5` does not exist",
        "maximum context length is 8192 tokens, got 9001",
        "Rate limit reached for requests per min; try again in 20s",
        "Unknown parameter: 'max_tokenz'",
        "request req_011CSHoEeqs5C35K2UUqR7Fy failed",
    ],
)
def test_sentences_stay(text: str) -> None:
    assert redacted(text) == text


def test_known_secrets_are_masked_wherever_they_are() -> None:
    assert redacted(f"a{CANARY}b", [CANARY]) == "a***b"
    # A secret of no length would mask everything.
    assert redacted("abc", ["", "a"]) == "abc"


def test_errors_mask_their_message_and_keep_to_one_line() -> None:
    error = ProviderError("p", f"line\r\n\r\ndata: x Bearer {CANARY}" + "y" * 9000)

    assert CANARY not in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) <= MAX_MESSAGE_CHARACTERS + len("provider 'p': ")


@given(st.text())
def test_any_text_becomes_one_short_line(text: str) -> None:
    shown = redacted(text)

    assert len(shown) <= MAX_MESSAGE_CHARACTERS
    assert len(shown.splitlines()) <= 1
