"""What notebooks show: well-formed, escaped, and with the figures in it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratarouter import Route, Router
from stratarouter.evaluation import evaluate
from stratarouter.html import report_html, result_html, table_html
from stratarouter.types import Alternative, RouteResult, RouteScores

VOID = {"br", "img", "hr"}
HOSTILE = "<script>alert('x')</script>&\"'"


class Reader(HTMLParser):
    """Checks that tags close in order, and collects text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    assert "script" not in reader.tags
    return reader


def html_of(shown: object) -> str:
    """Return what a notebook would show."""
    html = shown._repr_html_()  # type: ignore[attr-defined]
    assert isinstance(html, str)
    return html


@pytest.fixture(scope="module")
def router() -> Router:
    router = Router(threshold=0.0)
    router.add_routes(
        [
            Route("billing", examples=["Where's my invoice?", "I was charged twice"]),
            Route(HOSTILE, examples=[HOSTILE, "tell me a joke"], patterns=["joke"]),
        ]
    )
    return router


def test_result_shows_route_confidence_and_ranking(router: Router) -> None:
    result = router.route("please send my invoice", k=2)
    text = " ".join(read(html_of(result)).text)
    assert "billing" in text
    assert f"{result.confidence:.3f}" in text
    assert "please send my invoice" in text
    assert HOSTILE in text


def test_refused_result_says_so_and_names_its_best_candidate() -> None:
    scores = RouteScores(0.4, 0.3, 0.0, 0.35, confidence=0.2)
    result = RouteResult(
        route_id=None,
        confidence=0.2,
        scores=scores,
        reason="below_threshold",
        alternatives=(Alternative("billing", scores),),
        threshold=0.5,
    )
    text = " ".join(read(html_of(result)).text)
    assert "no route" in text
    assert "below threshold" in text
    assert "of 0.5 needed" in text
    assert "billing" in text


def test_explanation_shows_examples_words_and_patterns(router: Router) -> None:
    explanation = router.route("tell me another joke", k=2).explain()
    text = " ".join(read(html_of(explanation)).text)
    assert explanation.summary in text
    assert explanation.nearest_examples[0][1] in text
    assert explanation.shared_words[0][0] in text
    assert "patterns: " in text


def test_evaluation_shows_figures_charts_and_mistakes(router: Router) -> None:
    queries = ["my invoice", HOSTILE, "weather on <Mars>"]
    results = router.route_batch(queries)
    report = evaluate(results, ["billing", "billing", None])
    reader = read(html_of(report))
    text = " ".join(reader.text)
    assert reader.tags.count("svg") == 2
    assert "3 queries, 2 in scope, 1 out of scope" in text
    assert "in-scope accuracy" in text
    assert "weather on <Mars>" in text
    assert "out of scope" in text


def test_evaluation_without_any_mistake_is_shown() -> None:
    scores = RouteScores(0.5, 0.5, 0.0, 0.5, confidence=0.9)
    report = evaluate([RouteResult(route_id="a", confidence=0.9, scores=scores)], ["a"])
    assert "went to" not in " ".join(read(html_of(report)).text)


def test_fit_report_shows_its_sentence_and_figures(router: Router) -> None:
    report = router.fit(["my invoice", "a joke"], ["billing", HOSTILE])
    text = " ".join(read(html_of(report)).text)
    assert str(report).splitlines()[0] in text
    assert "n out of scope" in text


def test_report_leaves_rows_out_and_shows_nan_as_a_dash() -> None:
    text = read(report_html("two\nlines", {"accuracy": float("nan"), "rows": [1], "n": 3})).text
    assert text == ["two", "lines", "accuracy", "-", "n", "3"]


@given(st.text(), st.text(), st.floats(0, 1), st.none() | st.floats(0, 1))
def test_whatever_a_text_holds_it_stays_text(
    name: str, query: str, confidence: float, threshold: float | None
) -> None:
    fields = {"route_id": name, "confidence": confidence, "threshold": threshold}
    plain = read(result_html({**fields, "route_id": "a"}, "b"))
    assert read(result_html(fields, query)).tags == plain.tags


@given(st.lists(st.tuples(st.text(), st.integers() | st.floats()), max_size=3))
def test_table_has_a_cell_for_each_value(rows: list[tuple[str, float]]) -> None:
    assert read(table_html(("a", "b"), rows)).tags.count("td") == 2 * len(rows)
