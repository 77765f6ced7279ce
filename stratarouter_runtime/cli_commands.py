"""The commands of the command line; what each needs is imported when it runs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from stratarouter_runtime.cli_routers import (
    build_data,
    evaluated,
    json_numbers,
    note_overlap,
    prepare_queries,
    prepare_router,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stratarouter import RouteResult
    from stratarouter_runtime.cli_terminal import Terminal

__all__ = ["run_demo", "run_eval", "run_route"]

_PLOT_NAME = "evaluation.png"


def run_route(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Route one text, or each line of the standard input.

    Parameters
    ----------
    arguments : argparse.Namespace
        Parsed arguments of ``route``.
    terminal : Terminal
        Where to write.

    Returns
    -------
    int
        Exit code 0.
    """
    router = prepare_router(arguments, terminal).router
    for text in _texts(arguments.text):
        result = router.route(text, k=arguments.k)
        if arguments.json:
            explanation = {"explanation": str(result.explain())} if arguments.explain else {}
            terminal.write(json.dumps({"query": text, **result.to_dict(), **explanation}))
        else:
            _show_result(result, terminal, explain=arguments.explain)
    return 0


def run_eval(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Route labelled queries and report how well that went.

    Parameters
    ----------
    arguments : argparse.Namespace
        Parsed arguments of ``eval``.
    terminal : Terminal
        Where to write.

    Returns
    -------
    int
        Exit code 0.
    """
    prepared = prepare_router(arguments, terminal)
    router, examples = prepared.router, prepared.examples
    queries = prepare_queries(arguments, prepared, arguments.queries, arguments.split)
    note_overlap(queries, examples, "are also examples of the routes", terminal)
    fitted = None
    if arguments.fit is not None:
        # An example is recognised perfectly: it teaches nothing about the confidence of others.
        to_fit = prepare_queries(arguments, prepared, arguments.fit, None).without(examples)
        note_overlap(queries, set(to_fit.texts), "were also fitted to", terminal)
        with terminal.track("fitting"):
            fitted = router.fit(to_fit.texts, to_fit.labels, to_fit.embeddings)
    report = evaluated(router, queries, terminal, seed=arguments.seed)
    if arguments.plot is not None:
        path = _plot_path(arguments.plot)
        report.plot(path)
        terminal.note(f"drawn to {path}")
    if arguments.json:
        fit_data = None if fitted is None else json_numbers(fitted.to_dict())
        data = {**build_data(prepared), "fit": fit_data, **report.to_dict()}
        terminal.write(json.dumps(data))
        return 0
    terminal.write(str(prepared))
    if fitted is not None:
        terminal.write(str(fitted))
    terminal.write(str(report))
    return 0


def run_demo(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Run the bundled help desk and show its figures.

    Parameters
    ----------
    arguments : argparse.Namespace
        Parsed arguments of ``demo``.
    terminal : Terminal
        Where to write.

    Returns
    -------
    int
        Exit code 0, or 1 if a figure misses what the demo promises.
    """
    if arguments.llm:
        return _run_models(arguments, terminal)
    from stratarouter_runtime.demo.app import run
    from stratarouter_runtime.demo.report import tables, transcript

    report = run(track=terminal.track)
    if arguments.json:
        terminal.write(json.dumps(report.to_dict()))
    else:
        for title, header, rows in tables(report):
            terminal.table(title, header, rows)
            terminal.write()
        terminal.write(transcript(report))
    return 0 if report.holds else 1


def _run_models(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from stratarouter_runtime.demo.models import run_models, scene_table, story

    report = run_models()
    if arguments.json:
        terminal.write(json.dumps(report.to_dict()))
    else:
        terminal.table(*scene_table(report))
        terminal.write()
        terminal.write(story(report))
    return 0 if report.holds else 1


def _texts(words: Sequence[str]) -> Iterator[str]:
    if list(words) != ["-"]:
        yield " ".join(words)
        return
    for line in sys.stdin:
        if line.strip():
            yield line.strip()


def _show_result(result: RouteResult, terminal: Terminal, *, explain: bool) -> None:
    if result.route_id is None:
        chosen = f"no route is sure enough, best {result.alternatives[0].route_id}"
    else:
        chosen = f"{result.route_id} ({result.reason})"
    kind = "" if result.calibrated else ", a prior: too few examples to calibrate"
    terminal.write(f"{chosen}  confidence {result.confidence:.3f}{kind}")
    if explain:
        terminal.write(str(result.explain()))
        return
    others = result.alternatives if result.matched else result.alternatives[1:]
    for rank, other in enumerate(others, start=2):
        terminal.write(f"  {rank}. {other.route_id}  confidence {other.confidence:.3f}")


def _plot_path(path: Path) -> Path:
    """Return the file to draw to; a name without ending is a folder."""
    if path.suffix and not path.is_dir():
        return path
    path.mkdir(parents=True, exist_ok=True)
    return path / _PLOT_NAME
