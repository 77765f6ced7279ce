"""What notebooks show: results and reports as escaped HTML, from plain data.

Colours are half-transparent and the text keeps the one around it, so that dark themes work; there
is no script and no style sheet.
"""

from __future__ import annotations

from html import escape
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["evaluation_html", "explanation_html", "report_html", "result_html", "table_html"]

_N_SHOWN = 10
_GOOD, _BAD, _NEUTRAL = "rgba(33,102,172,.55)", "rgba(178,24,43,.6)", "rgba(128,128,128,.25)"
_CELL = "text-align:{align};padding:2px 10px 2px 0"
_SCORES = ("semantic", "keyword", "pattern", "total")


def result_html(fields: Mapping[str, Any], query: str | None) -> str:
    """Show one routing result.

    Parameters
    ----------
    fields : mapping
        What ``RouteResult.to_dict()`` returns.
    query : str, optional
        The query text.

    Returns
    -------
    str
        A block of HTML.

    Examples
    --------
    >>> "&lt;b&gt;" in result_html({"route_id": "<b>", "confidence": 0.9}, query=None)
    True
    """
    route_id, confidence = fields.get("route_id"), fields["confidence"]
    matched = fields.get("reason", "accepted") in ("accepted", "pattern_override")
    name = "no route" if route_id is None else str(route_id)
    notes = [str(fields.get("reason", "accepted")).replace("_", " ")]
    if not fields.get("calibrated", True):
        notes.append("confidence not calibrated yet")
    parts = [
        f"<b>{escape(name)}</b> {_small(', '.join(notes))}",
        f"{_bar(confidence, fields.get('threshold'), good=matched)} {confidence:.3f}"
        + (
            ""
            if fields.get("threshold") is None
            else _small(f" of {fields['threshold']:.3g} needed")
        ),
    ]
    if query is not None:
        parts.insert(0, _small(f"“{query}”"))
    ranking = list(fields.get("alternatives", ()))
    if "scores" in fields and matched:
        ranking.insert(0, {"route_id": route_id, "scores": fields["scores"]})
    if ranking:
        parts.append(_ranking(ranking))
    return _block(parts)


def explanation_html(fields: Mapping[str, Any]) -> str:
    """Show why a query went where it went.

    Parameters
    ----------
    fields : mapping
        Fields of an ``Explanation``, its ranking as data.

    Returns
    -------
    str
        A block of HTML.
    """
    parts = [_small(f"“{fields['query']}”"), f"<b>{escape(fields['summary'])}</b>"]
    if fields["ranking"]:
        parts.append(_ranking(fields["ranking"]))
    if fields["nearest_examples"]:
        rows = [
            (text, route, _Html(_weight(cosine)))
            for route, text, cosine in fields["nearest_examples"]
        ]
        parts.append(table_html(("nearest example", "route", "cosine"), rows))
    if fields["shared_words"]:
        largest = max(weight for _, weight in fields["shared_words"])
        words = [
            (word, _Html(_weight(weight, of=largest))) for word, weight in fields["shared_words"]
        ]
        parts.append(table_html(("shared word", "weight"), words))
    if fields["matched_patterns"]:
        patterns = ", ".join(f"<code>{escape(text)}</code>" for text in fields["matched_patterns"])
        parts.append(f"patterns: {patterns}")
    return _block(parts)


def evaluation_html(
    headline: str, figures: Iterable[tuple[str, str, str]], fields: Mapping[str, Any]
) -> str:
    """Show an evaluation.

    Parameters
    ----------
    headline : str
        Line above it.
    figures : iterable of (str, str, str)
        Name, value and note of each figure.
    fields : mapping
        What ``EvaluationReport.to_dict()`` returns.

    Returns
    -------
    str
        A block of HTML with the figures, two small charts and the worst routes, confusions and
        mistakes.
    """
    tables = [table_html(("", "", ""), figures)]
    charts = (
        f"<span>{_reliability_svg(fields['reliability'])}</span> "
        f"<span>{_risk_svg(fields['risk'])}</span>"
    )
    weakest = sorted(
        (entry for entry in fields["routes"] if entry["recall"] is not None),
        key=lambda entry: (entry["recall"], entry["route_id"]),
    )[:_N_SHOWN]
    if weakest:
        rows = [
            (entry["route_id"], entry["n"], _percent(entry["precision"]), _percent(entry["recall"]))
            for entry in weakest
        ]
        tables.append(table_html(("least recall", "queries", "precision", "recall"), rows))
    if fields["confusions"]:
        pairs = [
            (_label(entry["label"]), entry["route_id"], entry["n"])
            for entry in fields["confusions"][:_N_SHOWN]
        ]
        tables.append(table_html(("right route", "went to", "queries"), pairs))
    if fields["worst"]:
        worst = [
            (
                entry["query"] or "",
                _label(entry["label"]),
                entry["route_id"],
                f"{entry['confidence']:.3f}",
            )
            for entry in fields["worst"]
        ]
        tables.append(
            table_html(("surest mistakes", "right route", "went to", "confidence"), worst)
        )
    return _block([f"<b>{escape(headline)}</b>", tables[0], charts, *tables[1:]])


def report_html(summary: str, fields: Mapping[str, Any]) -> str:
    """Show a report of single figures.

    Parameters
    ----------
    summary : str
        One sentence or several lines.
    fields : mapping
        Figures by name; fields that are no numbers, texts or truths are left out.

    Returns
    -------
    str
        A block of HTML.

    Examples
    --------
    >>> "<td" in report_html("fitted", {"n": 3}) and "rows" not in report_html("", {"rows": []})
    True
    """
    rows = [
        (name.replace("_", " "), _plain(value))
        for name, value in fields.items()
        if isinstance(value, (bool, int, float, str))
    ]
    lines = [escape(line) for line in summary.splitlines()]
    return _block([*lines, table_html(("", ""), rows)] if rows else lines)


def table_html(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Show a table; numbers stand to the right.

    Parameters
    ----------
    header : sequence of str
        Names of the columns; all empty for none.
    rows : iterable of sequence
        Cells; everything is escaped.

    Returns
    -------
    str
        HTML of the table.

    Examples
    --------
    >>> "a&amp;b" in table_html(["name"], [["a&b"]])
    True
    """
    head = "".join(
        f'<th style="{_CELL.format(align="left")}">{escape(name)}</th>' for name in header
    )
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    top = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    return f'<table style="margin:4px 0">{top}<tbody>{body}</tbody></table>'


class _Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def _cell(value: object) -> str:
    text = value if isinstance(value, _Html) else escape(str(value))
    number = isinstance(value, (int, float)) or str(value)[:1].isdigit() or value == "-"
    style = _CELL.format(align="right" if number else "left")
    return f'<td style="{style}">{text}</td>'


def _ranking(entries: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            entry["route_id"],
            _Html(_weight(entry["scores"]["confidence"])),
            *(f"{entry['scores'][name]:.3f}" for name in _SCORES),
        )
        for entry in entries
    ]
    return table_html(("route", "confidence", *_SCORES), rows)


def _weight(value: float, of: float = 1.0) -> str:
    share = value / of if of else 0.0
    return f"{_bar(share, None, good=True, width=60)} {value:.3f}"


def _bar(share: float, mark: float | None, *, good: bool, width: int = 140) -> str:
    filled = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    tick = ""
    if mark is not None:
        place = f"{100 * min(max(mark, 0.0), 1.0):.1f}%"
        tick = (
            f'<span style="position:absolute;left:{place};top:-2px;bottom:-2px;'
            'border-left:2px solid currentColor"></span>'
        )
    return (
        '<span style="display:inline-block;position:relative;height:.7em;vertical-align:baseline;'
        f'width:{width}px;background:{_NEUTRAL}"><span style="position:absolute;left:0;top:0;'
        f'bottom:0;width:{filled};background:{_GOOD if good else _BAD}"></span>{tick}</span>'
    )


def _reliability_svg(bins: Sequence[Mapping[str, Any]]) -> str:
    bars = [
        f'<rect x="{100 * entry["lower"]:.2f}" y="{100 - 100 * entry["accuracy"]:.2f}" '
        f'width="{100 * (entry["upper"] - entry["lower"]):.2f}" '
        f'height="{100 * entry["accuracy"]:.2f}" fill="{_GOOD}">'
        f"<title>{entry['n']} queries, confidence {entry['confidence']:.3f}, "
        f"right {entry['accuracy']:.3f}</title></rect>"
        for entry in bins
        if entry["n"]
    ]
    diagonal = '<path d="M0 100L100 0" stroke="currentColor" stroke-dasharray="3 3" fill="none"/>'
    return _svg("share right over confidence", "".join(bars) + diagonal)


def _risk_svg(curve: Mapping[str, Sequence[float]]) -> str:
    top = max(*curve["risk"], 0.01)
    points = " ".join(
        f"{100 * coverage:.2f},{100 - 100 * risk / top:.2f}"
        for coverage, risk in zip(curve["coverage"], curve["risk"], strict=True)
    )
    line = f'<polyline points="{points}" stroke="{_BAD}" stroke-width="2" fill="none"/>'
    return _svg(f"share wrong (to {top:.1%}) over share accepted", line)


def _svg(caption: str, content: str) -> str:
    frame = f'<rect width="100" height="100" fill="none" stroke="{_NEUTRAL}"/>'
    return (
        '<span style="display:inline-block;margin-right:24px"><svg width="200" height="150" '
        'viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(caption)}">'
        f"{frame}{content}</svg><br>{_small(caption)}</span>"
    )


def _block(parts: Iterable[str]) -> str:
    inner = "".join(f"<div>{part}</div>" for part in parts)
    return f'<div style="line-height:1.5">{inner}</div>'


def _small(text: str) -> str:
    return f'<span style="opacity:.7">{escape(text)}</span>'


def _label(label: str | None) -> str:
    return "out of scope" if label is None else label


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _plain(value: float | str) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if isfinite(value) else "-"
    return str(value)
