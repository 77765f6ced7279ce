"""The commands of the command line; what each needs is imported when it runs."""

from __future__ import annotations

import json
import sys
from math import isnan
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterator, Sequence

    from stratarouter import Route, Router, RouteResult
    from stratarouter_runtime.cli_terminal import Terminal
    from stratarouter_runtime.cli_vectors import StoredEncoder

__all__ = ["run_demo", "run_eval", "run_route"]

_FIT_SPLITS = ("valid", "validation", "val", "dev", "train")


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
    from stratarouter import Router
    from stratarouter.route_files import load_routes

    routes = load_routes(arguments.routes)
    router = Router(dimension=arguments.dimension, threshold=arguments.threshold)
    _build(router, routes, terminal)
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
    from stratarouter import Router
    from stratarouter.evaluation import evaluate
    from stratarouter.route_files import load_queries, load_routes

    none_label = arguments.out_of_scope_label
    routes = load_routes(
        arguments.routes,
        per_route=arguments.per_route,
        out_of_scope_label=none_label,
        seed=arguments.seed,
    )
    queries, labels = load_queries(
        arguments.queries, split=arguments.split, out_of_scope_label=none_label
    )
    router = Router(
        encoder=_stored_encoder(arguments),
        dimension=arguments.dimension,
        threshold=arguments.threshold,
        seed=arguments.seed,
    )
    examples = {text for route in routes for text in route.examples}
    _warn_of_overlap(queries, examples, "are also examples of the routes", terminal)
    build_s = _build(router, routes, terminal)
    fitted = None
    if arguments.fit is not None:
        texts, text_labels = _fit_queries(arguments, examples)
        _warn_of_overlap(queries, set(texts), "were also fitted to", terminal)
        with terminal.track("fitting"):
            fitted = router.fit(texts, text_labels)
    results = _route_all(router, queries, terminal)
    report = evaluate(
        results, labels, known=[route.id for route in router.routes], seed=arguments.seed
    )
    if arguments.json:
        fit_data = None if fitted is None else _json_numbers(fitted.to_dict())
        terminal.write(json.dumps({"build_s": build_s, "fit": fit_data, **report.to_dict()}))
        return 0
    n_examples = sum(len(route.examples) for route in routes)
    terminal.write(f"{len(routes)} routes, {n_examples} examples, built in {build_s:.2f} s")
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


def _build(router: Router, routes: Sequence[Route], terminal: Terminal) -> float:
    started = perf_counter()
    router.add_routes(routes)
    with terminal.track(f"building {len(routes)} routes"):
        router.build_index()
    return perf_counter() - started


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


def _stored_encoder(arguments: argparse.Namespace) -> StoredEncoder | None:
    from stratarouter.errors import ConfigurationError
    from stratarouter_runtime.cli_vectors import StoredEncoder

    if arguments.embeddings is None and arguments.query_embeddings is None:
        return None
    if arguments.embeddings is None or arguments.query_embeddings is None:
        raise ConfigurationError("give --embeddings and --query-embeddings together, or neither")
    return StoredEncoder(
        [
            (arguments.routes, arguments.embeddings),
            (arguments.queries, arguments.query_embeddings),
        ]
    )


def _fit_queries(
    arguments: argparse.Namespace, examples: Collection[str]
) -> tuple[list[str], list[str | None]]:
    """Return labelled queries of the file to fit to, apart from those that are examples.

    An example is recognised perfectly, so that it teaches nothing about the confidence of others.
    """
    from stratarouter.route_files import load_labelled

    rows = load_labelled(arguments.fit, out_of_scope_label=arguments.out_of_scope_label)
    splits = {row.split for row in rows}
    split = next((name for name in _FIT_SPLITS if name in splits), None)
    kept = [
        row for row in rows if (split is None or row.split == split) and row.text not in examples
    ]
    return [row.text for row in kept], [row.label for row in kept]


def _warn_of_overlap(
    queries: Sequence[str], seen: Collection[str], what: str, terminal: Terminal
) -> None:
    n_seen = sum(query in seen for query in queries)
    if n_seen:
        terminal.note(f"note: {n_seen} of {len(queries)} queries {what}; their figures flatter")


def _json_numbers(fields: dict[str, Any]) -> dict[str, Any]:
    """Write NaN, which JSON does not know, as null."""
    return {
        name: None if isinstance(value, float) and isnan(value) else value
        for name, value in fields.items()
    }


def _route_all(router: Router, queries: Sequence[str], terminal: Terminal) -> list[RouteResult]:
    # One by one, as an application would: a batch would show one mean latency for all.
    results = []
    with terminal.track("routing", len(queries)) as advance:
        for query in queries:
            results.append(router.route(query))
            advance(1)
    return results
