"""Tables as text that reads well in a terminal and is Markdown at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["show"]


def show(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, notes: Sequence[str] = ()
) -> None:
    """Print a table.

    Parameters
    ----------
    title : str
        What it shows.
    header : sequence of str
        Names of the columns; the first is written to the left, the others to the right.
    rows : sequence of sequence of str
        Cells.
    notes : sequence of str, optional
        Lines below the table.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = [f"{'-' * widths[0]}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    print(f"\n## {title}\n")
    for line in (header, rule, *rows):
        first, *others = line
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print(f"| {' | '.join(cells)} |")
    if notes:
        print()
    for note in notes:
        print(f"- {note}")
    print(flush=True)
