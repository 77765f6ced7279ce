"""The command ``stratarouter``: demo, route and eval."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stratarouter import __version__
from stratarouter.errors import (
    ConfigurationError,
    InvalidInputError,
    MissingExtraError,
    RouteNotFoundError,
    StrataError,
)
from stratarouter_runtime.cli_commands import run_demo, run_eval, run_route
from stratarouter_runtime.cli_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_INPUT_ERRORS = (InvalidInputError, ConfigurationError, RouteNotFoundError, MissingExtraError)
_FAILED = 1
_BAD_INPUT = 2
_INTERRUPTED = 130

_DIMENSION = 2048


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the name of the program; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0 for success, 1 for failure, 2 for unusable arguments or input, 130 if
        interrupted. Errors go to the standard error, without traceback.

    Examples
    --------
    >>> main(["--version"])
    stratarouter ...
    0
    """
    terminal = Terminal()
    try:
        arguments = _parser().parse_args(argv)
        code: int = arguments.run(arguments, terminal)
        terminal.flush()
    except SystemExit as stop:
        # argparse ends the process after help, version and usage errors.
        return stop.code if isinstance(stop.code, int) else _BAD_INPUT
    except StrataError as error:
        terminal.note(f"stratarouter: error: {error}")
        return _BAD_INPUT if isinstance(error, _INPUT_ERRORS) else _FAILED
    except KeyboardInterrupt:
        terminal.note("stratarouter: interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our pipe has seen enough. The interpreter will flush once more at its exit;
        # that must not fail as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stratarouter",
        description="Routes text to the right handler with a calibrated confidence.",
    )
    parser.add_argument("--version", action="version", version=f"stratarouter {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_route(commands)
    _add_eval(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="run a help desk of 18 routes with real handlers and show its figures",
        description="Builds a help desk from bundled data, routes labelled customer messages, fits "
        "the confidence on one half, reports on the other, and carries messages out. Needs no "
        "network and writes nothing. Exit code 1 if a promised figure is missed.",
    )
    demo.add_argument("--json", action="store_true", help="print the report as JSON")
    demo.set_defaults(run=run_demo)


def _add_route(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    route = commands.add_parser(
        "route",
        help="say where a text goes",
        description="Builds a router from a file of routes and says where a text goes.",
    )
    route.add_argument("text", nargs="+", help='the text; "-" reads one text per line from stdin')
    route.add_argument("--k", type=int, default=1, help="how many ranked routes to show (1)")
    route.add_argument("--explain", action="store_true", help="say why")
    _add_common(route)
    route.set_defaults(run=run_route)


def _add_eval(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluation = commands.add_parser(
        "eval",
        help="measure a router on labelled queries",
        description="Builds a router and reports accuracy, coverage, calibration and mistakes on "
        "labelled queries. A file of labelled texts serves as routes too: its train split gives "
        "the examples.",
    )
    add = evaluation.add_argument
    add("--queries", type=Path, required=True, metavar="FILE", help="labelled queries")
    add(
        "--split", default="test", help="split of the queries to use, if the file has splits (test)"
    )
    add("--fit", type=Path, metavar="FILE", help="labelled queries to fit the confidence to")
    add("--per-route", type=int, metavar="N", help="draw at most N examples per route")
    add("--out-of-scope-label", default="oos", metavar="LABEL", help="label of no route (oos)")
    add("--embeddings", type=Path, metavar="NPY", help="embeddings of the texts of --routes")
    add("--query-embeddings", type=Path, metavar="NPY", help="the same of --queries")
    add("--seed", type=int, default=0, help="seed of everything drawn (0)")
    _add_common(evaluation)
    evaluation.set_defaults(run=run_eval)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--routes", type=Path, required=True, metavar="FILE", help="JSON, JSONL, TOML or YAML")
    add("--json", action="store_true", help="print JSON")
    add("--threshold", type=float, default=0.5, help="least confidence of a match (0.5)")
    add(
        "--dimension",
        type=int,
        default=_DIMENSION,
        metavar="N",
        help=f"width of the built-in hashing encoder ({_DIMENSION})",
    )


if __name__ == "__main__":
    sys.exit(main())
