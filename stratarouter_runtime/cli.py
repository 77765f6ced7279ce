"""The command ``stratarouter``: demo, route, eval, fit and certify."""

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
from stratarouter_runtime.cli_fitting import run_certify, run_fit
from stratarouter_runtime.cli_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_INPUT_ERRORS = (InvalidInputError, ConfigurationError, RouteNotFoundError, MissingExtraError)
_FAILED = 1
_BAD_INPUT = 2
_INTERRUPTED = 130


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
    _add_fit(commands)
    _add_certify(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="run a help desk of 18 routes with real handlers and show its figures",
        description="Builds a help desk from bundled data, routes labelled customer messages, fits "
        "the confidence on one half, reports on the other, and carries messages out. Needs no "
        "network and writes nothing. Exit code 1 if a promised figure is missed.",
    )
    demo.add_argument(
        "--llm",
        action="store_true",
        help="show calls of models that fail instead, with repetitions, fallbacks, streams and "
        "costs; the models are made up, on this machine (needs the extra 'local')",
    )
    demo.add_argument("--json", action="store_true", help="print the report as JSON")
    demo.set_defaults(run=run_demo)


def _add_route(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    route = commands.add_parser(
        "route",
        help="say where a text goes",
        description="Builds or loads a router and says where a text goes.",
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
    add("--fit", type=Path, metavar="FILE", help="labelled queries to fit the confidence to")
    add(
        "--plot",
        type=Path,
        metavar="FILE.png|DIR",
        help="draw reliability, confusions and the coverage-risk curve (.png, .svg or .pdf)",
    )
    _add_queries(evaluation, split="test")
    _add_common(evaluation)
    evaluation.set_defaults(run=run_eval)


def _add_fit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    fit = commands.add_parser(
        "fit",
        help="fit a router to labelled queries and save it",
        description="Builds or loads a router, fits its confidence to one part of labelled "
        "queries, shows figures on the other part before and after, and saves the router that was "
        "measured. Queries that are examples of the routes are left out.",
    )
    add = fit.add_argument
    add("--save", type=Path, required=True, metavar="FOLDER", help="where to save the router")
    add(
        "--holdout",
        type=float,
        default=0.3,
        metavar="SHARE",
        help="share of the queries to measure on; 0 fits to all and measures nothing (0.3)",
    )
    _add_queries(fit, split=None)
    _add_common(fit)
    fit.set_defaults(run=run_fit)


def _add_certify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    certify = commands.add_parser(
        "certify",
        help="set thresholds with a bounded share of wrong answers",
        description="Sets thresholds at which at most the share ALPHA of the accepted queries is "
        "wrong, with probability 1 - DELTA over the draw of the labelled queries. They must be "
        "queries that the router was neither built from nor fitted to. The thresholds hold until "
        "routes change or the router is fitted again. Exit code 1 if that cannot be shown; then "
        "it says how many labels are missing, and nothing is saved.",
    )
    add = certify.add_argument
    add("--alpha", type=float, default=0.05, help="largest share of wrong answers (0.05)")
    add("--delta", type=float, default=0.05, help="probability that the bound may fail (0.05)")
    add(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="where to save the router with these thresholds",
    )
    _add_queries(certify, split="test")
    _add_common(certify)
    certify.set_defaults(run=run_certify)


def _add_queries(parser: argparse.ArgumentParser, split: str | None) -> None:
    chosen = 'the first of "valid", "dev", "train"' if split is None else split
    add = parser.add_argument
    add("--queries", type=Path, required=True, metavar="FILE", help="labelled queries")
    add(
        "--split",
        default=split,
        help=f"split of the queries to use, if the file has splits ({chosen})",
    )
    add("--per-route", type=int, metavar="N", help="draw at most N examples per route")
    add("--out-of-scope-label", default="oos", metavar="LABEL", help="label of no route (oos)")
    add("--embeddings", type=Path, metavar="NPY", help="embeddings of the texts of --routes")
    add("--query-embeddings", type=Path, metavar="NPY", help="the same of --queries")
    add("--seed", type=int, default=0, help="seed of everything drawn (0)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--routes",
        type=Path,
        metavar="FILE",
        help="routes, or labelled texts, to build from: JSON, JSONL, TOML, YAML; files of "
        "semantic-router load too",
    )
    source.add_argument("--router", type=Path, metavar="FOLDER", help="saved router to load")
    add = parser.add_argument
    add("--json", action="store_true", help="print JSON")
    add("--threshold", type=float, help="least confidence of a match (0.5)")
    add("--encoder", type=Path, metavar="FOLDER", help="folder of an ONNX sentence encoder")
    add(
        "--dimension",
        type=int,
        metavar="N",
        help="width of the built-in hashing encoder (2048)",
    )


if __name__ == "__main__":
    sys.exit(main())
