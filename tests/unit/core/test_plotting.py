"""The drawing of an evaluation, rendered to files and read back from its panels."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from stratarouter.errors import InvalidInputError, MissingExtraError
from stratarouter.evaluation import evaluate
from stratarouter.types import Alternative, RouteResult, RouteScores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stratarouter.evaluation import EvaluationReport

PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def result_for(candidate: str, confidence: float, *, accepted: bool = True) -> RouteResult:
    scores = RouteScores(0.5, 0.5, 0.0, 0.5, confidence=confidence)
    return RouteResult(
        route_id=candidate if accepted else None,
        confidence=confidence,
        scores=scores,
        reason="accepted" if accepted else "below_threshold",
        alternatives=() if accepted else (Alternative(candidate, scores),),
        query="some text",
    )


def report_of(rows: Sequence[tuple[str, str | None, float]]) -> EvaluationReport:
    """Return the report of (candidate, label, confidence); at least 0.5 is accepted."""
    results = [result_for(name, value, accepted=value >= 0.5) for name, _, value in rows]
    return evaluate(results, [label for _, label, _ in rows])


ROWS: list[tuple[str, str | None, float]] = [
    *(("billing", "billing", 0.87 + i / 1000) for i in range(40)),
    *(("support", "billing", 0.54 + i / 1000) for i in range(7)),
    *(("billing", None, 0.61 + i / 1000) for i in range(3)),
    *(("support", "support", 0.28 + i / 1000) for i in range(5)),
]


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    return report_of(ROWS)


@pytest.mark.parametrize(
    ("name", "head"), [("r.png", PNG_HEAD), ("r.svg", b"<?xml"), ("r.PDF", b"%PDF")]
)
def test_plot_is_written_as_the_ending_says(
    tmp_path: Path, report: EvaluationReport, name: str, head: bytes
) -> None:
    report.plot(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert content.startswith(head)
    assert len(content) > 5_000


def test_rendered_plot_is_no_blank_sheet(tmp_path: Path, report: EvaluationReport) -> None:
    from matplotlib.image import imread

    report.plot(tmp_path / "r.png")
    pixels = imread(tmp_path / "r.png")[..., :3]
    width = pixels.shape[1]
    assert width >= 1500
    thirds = [pixels[:, i * width // 3 : (i + 1) * width // 3] for i in range(3)]
    inked = [float((third.min(axis=2) < 0.9).mean()) for third in thirds]
    assert min(inked) > 0.01


def test_plot_has_three_titled_panels_and_the_counts(report: EvaluationReport) -> None:
    figure = report.plot()
    reliability, counts, confusions, risk = figure.axes
    assert reliability.get_title(loc="left").startswith("Reliability: calibration error ")
    assert confusions.get_title(loc="left").startswith("Most confused routes")
    assert risk.get_title(loc="left") == "Coverage and risk"
    assert {text.get_text() for text in counts.texts} == {"40", "7", "3", "5"}
    assert "55 queries" in figure.get_suptitle()


def test_confusions_show_the_counts_and_the_out_of_scope_row(report: EvaluationReport) -> None:
    confusions = report.plot().axes[2]
    assert [tick.get_text() for tick in confusions.get_yticklabels()] == [
        *("billing", "support", "out of scope")
    ]
    assert sorted(text.get_text() for text in confusions.texts) == ["3", "40", "5", "7"]


def test_risk_panel_marks_what_is_accepted_now(report: EvaluationReport) -> None:
    texts = [text.get_text() for text in report.plot().axes[3].texts]
    assert any(f"{50 / 55:.1%} accepted, {10 / 50:.1%} wrong" in text for text in texts)


def test_plot_without_mistakes_and_without_acceptance_is_drawn(tmp_path: Path) -> None:
    figure = report_of([("billing", "billing", 0.4)]).plot(tmp_path / "r.png")
    assert [text.get_text() for text in figure.axes[2].texts] == ["nothing was confused"]
    assert not any("in use" in text.get_text() for text in figure.axes[3].texts)


def test_names_are_shortened_and_never_read_as_formulas(tmp_path: Path) -> None:
    long = "a" * 60
    report = report_of([("$x^$", long, 0.7), ("$\\frac", "$x^$", 0.7)])
    figure = report.plot(tmp_path / "r.png")
    labels = [tick.get_text() for tick in figure.axes[2].get_xticklabels()]
    assert "$x^$" in labels
    assert f"{'a' * 25}…" in labels


def test_notebook_shows_the_figure_as_an_image(report: EvaluationReport) -> None:
    figure: Any = report.plot()
    assert figure._repr_png_().startswith(PNG_HEAD)


def test_plot_leaves_no_figure_behind(report: EvaluationReport) -> None:
    report.plot()
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_unknown_ending_and_missing_folder_are_refused(
    tmp_path: Path, report: EvaluationReport
) -> None:
    with pytest.raises(InvalidInputError, match=r"saved as \.png, \.svg, \.pdf"):
        report.plot(tmp_path / "r.docx")
    with pytest.raises(InvalidInputError, match=r"r\.png: cannot be written: No such file"):
        report.plot(tmp_path / "gone" / "r.png")


def test_missing_matplotlib_is_named_with_its_extra(
    report: EvaluationReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"stratarouter\[viz\]"):
        report.plot()
