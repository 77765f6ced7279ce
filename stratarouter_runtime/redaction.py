"""Taking secrets out of texts that come from outside, before anybody reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_MESSAGE_CHARACTERS", "redacted"]

MAX_MESSAGE_CHARACTERS = 500
"""Longest text that `redacted` returns."""

_MASK = "***"
_MIN_SECRET_CHARACTERS = 4
# Enough to read a sentence from; what lies behind it is never looked at.
_MAX_SCANNED_CHARACTERS = 4 * MAX_MESSAGE_CHARACTERS

_LABELLED = re.compile(
    r"""(?ix)
    \b ((?: x-)? (?: api | goog-api | access | auth | secret | subscription )? [-_ ]?
        (?: key | token | secret | password | signature ) ["']? \s* [:=] \s* ["']? )
    [^\s"'&,;}]{4,}
    """
)
_SCHEMES = re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;}]{4,}")
_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")
_PREFIXED = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|ghp)[-_][A-Za-z0-9_*.\-]{8,}|\bAIza[\w\-]{10,}")
# Keys without a prefix are long runs of letters and digits, and so is little else in a message.
_RANDOM = re.compile(r"\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{32,}\b")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")


def redacted(text: object, secrets: Iterable[str] = ()) -> str:
    """Return a text fit for messages and logs.

    Parameters
    ----------
    text : object
        The text; anything else is turned into one.
    secrets : iterable of str
        Secrets known by their value, such as the key of the client that speaks.

    Returns
    -------
    str
        One line of at most `MAX_MESSAGE_CHARACTERS`, with whatever looks like a key masked.

    Examples
    --------
    >>> redacted("Incorrect API key provided: sk-proj-abcdef123456.")
    'Incorrect API key provided: ***'
    >>> redacted("GET https://me:hush@host/v1?key=abcd1234&alt=sse")
    'GET https://***@host/v1?key=***&alt=sse'
    """
    line = str(text)
    for secret in secrets:
        if len(secret) >= _MIN_SECRET_CHARACTERS:
            line = line.replace(secret, _MASK)
    line = _CONTROL.sub(" ", line[:_MAX_SCANNED_CHARACTERS]).strip()
    line = _ADDRESS.sub(f"{_MASK}@", line)
    line = _SCHEMES.sub(rf"\1 {_MASK}", line)
    line = _LABELLED.sub(rf"\1{_MASK}", line)
    line = _PREFIXED.sub(_MASK, line)
    line = _RANDOM.sub(_MASK, line)
    if len(line) <= MAX_MESSAGE_CHARACTERS:
        return line
    return f"{line[: MAX_MESSAGE_CHARACTERS - 1]}…"
