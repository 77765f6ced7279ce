"""Patterns of routes: literals and regular expressions that cannot run away."""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, TypeAlias

from stratarouter.algorithms.pattern_costs import REPEATS, search_steps, starts_are_distinct
from stratarouter.errors import InvalidPatternError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "MAX_SCANNED_CHARACTERS",
    "MAX_SCANNED_IF_SLOW",
    "PatternMatcher",
    "compile_pattern",
    "first_match",
]

PatternMatcher: TypeAlias = "Callable[[str], object]"
"""Takes a query; its result is true where the pattern occurs."""

MAX_SCANNED_CHARACTERS = 2_000
"""Patterns look at this much of a query, so that a polynomial expression stays cheap."""

MAX_SCANNED_IF_SLOW = 200
"""Expressions whose time can grow with the third power of the text look at this much."""

_PREFIX = "re:"
# A tenth of a second or so.
_MAX_STEPS = 1e7


def compile_pattern(pattern: str) -> PatternMatcher:
    """Turn a pattern into a function that looks for it.

    A literal is found anywhere and in any case. What follows ``re:`` is a regular expression of
    Python, searched anywhere and in any case.

    Parameters
    ----------
    pattern : str
        Literal, or ``re:`` and an expression.

    Returns
    -------
    PatternMatcher
        True result where the pattern occurs.

    Raises
    ------
    InvalidPatternError
        If the expression does not parse, matches every text, repeats a group that itself repeats or
        whose branches can match the same text, or has too many repetitions that can match the same
        text: its time could grow out of all proportion.

    Examples
    --------
    >>> bool(compile_pattern("re:inv-[0-9]+")("Where is INV-77?"))
    True
    >>> compile_pattern("re:(a+)+$")
    Traceback (most recent call last):
        ...
    stratarouter.errors.InvalidPatternError: pattern 're:(a+)+$': a repeated group repeats inside \
itself, which can take exponential time; write it without the inner or the outer repetition
    """
    if not pattern.startswith(_PREFIX):
        needle = pattern.casefold().strip()
        return lambda query: needle in query.casefold()
    source = pattern.removeprefix(_PREFIX)
    try:
        expression = re.compile(source, re.IGNORECASE)
        tree = _parser.parse(source, re.IGNORECASE)
    except re.error as error:
        raise InvalidPatternError(pattern, f"is not a regular expression: {error}") from error
    except (RecursionError, OverflowError) as error:
        raise InvalidPatternError(pattern, "is too deep or too large; simplify it") from error
    if expression.search("") is not None:
        raise InvalidPatternError(pattern, "matches every text; make it require something")
    problem = _explosive_part(tree, inside_repeat=False)
    if problem is not None:
        raise InvalidPatternError(pattern, problem)
    if search_steps(tree, MAX_SCANNED_CHARACTERS) <= _MAX_STEPS:
        return expression.search
    if search_steps(tree, MAX_SCANNED_IF_SLOW) <= _MAX_STEPS:
        return lambda query: expression.search(query[:MAX_SCANNED_IF_SLOW])
    raise InvalidPatternError(
        pattern,
        "has repetitions that can match the same text in too many ways; use fewer of them, none at "
        "its ends, and let them match fewer characters, such as [^,]* instead of .*",
    )


def first_match(matchers: Sequence[PatternMatcher], query: str) -> int | None:
    """Return the position of the first matcher that finds something.

    Parameters
    ----------
    matchers : sequence of PatternMatcher
        From `compile_pattern`.
    query : str
        Text to search; only its first `MAX_SCANNED_CHARACTERS` are read.

    Returns
    -------
    int or None
        Position, or None if nothing matches.
    """
    scanned = query[:MAX_SCANNED_CHARACTERS]
    for position, matches in enumerate(matchers):
        if matches(scanned):
            return position
    return None


def _explosive_part(tree: Any, *, inside_repeat: bool) -> str | None:
    for operation, argument in tree:
        if operation in REPEATS:
            lower, upper, body = argument
            variable = upper == sre.MAXREPEAT or (upper != lower and upper > 1)
            if variable and inside_repeat:
                return (
                    "a repeated group repeats inside itself, which can take exponential time; "
                    "write it without the inner or the outer repetition"
                )
            problem = _explosive_part(body, inside_repeat=inside_repeat or variable)
        elif operation is sre.BRANCH:
            problem = _explosive_branches(argument[1], inside_repeat=inside_repeat)
        else:
            problem = _first_problem(_children(argument), inside_repeat=inside_repeat)
        if problem is not None:
            return problem
    return None


def _explosive_branches(branches: Sequence[Any], *, inside_repeat: bool) -> str | None:
    if inside_repeat and not starts_are_distinct(branches):
        return (
            "the branches of a repeated group can match the same text, which can take exponential "
            "time; make each branch start with another character"
        )
    return _first_problem(branches, inside_repeat=inside_repeat)


def _first_problem(trees: Sequence[Any], *, inside_repeat: bool) -> str | None:
    for tree in trees:
        problem = _explosive_part(tree, inside_repeat=inside_repeat)
        if problem is not None:
            return problem
    return None


def _children(argument: Any) -> list[Any]:
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    if isinstance(argument, (tuple, list)):
        return [child for entry in argument for child in _children(entry)]
    return []
