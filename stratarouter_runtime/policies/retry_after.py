"""How long a provider asks to be left alone, from the many ways to say so."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DEFAULT_MAX_WAIT_S", "duration_s", "retry_after_s"]

DEFAULT_MAX_WAIT_S = 3600.0
"""What absurd wishes are cut to; longer than any execution waits."""

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
# Numbers above are moments in seconds since 1970, below are lengths.
_EPOCH_FROM = 1e9
# (what is left, when it is full again)
_LIMITS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
)


def retry_after_s(
    headers: Mapping[str, str], wall_s: float, *, max_s: float = DEFAULT_MAX_WAIT_S
) -> float | None:
    """Read the headers of a refusal.

    ``Retry-After-Ms`` wins over ``Retry-After``, seconds or a date; without either, the reset of
    each limit that has nothing left counts, the latest of them.

    Parameters
    ----------
    headers : mapping of str to str
        Headers of the answer, in any case.
    wall_s : float
        Time of day, seconds since 1970 UTC.
    max_s : float, seconds, >= 0
        What longer wishes are cut to.

    Returns
    -------
    float or None
        Seconds in [0, max_s]; a moment in the past and a negative number are 0. None if nothing
        legible is said.

    Examples
    --------
    >>> retry_after_s({"Retry-After": "2"}, 0.0), retry_after_s({"Retry-After-Ms": "-5"}, 0.0)
    (2.0, 0.0)
    >>> retry_after_s({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 45.0)
    15.0
    """
    lower = {name.lower(): value for name, value in headers.items()}
    milliseconds = _number(lower.get("retry-after-ms"))
    wish: float | None
    if milliseconds is not None:
        wish = milliseconds / 1000.0
    elif "retry-after" in lower:
        wish = _wait(lower["retry-after"], wall_s)
    else:
        wish = max(_resets(lower, wall_s), default=None)
    return None if wish is None else min(max(wish, 0.0), max_s)


def duration_s(text: str) -> float | None:
    """Read a length of time such as "1m0.5s".

    Parameters
    ----------
    text : str
        Numbers with units.

    Returns
    -------
    float or None
        Seconds; None if it is none.

    Examples
    --------
    >>> duration_s("6m0s"), duration_s("20ms"), duration_s("soon")
    (360.0, 0.02, None)
    """
    end, total = 0, 0.0
    for match in _DURATION.finditer(text):
        if match.start() != end:
            return None
        end = match.end()
        total += float(match[1]) * _UNITS_S[match[2]]
    return total if end and end == len(text) else None


def _resets(headers: Mapping[str, str], wall_s: float) -> Iterator[float]:
    for remaining, reset in _LIMITS:
        if _number(headers.get(remaining)) == 0.0 and reset in headers:
            wish = _wait(headers[reset], wall_s)
            if wish is not None:
                yield wish


def _wait(text: str, wall_s: float) -> float | None:
    text = text.strip()
    number = _number(text)
    if number is not None:
        return number - wall_s if number >= _EPOCH_FROM and wall_s >= _EPOCH_FROM else number
    length = duration_s(text)
    if length is not None:
        return length
    moment = _moment(text)
    return None if moment is None else moment.timestamp() - wall_s


def _moment(text: str) -> datetime | None:
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(text)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        # Dates without a zone are in UTC, as the standard asks.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return None


def _number(text: str | None) -> float | None:
    if text is None or not _NUMBER.fullmatch(text.strip()):
        return None
    return float(text)
