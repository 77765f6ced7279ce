"""How much work the search for a regular expression can be.

Python's engine tries every way of dividing a text among the parts of an expression. Parts that can
divide the same text between them multiply their work; parts that something else keeps apart add it.
"""

from __future__ import annotations

from itertools import chain
from math import inf
from re import (
    _compiler,  # type: ignore[attr-defined]
    _parser,  # type: ignore[attr-defined]
)
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["REPEATS", "search_steps", "starts_are_distinct"]

REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
"""Operations of a parsed expression that repeat a part of it."""

_LEAVES = (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY)
_ANYTHING = (sre.ANY, None)
# Classes of characters are compared on these, and on every character that the expression names.
_PROBES = (*map(chr, range(128)), "\u00a0", "é", "€", "٣", "中")
_MOST_COPIES = 32


class _Part(NamedTuple):
    """One step of an expression."""

    nodes: tuple[Any, ...]
    """What it consumes: characters and classes of the parsed expression."""
    ways: float = 1.0
    """In how many ways it can match at one place; infinite: as many as there is text."""
    required: bool = True
    """Whether nothing can match without it."""
    explosive: bool = False
    """Whether it is a loop that can divide one text in several ways among its rounds."""


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
    classes = _Classes(tree)
    # The search begins anywhere, as if any text preceded the expression.
    parts = [_Part((_ANYTHING,), ways=inf), *_parts(tree, classes)]
    if any(part.explosive for part in parts):
        return inf
    divisible = [place for place, part in enumerate(parts) if part.ways > 1.0]
    if len(divisible) <= 2:
        return float(length) ** len(divisible)
    characters = [classes.of(part.nodes) for part in parts]
    worst: dict[int, float] = {}
    for place in divisible:
        earlier = [worst[other] for other in worst if _share_text(parts, characters, other, place)]
        worst[place] = min(parts[place].ways, length) * max(earlier, default=1.0)
    return max(worst.values())


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


class _Classes:
    """The characters that parts of one expression can consume."""

    def __init__(self, tree: Any) -> None:
        self._state = tree.state
        named = {chr(code) for code in _codes(tree)}
        variants = chain.from_iterable((c, c.lower(), c.upper(), c.casefold()) for c in named)
        self._probes = [c for c in {*_PROBES, *variants} if len(c) == 1]
        self._known: dict[str, frozenset[str]] = {}

    def of(self, nodes: Iterable[Any]) -> frozenset[str]:
        """Return the characters, among the probed ones, that some node accepts."""
        return frozenset(chain.from_iterable(map(self._of_node, nodes)))

    def is_explosive(self, body: Sequence[_Part]) -> bool:
        """Say whether rounds of a loop can begin at several places of one text.

        An optional part is harmless where nothing that may come next accepts the same characters.
        """
        for place, part in enumerate(body):
            if part.ways == 1.0:
                continue
            own = self.of(part.nodes)
            for follower in (*body[place + 1 :], *body[: place + 1]):
                if own & self.of(follower.nodes):
                    return True
                if follower.required:
                    break
        return False

    def _of_node(self, node: Any) -> frozenset[str]:
        if node is _ANYTHING:
            return frozenset(self._probes)
        if node[0] is sre.LITERAL:
            c = chr(node[1])
            return frozenset((c, c.lower(), c.upper(), c.casefold()))
        name = repr(node)
        if name not in self._known:
            alone = _parser.SubPattern(self._state, [node])
            accepts = _compiler.compile(alone, self._state.flags).fullmatch
            self._known[name] = frozenset(filter(accepts, self._probes))
        return self._known[name]


def _share_text(
    parts: Sequence[_Part], characters: Sequence[frozenset[str]], first: int, second: int
) -> bool:
    """Say whether two parts can divide one text between them in several ways."""
    common = characters[first] & characters[second]
    return bool(common) and all(
        common & characters[place] for place in range(first + 1, second) if parts[place].required
    )


def _parts(tree: Any, classes: _Classes) -> list[_Part]:
    return [part for node in tree for part in _parts_of(node, classes)]


def _parts_of(node: Any, classes: _Classes) -> list[_Part]:
    operation, argument = node
    if operation in _LEAVES:
        return [_Part((node,))]
    if operation in REPEATS:
        lower, upper, body = argument
        return _repeated(lower, upper, _parts(body, classes), classes)
    if operation in (sre.BRANCH, sre.GROUPREF_EXISTS):
        branches = argument[1] if operation is sre.BRANCH else [part or [] for part in argument[1:]]
        ways = 1.0 if starts_are_distinct(branches) else float(len(branches))
        return _alternatives([_parts(branch, classes) for branch in branches], ways)
    if operation in (sre.SUBPATTERN, sre.ATOMIC_GROUP):
        return _parts(argument[-1] if operation is sre.SUBPATTERN else argument, classes)
    if operation in (sre.ASSERT, sre.ASSERT_NOT):
        return _optional(_parts(argument[1], classes))
    # What is left consumes nothing (a place) or an earlier match again, which may be anything.
    return [_Part((_ANYTHING,), required=False)] if operation is sre.GROUPREF else []


def _repeated(lower: int, upper: int, body: list[_Part], classes: _Classes) -> list[_Part]:
    nodes = _nodes(body)
    if upper == 1:
        return [_Part(nodes, 2.0 - lower, required=lower == 1), *_divisible(body)]
    if lower == upper:
        simple = all(part.ways == 1.0 for part in body)
        return [_Part(nodes)] if simple else body * min(upper, _MOST_COPIES)
    ways = inf if upper == sre.MAXREPEAT else float(upper - lower + 1)
    required = lower > 0 and any(part.required for part in body)
    explosive = classes.is_explosive(body) or any(part.explosive for part in body)
    return [_Part(nodes, ways, required, explosive)]


def _alternatives(branches: list[list[_Part]], ways: float) -> list[_Part]:
    required = all(any(part.required for part in branch) for branch in branches)
    every = list(chain.from_iterable(branches))
    return [_Part(_nodes(every), ways, required), *_divisible(every)]


def _divisible(parts: Iterable[_Part]) -> list[_Part]:
    return _optional(part for part in parts if part.ways > 1.0)


def _optional(parts: Iterable[_Part]) -> list[_Part]:
    return [part._replace(required=False) for part in parts]


def _nodes(parts: Iterable[_Part]) -> tuple[Any, ...]:
    return tuple(chain.from_iterable(part.nodes for part in parts))


def _codes(argument: Any) -> Iterable[int]:
    """Yield every number in a parsed expression that may be a character."""
    if isinstance(argument, int) and not isinstance(argument, bool):
        if 0 <= argument < 0x110000:
            yield int(argument)
    elif isinstance(argument, (tuple, list, _parser.SubPattern)):
        for entry in argument:
            yield from _codes(entry)
