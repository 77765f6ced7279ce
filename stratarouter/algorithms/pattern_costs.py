"""How much work the search for a regular expression can be.

Python's engine tries every way of dividing a text among the parts of an expression. Parts that can
divide the same text between them multiply their work; parts that something else keeps apart add it.
"""

from __future__ import annotations

import re
from itertools import chain, count
from math import inf
from re import _compiler, _parser  # type: ignore[attr-defined]
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["REPEATS", "search_steps", "starts_are_distinct"]

REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
"""Operations of a parsed expression that repeat a part of it."""

_LEAVES = (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY)
# Classes of characters are compared on these, and on every character that the expression names.
_PROBES = (*map(chr, range(128)), "\u00a0", "é", "€", "٣", "中")
_NUMERIC_ESCAPE = re.compile(r"\\[0-9NUux]")
_MOST_COPIES = 32


class _Scope(NamedTuple):
    """A group that a match may leave out."""

    group: int
    """Which group."""
    branch: int = 0
    """Which of its branches; a match takes only one."""
    sealed: bool = False
    """Whether the engine, once it has left the group, does not try other ways inside."""


class _Part(NamedTuple):
    """One step of an expression."""

    characters: frozenset[str]
    """What it can consume."""
    first: frozenset[str]
    """What it can begin with."""
    last: frozenset[str]
    """What it can end with."""
    ways: float = 1.0
    """In how many ways it can match at one place; infinite: as many as there is text."""
    required: bool = True
    """Whether its group cannot match without it."""
    explosive: bool = False
    """Whether it is a loop whose rounds can divide one text in several ways."""
    scopes: tuple[_Scope, ...] = ()
    """The groups that it is inside of, outermost first."""


def search_steps(tree: Any, length: int) -> float:
    """Estimate how many steps a search can take that finds nothing.

    Parameters
    ----------
    tree : re._parser.SubPattern
        A parsed expression.
    length : int
        Number of characters that are searched.

    Returns
    -------
    float
        Number of steps, up to a small factor; infinite if it grows exponentially.
    """
    reader = _Reader(tree)
    # The search begins anywhere, as if any text preceded the expression.
    parts = [reader.anything(ways=inf), *reader.parts(tree)]
    if any(part.explosive for part in parts):
        return inf
    return max(steps for run in _runs(parts, length) for steps in run.values())


def starts_are_distinct(branches: Sequence[Any]) -> bool:
    """Say whether the first character decides which of several branches can match.

    Parameters
    ----------
    branches : sequence of re._parser.SubPattern
        The branches.

    Returns
    -------
    bool
        False if two of them may begin alike.
    """
    starts = set()
    for branch in branches:
        if not len(branch) or branch[0][0] is not sre.LITERAL:
            return False
        starts.add(chr(branch[0][1]).casefold())
    return len(starts) == len(branches)


def _runs(parts: Sequence[_Part], length: int) -> list[dict[float, float]]:
    """Count the matches of every beginning of the expression.

    A run is a row of parts that divide one text among them. If its end is free, its parts multiply;
    if what follows fixes its end, all but one of them can be chosen, and the choices multiply the
    work of everything behind it.

    Each result is about the runs that end with one part: the largest number of ways among the parts
    of a run, and the number of matches up to there.
    """
    divisible = [place for place, part in enumerate(parts) if part.ways > 1.0]
    runs: dict[int, dict[float, float]] = {}
    for place in divisible:
        ways = min(parts[place].ways, length)
        run = {ways: ways}
        for other, earlier in runs.items():
            if not _are_together(parts[other], parts[place]):
                continue
            if _share_text(parts, other, place):
                grown = {max(most, ways): steps * ways for most, steps in earlier.items()}
            else:
                grown = {ways: ways * max(steps / most for most, steps in earlier.items())}
            for most, steps in grown.items():
                run[most] = max(steps, run.get(most, 0.0))
        runs[place] = run
    return list(runs.values())


def _share_text(parts: Sequence[_Part], first: int, second: int) -> bool:
    """Say whether two parts can divide one text between them in several ways."""
    a, b = parts[first], parts[second]
    if not a.characters & b.first or not a.last & b.characters:
        return False
    common = a.characters & b.characters
    inside = set(a.scopes) | set(b.scopes)
    return all(
        common & part.characters
        for part in parts[first + 1 : second]
        if part.required and inside.issuperset(part.scopes)
    )


def _are_together(first: _Part, second: _Part) -> bool:
    """Say whether one match can use both parts, and go back into the first from the second."""
    branches = {scope.group: scope.branch for scope in second.scopes}
    return not any(
        scope.sealed if scope.group not in branches else branches[scope.group] != scope.branch
        for scope in first.scopes
    )


class _Reader:
    """Turns one parsed expression into parts."""

    def __init__(self, tree: Any) -> None:
        self._state = tree.state
        source: str = tree.state.str
        # Only a numeric escape names a character that does not stand in the source itself.
        escaped = {chr(code) for code in _codes(tree)} if _NUMERIC_ESCAPE.search(source) else set()
        named = escaped.union(source)
        variants = chain.from_iterable((c, c.lower(), c.upper(), c.casefold()) for c in named)
        self._probes = frozenset(c for c in (*_PROBES, *variants) if len(c) == 1)
        self._known: dict[str, frozenset[str]] = {}
        self._numbers = count()

    def anything(self, ways: float) -> _Part:
        """Return a part that can consume whatever there is."""
        return _Part(self._probes, self._probes, self._probes, ways)

    def parts(self, tree: Any) -> list[_Part]:
        """Return the parts of a parsed expression, in their order."""
        return [part for node in tree for part in self._parts_of(node)]

    def _parts_of(self, node: Any) -> list[_Part]:
        operation, argument = node
        if operation in _LEAVES:
            characters = self._characters(node)
            return [_Part(characters, characters, characters)]
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            return self._repeated(*argument)
        if operation is sre.SUBPATTERN:
            return self.parts(argument[-1])
        if operation in (sre.BRANCH, sre.GROUPREF_EXISTS):
            branches = argument[1:] if operation is sre.GROUPREF_EXISTS else argument[1]
            return self._branched([branch or [] for branch in branches])
        return self._special_parts(operation, argument)

    def _special_parts(self, operation: Any, argument: Any) -> list[_Part]:
        if operation in (sre.ASSERT, sre.ASSERT_NOT):
            return self._inside(self.parts(argument[1]), sealed=True)
        if operation is sre.ATOMIC_GROUP:
            parts = self.parts(argument)
            return self._inside(parts, sealed=True) or parts
        if operation is sre.POSSESSIVE_REPEAT:
            parts = self._repeated(*argument)
            return self._inside(parts, sealed=True) or parts
        # What is left consumes nothing, or compares the text with an earlier match.
        is_comparison = operation is sre.GROUPREF
        return [self.anything(ways=inf)._replace(required=False)] if is_comparison else []

    def _repeated(self, lower: int, upper: int, tree: Any) -> list[_Part]:
        body = self.parts(tree)
        whole = _joined([body])
        if upper == 1 and lower == 0:
            return [whole._replace(ways=2.0, required=False), *self._inside(body)]
        if lower == upper:
            if all(part.ways == 1.0 for part in body):
                return [whole]
            return [part for _ in range(min(upper, _MOST_COPIES)) for part in self.parts(tree)]
        return [
            whole._replace(
                ways=inf if upper == sre.MAXREPEAT else float(upper - lower + 1),
                required=lower > 0 and whole.required,
                explosive=_is_explosive(body),
            )
        ]

    def _branched(self, branches: list[Any]) -> list[_Part]:
        read = [self.parts(branch) for branch in branches]
        ways = 1.0 if starts_are_distinct(branches) else float(len(branches))
        group = next(self._numbers)
        inside = (_within(parts, _Scope(group, branch)) for branch, parts in enumerate(read))
        return [_joined(read)._replace(ways=ways), *chain.from_iterable(inside)]

    def _inside(self, parts: list[_Part], *, sealed: bool = False) -> list[_Part]:
        return _within(parts, _Scope(next(self._numbers), sealed=sealed))

    def _characters(self, node: Any) -> frozenset[str]:
        if node[0] is sre.LITERAL:
            c = chr(node[1])
            return frozenset((c, c.lower(), c.upper(), c.casefold()))
        name = repr(node)
        if name not in self._known:
            alone = _parser.SubPattern(self._state, [node])
            accepts = _compiler.compile(alone, self._state.flags).fullmatch
            self._known[name] = frozenset(filter(accepts, self._probes))
        return self._known[name]


def _within(parts: Sequence[_Part], scope: _Scope) -> list[_Part]:
    """Return the parts of a group, or none if there is nothing to divide in it."""
    if all(part.ways == 1.0 for part in parts):
        return []
    return [part._replace(scopes=(scope, *part.scopes)) for part in parts]


def _joined(branches: Sequence[Sequence[_Part]]) -> _Part:
    """Return one part that stands for several sequences of parts."""
    nothing: frozenset[str] = frozenset()
    return _Part(
        nothing.union(*(part.characters for parts in branches for part in parts)),
        nothing.union(*(part.first for parts in branches for part in _leading(parts))),
        nothing.union(*(part.last for parts in branches for part in _leading(parts[::-1]))),
        required=all(any(part.required for part in parts) for parts in branches),
    )


def _leading(parts: Sequence[_Part]) -> Iterator[_Part]:
    """Yield the parts that can come first."""
    for part in parts:
        yield part
        if part.required and not part.scopes:
            return


def _is_explosive(body: Sequence[_Part]) -> bool:
    """Say whether the rounds of a loop can divide one text in several ways.

    A part that can match in several ways is harmless where nothing that may come next accepts the
    characters that it consumes.
    """
    for place, part in enumerate(body):
        if part.explosive:
            return True
        following = _leading([*body[place + 1 :], *body[: place + 1]])
        if part.ways > 1.0 and any(part.characters & other.first for other in following):
            return True
    return False


def _codes(argument: Any) -> Iterator[int]:
    """Yield every number in a parsed expression that may be a character."""
    if isinstance(argument, int):
        if 0 <= argument < 0x110000:
            yield int(argument)
    elif isinstance(argument, (tuple, list, _parser.SubPattern)):
        for entry in argument:
            yield from _codes(entry)
