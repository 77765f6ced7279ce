"""What reaches the streams, with and without a terminal, with and without rich."""

from __future__ import annotations

import io
import sys

import pytest

from stratarouter_runtime.cli_terminal import Terminal


class FakeScreen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


ROWS = [("billing", "12"), ("[red]odd", "3")]


@pytest.fixture
def without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)


def test_results_and_notes_go_to_different_streams() -> None:
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal(out, err)
    terminal.write("result")
    terminal.note("note")
    assert (out.getvalue(), err.getvalue()) == ("result\n", "note\n")


def test_standard_streams_serve_where_none_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.write("result")
    terminal.note("note")
    assert capsys.readouterr() == ("result\n", "note\n")


def test_table_in_a_pipe_is_plain_text_in_columns() -> None:
    out = io.StringIO()
    Terminal(out, io.StringIO()).table("Title", ("route", "n"), ROWS)
    assert out.getvalue() == "Title\n  route      n\n  billing   12\n  [red]odd   3\n"


@pytest.mark.usefixtures("without_rich")
def test_table_without_rich_is_plain_text_on_a_terminal_too() -> None:
    out = FakeScreen()
    Terminal(out, io.StringIO()).table("Title", ("route", "n"), ROWS)
    assert out.getvalue().startswith("Title\n  route      n\n")


def test_table_on_a_terminal_takes_no_cell_for_markup() -> None:
    out = FakeScreen()
    Terminal(out, io.StringIO()).table("Title", ("route", "n"), ROWS)
    assert "[red]odd" in out.getvalue()
    assert "billing" in out.getvalue()


def test_progress_is_silent_without_a_terminal() -> None:
    out, err = io.StringIO(), io.StringIO()
    with Terminal(out, err).track("routing", 2) as advance:
        advance(1)
        advance(1)
    assert out.getvalue() == err.getvalue() == ""


def test_progress_on_a_terminal_names_the_work() -> None:
    out, err = io.StringIO(), FakeScreen()
    with Terminal(out, err).track("routing", 2) as advance:
        advance(2)
    assert "routing" in err.getvalue()
    assert out.getvalue() == ""


@pytest.mark.usefixtures("without_rich")
def test_plain_progress_counts_and_wipes_its_line() -> None:
    err = FakeScreen()
    with Terminal(io.StringIO(), err).track("routing", 20) as advance:
        advance(5)
        advance(15)
    shown = err.getvalue().split("\r")
    assert shown[1:4] == ["routing ... ", "routing 5/20 ", "routing 20/20 "]
    assert shown[-2].isspace()
    assert len(shown[-2]) >= len("routing 20/20 ")
    assert shown[-1] == ""


@pytest.mark.usefixtures("without_rich")
def test_plain_progress_wipes_its_line_after_a_failure() -> None:
    err = FakeScreen()
    with pytest.raises(ZeroDivisionError), Terminal(io.StringIO(), err).track("routing"):
        raise ZeroDivisionError
    assert err.getvalue().endswith(" \r")
