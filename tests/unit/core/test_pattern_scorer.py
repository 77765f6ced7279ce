"""Patterns of several routes: which fire, and which decides alone."""

from __future__ import annotations

import pytest

from stratarouter.errors import InvalidPatternError
from stratarouter.scoring.pattern import PatternScorer
from stratarouter.types import Route

PLAIN = Route("plain", examples=["a"])
INVOICE = Route("invoice", examples=["b"], patterns=[r"re:\binv-\d+", "invoice"])
URGENT = Route("urgent", examples=["c"], patterns=["urgent"], pattern_mode="override")
LEGAL = Route("legal", examples=["d"], patterns=["lawyer", "urgent"], pattern_mode="override")
ROUTES = (PLAIN, INVOICE, URGENT, LEGAL)


def test_routes_with_a_matching_pattern_score_one() -> None:
    scores = PatternScorer(ROUTES).scores("invoice, lawyer", list(range(4)))

    assert scores is not None
    assert scores == [0.0, 1.0, 0.0, 1.0]


def test_nothing_fires_among_the_routes_that_are_asked_for() -> None:
    scorer = PatternScorer(ROUTES)

    assert scorer.scores("hello", list(range(4))) is None
    assert scorer.scores("invoice", [0, 2]) is None
    assert PatternScorer([PLAIN]).scores("invoice", [0]) is None


def test_the_first_overriding_route_decides() -> None:
    scorer = PatternScorer(ROUTES)

    assert scorer.override("URGENT, ask my lawyer") == 2
    assert scorer.override("ask my lawyer") == 3
    assert PatternScorer(ROUTES[::-1]).override("urgent") == 0


def test_patterns_that_only_score_never_override() -> None:
    assert PatternScorer(ROUTES).override("invoice inv-7") is None


def test_the_position_of_the_matching_pattern_is_known() -> None:
    scorer = PatternScorer(ROUTES)

    assert scorer.matches("my invoice", 1) == 1
    assert scorer.matches("inv-7 invoice", 1) == 0
    assert scorer.matches("my invoice", 0) is None
    assert scorer.matches("hello", 1) is None


def test_what_an_earlier_scorer_compiled_is_used_again() -> None:
    earlier = PatternScorer([INVOICE, URGENT])

    later = PatternScorer([PLAIN, LEGAL, INVOICE], earlier)

    assert later.matches("inv-7", 2) == 0
    assert later.override("lawyer") == 1
    assert set(later.compiled) == {*INVOICE.patterns, *LEGAL.patterns}
    for pattern in (*INVOICE.patterns, "urgent"):
        assert later.compiled[pattern] is earlier.compiled[pattern]


def test_an_unusable_pattern_is_refused() -> None:
    with pytest.raises(InvalidPatternError, match=r"re:\("):
        PatternScorer([INVOICE, Route("bad", examples=["x"], patterns=["fine", "re:("])])
