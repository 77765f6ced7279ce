"""Readable words in identifiers."""

from __future__ import annotations

import re

__all__ = ["readable_name"]

_RUNS = re.compile(r"[^\W\d_]+|\d+")
_SHORTEST_WORD = 3
_MOST_DIGITS = 0.3


def readable_name(identifier: str) -> str:
    """Return an identifier as words, if it reads like some.

    Names of routes are usually chosen to say what the route is for, so they are one more example.

    Parameters
    ----------
    identifier : str
        Such as ``refund_request``, ``refundRequest`` or ``refund-request``.

    Returns
    -------
    str
        Lower-case words with blanks between them; empty for names that say nothing, such as
        ``r17``, ``x`` or a hexadecimal key.

    Examples
    --------
    >>> readable_name("cardPaymentFee_charged"), readable_name("r17"), readable_name("a3f09c")
    ('card payment fee charged', '', '')
    """
    parts = [part for run in _RUNS.findall(identifier) for part in _humps(run)]
    letters = sum(character.isalpha() for character in identifier)
    digits = sum(character.isdigit() for character in identifier)
    longest = max((len(part) for part in parts if not part.isdigit()), default=0)
    if longest < _SHORTEST_WORD or digits > _MOST_DIGITS * letters:
        return ""
    return " ".join(parts).lower()


def _humps(run: str) -> list[str]:
    # Asked letter by letter, since patterns know the capitals of plain ASCII only.
    starts = [
        place
        for place in range(1, len(run))
        if run[place].isupper()
        and (not run[place - 1].isupper() or run[place + 1 : place + 2].islower())
    ]
    return [run[a:b] for a, b in zip([0, *starts], [*starts, len(run)], strict=True)]
