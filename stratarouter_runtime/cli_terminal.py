"""What the command line shows: text, tables, notes and progress; nicer where rich is installed."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Terminal"]

_GAP = "  "


class Terminal:
    """Writes results to one stream, and notes and progress to the other.

    Rich draws tables and progress bars where it is installed and the stream is a terminal. A pipe
    or a file gets plain text, and no progress.

    Parameters
    ----------
    out : TextIO, optional
        Stream of results; None takes the standard output.
    err : TextIO, optional
        Stream of notes and progress; None takes the standard error.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err

    def write(self, text: str = "") -> None:
        """Write a line of result.

        Parameters
        ----------
        text : str
            One line or several.
        """
        print(text, file=self._out)

    def note(self, text: str) -> None:
        """Write a line that is no result.

        Parameters
        ----------
        text : str
            One line or several.
        """
        print(text, file=self._err)

    def flush(self) -> None:
        """Hand over what was written, so that a closed pipe is noticed here."""
        self._out.flush()

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table; all columns but the first are aligned to the right.

        Parameters
        ----------
        title : str
            Line above it.
        header : sequence of str
            Names of the columns.
        rows : sequence of sequence of str
            Cells, as many per row as names.
        """
        if self._out.isatty() and _has_rich():
            _rich_table(self._out, title, header, rows)
        else:
            self.write(_plain_table(title, header, rows))

    @contextmanager
    def track(self, label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show progress while a block runs.

        Parameters
        ----------
        label : str
            What is going on.
        total : int, optional
            Number of steps; None if it is not known.

        Yields
        ------
        callable
            To be called with the number of steps that were just done.
        """
        if not self._err.isatty():
            yield _ignore
        elif _has_rich():
            with _rich_progress(self._err, label, total) as advance:
                yield advance
        else:
            with _plain_progress(self._err, label, total) as advance:
                yield advance


def _ignore(steps: int) -> None:
    """Take a number of steps where nobody is watching."""


def _has_rich() -> bool:
    try:
        import rich  # noqa: F401 -- only whether it is there
    except ImportError:
        return False
    return True


def _plain_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [title]
    for row in cells:
        aligned = [row[0].ljust(widths[0])]
        aligned += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(_GAP + _GAP.join(aligned).rstrip())
    return "\n".join(lines)


def _rich_table(
    out: TextIO, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if position else "left")
    for row in rows:
        # Text, because rich would read "[…]" in a query as markup.
        table.add_row(*map(Text, row))
    Console(file=out).print(table)


@contextmanager
def _rich_progress(err: TextIO, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=err), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda steps: progress.advance(task, steps)


@contextmanager
def _plain_progress(err: TextIO, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    done = 0
    suffix = "" if total is None else f"/{total}"

    def show(steps: int) -> None:
        nonlocal done
        done += steps
        err.write(f"\r{label} {done}{suffix} ")
        err.flush()

    err.write(f"\r{label} ... ")
    err.flush()
    try:
        yield show
    finally:
        width = len(f"{label} {done}{suffix} ") + 2
        err.write(f"\r{' ' * width}\r")
        err.flush()
