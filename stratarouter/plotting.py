"""Drawings of an evaluation; the only module that knows matplotlib, imported on first use."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from stratarouter.errors import InvalidInputError, MissingExtraError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratarouter.evaluation_tables import ConfusionMatrix, ReliabilityBin, RiskCurve

__all__ = ["FILE_KINDS", "draw_evaluation", "save_figure"]

FILE_KINDS = (".png", ".svg", ".pdf")
"""Endings of files that a figure can be written to."""

_SIZE_INCHES = (16.5, 5.6)
_DPI = 120
_LONGEST_NAME = 26
_Z95 = 1.96
_MARKED_THRESHOLDS = (0.3, 0.5, 0.7, 0.9)

# Colours that people with any colour vision can tell apart, and that print in grey.
_INK, _GREY, _PALE = "#1f2933", "#7b8794", "#d5dae0"
_BLUE, _RED = "#2166ac", "#b2182b"
_REDS = ("#ffffff", "#fddbc7", "#f4a582", "#d6604d", "#b2182b")


def draw_evaluation(
    *,
    reliability: Sequence[ReliabilityBin],
    matrix: ConfusionMatrix,
    risk: RiskCurve,
    ece: float,
    operating_point: tuple[float, float] | None,
    title: str,
) -> Figure:
    """Draw reliability, confusions and the coverage-risk curve side by side.

    Parameters
    ----------
    reliability : sequence of ReliabilityBin
        Confidence beside accuracy.
    matrix : ConfusionMatrix
        Counts among the most confused routes; may be empty.
    risk : RiskCurve
        Share of wrong answers at each share of accepted queries.
    ece : float, in [0, 1]
        Expected calibration error.
    operating_point : tuple of float, optional
        Coverage and risk at the thresholds in use; None if nothing was accepted.
    title : str
        Line above the panels.

    Returns
    -------
    matplotlib.figure.Figure
        The drawing; it belongs to no window, so that nothing has to be closed.

    Raises
    ------
    MissingExtraError
        If the extra ``viz`` is not installed.
    """
    figure = _new_figure()
    figure.suptitle(title, x=0.015, ha="left", color=_INK, fontsize=12, parse_math=False)
    grid = figure.add_gridspec(2, 3, height_ratios=(4, 1), width_ratios=(1, 1.25, 1))
    upper = figure.add_subplot(grid[0, 0])
    lower = figure.add_subplot(grid[1, 0], sharex=upper)
    _draw_reliability(upper, reliability, ece)
    _draw_counts(lower, reliability)
    _draw_confusions(figure.add_subplot(grid[:, 1]), matrix)
    _draw_risk(figure.add_subplot(grid[:, 2]), risk, operating_point)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure to a file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A drawing.
    path : str or path-like
        The file; an existing one is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInputError
        If the ending is not one of `FILE_KINDS`, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in FILE_KINDS:
        raise InvalidInputError(f"{target}: a figure is saved as {', '.join(FILE_KINDS)}")
    try:
        figure.savefig(target)
    except OSError as error:
        raise InvalidInputError(f"{target}: cannot be written: {error.strerror}") from error
    return target


def _new_figure() -> Figure:
    # A bare Figure, because pyplot would choose a window system and keep every figure alive.
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", extra="viz") from None

    class NotebookFigure(Figure):  # type: ignore[misc, unused-ignore]
        """A figure that a notebook shows although pyplot does not know it."""

        def _repr_png_(self) -> bytes:
            from io import BytesIO

            buffer = BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    figure = NotebookFigure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_reliability(axes: Axes, bins: Sequence[ReliabilityBin], ece: float) -> None:
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--", label="perfect calibration")
    first = True
    for entry in bins:
        if entry.confidence is None or entry.accuracy is None:
            continue
        error = _Z95 * sqrt(entry.accuracy * (1 - entry.accuracy) / entry.n)
        width = entry.upper - entry.lower
        axes.bar(
            entry.lower, entry.accuracy, width, align="edge", color=_BLUE, alpha=0.25, linewidth=0
        )
        axes.errorbar(
            *(entry.confidence, entry.accuracy),
            # A share of 0 or 1 has no spread of its own; the rule of three bounds it.
            yerr=[
                [min(error or 3 / entry.n, entry.accuracy)],
                [min(error or 3 / entry.n, 1 - entry.accuracy)],
            ],
            fmt="o",
            markersize=4,
            color=_BLUE,
            linewidth=1,
            label="accuracy in the bin, 95 % interval" if first else None,
        )
        first = False
    # Room for the legend above everything that a share can be.
    axes.set(xlim=(0, 1), ylim=(0, 1.2), yticks=[0, 0.25, 0.5, 0.75, 1], ylabel="share right")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.tick_params(labelbottom=False)
    _dress(axes, f"Reliability: calibration error {ece:.1%}")
    axes.legend(loc="upper left", frameon=False, fontsize=8, labelcolor=_INK)


def _draw_counts(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    largest = max(entry.n for entry in bins)
    for entry in bins:
        axes.bar(entry.lower, entry.n, entry.upper - entry.lower, align="edge", color=_GREY)
        if entry.n:
            middle = (entry.lower + entry.upper) / 2
            axes.annotate(
                f"{entry.n}",
                (middle, entry.n),
                textcoords="offset points",
                xytext=(0, 2),
                ha="center",
                fontsize=6.5,
                color=_INK,
            )
    axes.set(xlabel="confidence", ylabel="queries", ylim=(0, 1.35 * largest))
    axes.set_yticks([])
    _dress(axes, "")


def _draw_confusions(axes: Axes, matrix: ConfusionMatrix) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    if not matrix.candidates:
        axes.text(0.5, 0.5, "nothing was confused", ha="center", color=_GREY)
        axes.set_axis_off()
        _dress(axes, "Most confused routes")
        return
    wrong = [
        [0 if label == name else n for name, n in zip(matrix.candidates, row, strict=True)]
        for label, row in zip(matrix.labels, matrix.counts, strict=True)
    ]
    largest = max(max(row) for row in wrong)
    axes.imshow(
        wrong,
        cmap=LinearSegmentedColormap.from_list("confusions", _REDS),
        vmin=0,
        vmax=max(largest, 1),
        aspect="auto",
    )
    for row, label in enumerate(matrix.labels):
        for column, name in enumerate(matrix.candidates):
            n = matrix.counts[row][column]
            if not n:
                continue
            dark = label != name and n > 0.6 * largest
            colour = "white" if dark else (_GREY if label == name else _INK)
            axes.text(column, row, f"{n}", ha="center", va="center", fontsize=9, color=colour)
    _name_ticks(axes, matrix)
    axes.set(xlabel="best candidate", ylabel="right route")
    _dress(axes, "Most confused routes: queries gone right (grey) and wrong (red)")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    # Lines between the cells lead the eye to the names.
    axes.set_xticks([i + 0.5 for i in range(len(matrix.candidates) - 1)], minor=True)
    axes.set_yticks([i + 0.5 for i in range(len(matrix.labels) - 1)], minor=True)
    axes.grid(which="minor", color=_PALE, linewidth=0.6)
    axes.tick_params(which="minor", length=0)


def _name_ticks(axes: Axes, matrix: ConfusionMatrix) -> None:
    columns = [_short(name) for name in matrix.candidates]
    rows = ["out of scope" if name is None else _short(name) for name in matrix.labels]
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        # Names are no formulas, even with dollar signs in them.
        text.set_parse_math(False)
        text.set_fontsize(8)


def _draw_risk(axes: Axes, curve: RiskCurve, operating_point: tuple[float, float] | None) -> None:
    # A step, because risk is known at the thresholds only; the first few queries say nothing yet.
    axes.plot(curve.coverage, curve.risk, color=_BLUE, linewidth=1.6, drawstyle="steps-post")
    axes.axhline(curve.risk[-1], color=_GREY, linewidth=1, linestyle="--")
    top = max(1.15 * curve.risk[-1], 1.15 * (operating_point or (0, 0))[1], 0.02)
    axes.annotate(
        f"all accepted: {curve.risk[-1]:.1%} wrong",
        (0.01, curve.risk[-1]),
        textcoords="offset points",
        xytext=(0, 4),
        fontsize=8,
        color=_GREY,
    )
    for threshold in _MARKED_THRESHOLDS:
        _mark_threshold(axes, curve, threshold)
    if operating_point is not None:
        coverage, risk = operating_point
        axes.plot([coverage], [risk], "o", color=_RED, markersize=7, zorder=5)
        left = coverage > 0.5
        axes.annotate(
            f"thresholds in use:\n{coverage:.1%} accepted, {risk:.1%} wrong",
            (coverage, risk),
            textcoords="offset points",
            xytext=(-10 if left else 10, 10),
            ha="right" if left else "left",
            fontsize=8,
            color=_RED,
        )
    axes.set(xlim=(0, 1.01), ylim=(0, top), xlabel="share of queries accepted")
    axes.set_ylabel("share wrong among the accepted")
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.1%}" if top < 0.1 else "{x:.0%}")
    _dress(axes, "Coverage and risk")
    axes.grid(color=_PALE, linewidth=0.6)
    axes.set_axisbelow(True)


def _mark_threshold(axes: Axes, curve: RiskCurve, threshold: float) -> None:
    n_above = sum(confidence >= threshold for confidence in curve.thresholds)
    if not n_above:
        return
    point = (curve.coverage[n_above - 1], curve.risk[n_above - 1])
    axes.plot(*point, "o", color="white", markeredgecolor=_BLUE, markersize=4.5, zorder=4)
    axes.annotate(
        f"≥ {threshold}",
        point,
        textcoords="offset points",
        xytext=(6, -9),
        fontsize=7.5,
        color=_BLUE,
        annotation_clip=True,
    )


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10.5, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK)
    axes.xaxis.label.set(fontsize=9, color=_INK)
    axes.yaxis.label.set(fontsize=9, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
