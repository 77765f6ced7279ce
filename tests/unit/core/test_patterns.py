"""Patterns of routes: what matches, what is refused, and that no expression can run away."""

from __future__ import annotations

import re
from re import _parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stratarouter.algorithms.pattern_costs import search_steps
from stratarouter.algorithms.patterns import (
    MAX_SCANNED_CHARACTERS,
    MAX_SCANNED_IF_SLOW,
    compile_pattern,
    first_match,
)
from stratarouter.errors import InvalidPatternError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 50_000


def matches(pattern: str, query: str) -> bool:
    return first_match([compile_pattern(pattern)], query) is not None


# What matches ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "query"),
    [
        ("tracking number", "What is my TRACKING NUMBER?"),
        ("c++", "Help with C++ please"),
        (" refund ", "refund"),
        ("straße", "Hauptstrasse 3"),
        (r"re:\binv-\d+\b", "see INV-42."),
        ("re:^hello", "Hello there"),
        ("re:a|b", "xxB"),
        ("re:заказ\\s+№?\\d+", "где Заказ 17"),
    ],
)
def test_a_pattern_is_found_anywhere_and_in_any_case(pattern: str, query: str) -> None:
    assert matches(pattern, query)


@pytest.mark.parametrize(
    ("pattern", "query"),
    [
        ("a.c", "abc"),
        ("tracking number", "tracking  number"),
        (r"re:\binv-\d+\b", "inv-x"),
        ("re:^hello", "say hello"),
        ("Re:ply", "please"),
    ],
)
def test_a_pattern_is_not_found_elsewhere(pattern: str, query: str) -> None:
    assert not matches(pattern, query)


def test_the_position_of_the_first_matching_pattern_is_returned() -> None:
    matchers = [compile_pattern(pattern) for pattern in ("one", "two", "re:two|three")]

    assert first_match(matchers, "two, three") == 1
    assert first_match(matchers, "three") == 2
    assert first_match(matchers, "four") is None
    assert first_match([], "one") is None


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["re:(", "re:[a", "re:*a", r"re:(?P<x", "re:a{3,1}"])
def test_a_malformed_expression_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError, match="not a regular expression") as caught:
        compile_pattern(pattern)

    assert caught.value.pattern == pattern
    assert repr(pattern) in str(caught.value)


@pytest.mark.parametrize("pattern", ["re:", "re:a*", "re:(a|)", "re:^", "re:x?"])
def test_an_expression_that_matches_every_text_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError, match="matches every text"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "re:(a+)+$",
        "re:(a*)*b",
        "re:(a|a)*c",
        "re:(a|ab)*c",
        "re:(?:a{1,20}){1,20}$",
        r"re:(\w+\s?)+!",
        "re:(?:a?a)*b",
        "re:(?:a?b?)*c",
        "re:(?:a?){25}a{25}",
        "re:" + "a?" * 25 + "a" * 25,
        "re:(?>a+)+b",
        "re:(?:x|(?:y+)+)z",
        "re:(?=(a+)+$)a",
    ],
)
def test_exponential_expressions_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", ["re:a*a*a*b", "re:.*x.*y.*z", r"re:\s*\s*\s*$x", r"re:(.+)\1(.+)x"]
)
def test_expressions_of_the_fourth_power_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError, match="too many ways"):
        compile_pattern(pattern)


def test_an_expression_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(InvalidPatternError):
        compile_pattern("re:" + "(" * 5_000 + "a" + ")" * 5_000)


@pytest.mark.parametrize(
    "pattern",
    [
        r"re:\b[a-z]{2}-\d{4,8}\b",
        r"re:order\s+#?\d+\s+from\s+\w+",
        r"re:[\w.+-]+@[\w-]+\.[\w.-]+",
        r"re:\$?\d{1,3}(?:,\d{3})*(?:\.\d+)?\s+dollars",
        r"re:(?:\d{4}[- ]?){3}\d{4}",
        r"re:(?:\d{3}[- ]?)+x",
        r"re:\b(cancel|stop)\b.*\b(order|subscription)\b",
        r"re:(?=.*refund)(?=.*order).*please",
        r"re:refund(?:ed|ing)?\s+(?:my\s+)?(?:order|money)",
        r"re:https?://\S+",
        r"re:^\s*(?:hi|hello)\b",
        r"re:[^.?!]{0,40}\brefund",
    ],
)
def test_ordinary_expressions_are_accepted(pattern: str) -> None:
    compile_pattern(pattern)


# How much work a search can be -------------------------------------------------------------------


def test_patterns_read_only_the_beginning_of_a_query() -> None:
    seen: list[int] = []

    first_match([lambda text: seen.append(len(text))], "x" * LONG)

    assert seen == [MAX_SCANNED_CHARACTERS]


@pytest.mark.parametrize("pattern", ["needle", "re:needle"])
def test_what_is_beyond_the_limit_is_not_found(pattern: str) -> None:
    edge = MAX_SCANNED_CHARACTERS - len("needle")

    assert matches(pattern, "x" * edge + "needle" + "x" * LONG)
    assert not matches(pattern, "x" * (edge + 1) + "needle")


def test_slow_expressions_read_less() -> None:
    pattern = "re:.*needle.*thread"
    found = "needle thread"
    edge = MAX_SCANNED_IF_SLOW - len(found)

    assert matches(pattern, "x" * edge + found)
    assert not matches(pattern, "x" * (edge + 1) + found)


@pytest.mark.parametrize(
    ("expression", "power"),
    [
        ("abc", 1),
        (r"order\s+\d+\s+from\s+\w+", 1),
        ("a*b", 2),
        (r"\w+@\w+\.\w+", 2),
        (r"(?=.*a)(?=.*b).*c", 2),
        (r"(?:x.*y|z.*y)", 2),
        (r"\d{1,3}(?:,\d{3})*(?:\.\d+)?x", 2),
        ("a*a*b", 3),
        ("x+y.*", 2),
        ("a*(?:-x*)?a*b", 3),
        ("(?:a*-|a*=)b", 2),
        (r"a+b*[^a]+x", 3),
        (r"(.+)\1x", 3),
        ("a*a*a*a*b", 5),
    ],
)
def test_the_power_with_which_time_grows(expression: str, power: int) -> None:
    tree = _parser.parse(expression, re.IGNORECASE)

    assert search_steps(tree, 2_000) / search_steps(tree, 1_000) == 2**power


class StepLimitError(Exception):
    """The naive matcher took too long."""


class NaiveMatcher:
    """Backtracks like the engine of Python, counting its steps."""

    def __init__(self, expression: str, limit: int) -> None:
        self.tree = _parser.parse(expression)
        self.limit = limit
        self.steps = 0

    def search(self, text: str) -> bool:
        return any(
            True for start in range(len(text) + 1) for _ in self.ends(list(self.tree), text, start)
        )

    def ends(self, nodes: list[Any], text: str, at: int) -> Iterator[int]:
        self.steps += 1
        if self.steps > self.limit:
            raise StepLimitError
        if not nodes:
            yield at
            return
        (operation, argument), rest = nodes[0], nodes[1:]
        name = str(operation)
        if name == "MAX_REPEAT":
            yield from self.ends_of_repeat(nodes, text, at)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from self.ends([*branch, *rest], text, at)
        elif name == "SUBPATTERN":
            yield from self.ends([*argument[-1], *rest], text, at)
        elif at < len(text) and self.accepts(name, argument, text[at]):
            yield from self.ends(rest, text, at + 1)

    def ends_of_repeat(self, nodes: list[Any], text: str, at: int) -> Iterator[int]:
        (operation, (lower, upper, body)), rest = nodes[0], nodes[1:]
        if upper > 0:
            fewer = (operation, (max(lower - 1, 0), upper - (upper < 2**32 - 1), body))
            for middle in self.ends(list(body), text, at):
                if middle > at or lower > 0:
                    yield from self.ends([fewer, *rest], text, middle)
        if lower == 0:
            yield from self.ends(rest, text, at)

    @staticmethod
    def accepts(name: str, argument: Any, character: str) -> bool:
        if name == "IN":
            return any(value == ord(character) for _, value in argument)
        return name == "ANY" or chr(argument) == character


ATOMS = st.sampled_from(["a", "b", "c", "[ab]", "[bc]", "."])
REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}"])
EXPRESSIONS = st.recursive(
    st.lists(st.tuples(ATOMS, REPEATS).map("".join), min_size=1, max_size=4).map("".join),
    lambda inner: st.tuples(
        inner,
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: f"(?:{'|'.join(parts)})"),
        REPEATS,
        inner,
    ).map("".join),
    max_leaves=3,
)


def test_the_naive_matcher_runs_away_where_it_should() -> None:
    with pytest.raises(StepLimitError):
        NaiveMatcher("(?:a?a)*b", limit=100_000).search("a" * 40)


@given(EXPRESSIONS, st.sampled_from(["a", "b", "ab", "aab", "ac", "abc"]))
def test_no_accepted_expression_takes_more_steps_than_estimated(expression: str, unit: str) -> None:
    expression += "x"
    try:
        compile_pattern(f"re:{expression}")
    except InvalidPatternError:
        assume(False)
    text = (unit * 30)[:30]
    estimate = search_steps(_parser.parse(expression, re.IGNORECASE), len(text))

    matcher = NaiveMatcher(expression, limit=int(20 * len(expression) * estimate))

    assert not matcher.search(text)
