"""Routers and labelled queries as the arguments of the command line ask for them."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from math import isnan
from time import perf_counter
from typing import TYPE_CHECKING, Any

from stratarouter.errors import ConfigurationError
from stratarouter.route_files import ForeignFileWarning, load_labelled, load_routes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from stratarouter import EvaluationReport, Route, Router, RouteResult
    from stratarouter.types import FloatArray
    from stratarouter_runtime.cli_terminal import Terminal
    from stratarouter_runtime.cli_vectors import StoredEncoder

__all__ = [
    "LabelledQueries",
    "PreparedRouter",
    "build_data",
    "evaluated",
    "json_numbers",
    "note_overlap",
    "prepare_queries",
    "prepare_router",
]

_THRESHOLD = 0.5
_DIMENSION = 2048
_FIT_SPLITS = ("valid", "validation", "val", "dev", "train")
_BELONGS_TO_ROUTES = ("threshold", "dimension", "embeddings", "per_route")


@dataclass(frozen=True, slots=True)
class PreparedRouter:
    """A router that is ready to route."""

    router: Router
    """The router."""
    build_s: float | None
    """Time that building took, seconds; None if it was loaded."""
    stored: StoredEncoder | None = None
    """Vectors of the queries; None: the router encodes."""

    @property
    def examples(self) -> set[str]:
        """Every example of its routes."""
        return {text for route in self.router.routes for text in route.examples}

    def __str__(self) -> str:
        n_examples = sum(len(route.examples) for route in self.router.routes)
        how = "loaded" if self.build_s is None else f"built in {self.build_s:.2f} s"
        line = f"{len(self.router.routes)} routes, {n_examples} examples, {how}"
        report = self.router.build_report
        return line if report is None else f"{line}\n{report}"


@dataclass(frozen=True, slots=True)
class LabelledQueries:
    """Queries with their labels, and vectors where a file holds them."""

    texts: list[str]
    """The queries."""
    labels: list[str | None]
    """The right route of each; None for out-of-scope."""
    embeddings: FloatArray | None = None
    """Their vectors, shape (n, d); None: the router encodes."""

    def part(self, positions: Sequence[int]) -> LabelledQueries:
        """Return some of the queries.

        Parameters
        ----------
        positions : sequence of int
            Which ones.

        Returns
        -------
        LabelledQueries
            Those, in that order.
        """
        return LabelledQueries(
            [self.texts[i] for i in positions],
            [self.labels[i] for i in positions],
            None if self.embeddings is None else self.embeddings[list(positions)],
        )

    def without(self, texts: Collection[str]) -> LabelledQueries:
        """Return the queries that are not among some texts.

        Parameters
        ----------
        texts : collection of str
            Texts to leave out.

        Returns
        -------
        LabelledQueries
            The others.
        """
        return self.part([i for i, text in enumerate(self.texts) if text not in texts])


def prepare_router(arguments: argparse.Namespace, terminal: Terminal) -> PreparedRouter:
    """Build a router from a file of routes, or load a saved one.

    Parameters
    ----------
    arguments : argparse.Namespace
        Parsed arguments, with either ``routes`` or ``router``.
    terminal : Terminal
        Where to show progress and what was left out of a file.

    Returns
    -------
    PreparedRouter
        The router.

    Raises
    ------
    ConfigurationError
        If a setting belongs to ``--routes`` but a saved router was given, or embeddings come with
        an encoder or one-sided.
    """
    from stratarouter import Router

    if arguments.router is not None:
        for name in _BELONGS_TO_ROUTES:
            if getattr(arguments, name, None) is not None:
                option = name.replace("_", "-")
                raise ConfigurationError(
                    f"--{option} belongs to --routes; a saved router keeps what it was built with"
                )
    stored = _stored(arguments)
    encoder: Any = _encoder(arguments, stored)
    if arguments.router is not None:
        with terminal.track(f"loading {arguments.router}"):
            return PreparedRouter(Router.load(arguments.router, encoder=encoder), None, stored)
    routes = _routes(arguments, terminal)
    given = _DIMENSION if arguments.dimension is None else arguments.dimension
    router = Router(
        encoder=encoder,
        dimension=given if stored is None else stored.dimension,
        threshold=_THRESHOLD if arguments.threshold is None else arguments.threshold,
        seed=getattr(arguments, "seed", 0),
    )
    started = perf_counter()
    router.add_routes(routes)
    with terminal.track(f"building {len(routes)} routes", total=100) as advance:
        _build(router, stored, advance)
    return PreparedRouter(router, perf_counter() - started, stored)


def build_data(prepared: PreparedRouter) -> dict[str, Any]:
    """Return what is known of the build of a router.

    Parameters
    ----------
    prepared : PreparedRouter
        The router.

    Returns
    -------
    dict
        JSON-ready: ``build_s``, seconds, and ``build``, what was tried and chosen; both None for a
        router that was loaded.
    """
    report = prepared.router.build_report
    return {"build_s": prepared.build_s, "build": None if report is None else asdict(report)}


def prepare_queries(
    arguments: argparse.Namespace, prepared: PreparedRouter, path: Path, split: str | None
) -> LabelledQueries:
    """Read labelled queries, with their vectors where those are stored.

    Parameters
    ----------
    arguments : argparse.Namespace
        Parsed arguments.
    prepared : PreparedRouter
        The router that they are for.
    path : Path
        The file.
    split : str, optional
        Part of the file to use, where it names parts; None takes what is best to fit to: "valid" or
        the like, else "train".

    Returns
    -------
    LabelledQueries
        At least one query.
    """
    from stratarouter.route_files import load_queries

    none_label = arguments.out_of_scope_label
    if split is None:
        names = {row.split for row in load_labelled(path, out_of_scope_label=none_label)}
        split = next((name for name in _FIT_SPLITS if name in names), None)
    texts, labels = load_queries(path, split=split, out_of_scope_label=none_label)
    stored = prepared.stored
    return LabelledQueries(texts, labels, None if stored is None else stored.encode(texts))


def evaluated(
    router: Router, queries: LabelledQueries, terminal: Terminal, *, seed: int = 0
) -> EvaluationReport:
    """Route labelled queries and compare.

    Parameters
    ----------
    router : Router
        The router.
    queries : LabelledQueries
        At least one query.
    terminal : Terminal
        Where to show progress.
    seed : int
        Seed of what the report draws.

    Returns
    -------
    EvaluationReport
        The figures, with every route of the router.
    """
    from stratarouter.evaluation import evaluate

    # One by one, as an application would: a batch would show one mean latency for all.
    results: list[RouteResult] = []
    with terminal.track("routing", len(queries.texts)) as advance:
        for i, text in enumerate(queries.texts):
            vector = None if queries.embeddings is None else queries.embeddings[i]
            results.append(router.route(text, vector))
            advance(1)
    known = [route.id for route in router.routes]
    return evaluate(results, queries.labels, known=known, seed=seed)


def note_overlap(
    queries: LabelledQueries, seen: Collection[str], what: str, terminal: Terminal
) -> None:
    """Say so if queries were seen before they are used to judge.

    Parameters
    ----------
    queries : LabelledQueries
        The queries.
    seen : collection of str
        Texts that were seen.
    what : str
        What they were seen as.
    terminal : Terminal
        Where to say it.
    """
    n_seen = sum(text in seen for text in queries.texts)
    if n_seen:
        n = len(queries.texts)
        terminal.note(f"note: {n_seen} of {n} queries {what}; their figures flatter")


def json_numbers(fields: dict[str, Any]) -> dict[str, Any]:
    """Write NaN, which JSON does not know, as null.

    Parameters
    ----------
    fields : dict
        Figures by name.

    Returns
    -------
    dict
        The same, without NaN.
    """
    return {
        name: None if isinstance(value, float) and isnan(value) else value
        for name, value in fields.items()
    }


def _routes(arguments: argparse.Namespace, terminal: Terminal) -> list[Route]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ForeignFileWarning)
        routes = load_routes(
            arguments.routes,
            per_route=getattr(arguments, "per_route", None),
            out_of_scope_label=getattr(arguments, "out_of_scope_label", "oos"),
            seed=getattr(arguments, "seed", 0),
        )
    for entry in caught:
        terminal.note(f"note: {entry.message}")
    return routes


def _stored(arguments: argparse.Namespace) -> StoredEncoder | None:
    """Return the vectors that were computed before: of the queries, and of routes to build."""
    from stratarouter_runtime.cli_vectors import StoredEncoder

    vectors = getattr(arguments, "embeddings", None)
    query_vectors = getattr(arguments, "query_embeddings", None)
    if arguments.router is not None:
        return (
            None if query_vectors is None else StoredEncoder([(arguments.queries, query_vectors)])
        )
    if vectors is None and query_vectors is None:
        return None
    if vectors is None or query_vectors is None:
        raise ConfigurationError("give --embeddings and --query-embeddings together, or neither")
    return StoredEncoder([(arguments.routes, vectors), (arguments.queries, query_vectors)])


def _encoder(arguments: argparse.Namespace, stored: StoredEncoder | None) -> object | None:
    """Return the encoder that was asked for; None for the built-in one, or a saved router's."""
    if arguments.encoder is None:
        return None
    if stored is not None:
        raise ConfigurationError("give --encoder or stored embeddings, not both")
    from stratarouter.encoders import OnnxEncoder

    return OnnxEncoder(arguments.encoder)


def _build(router: Router, stored: StoredEncoder | None, advance: Callable[[int], None]) -> None:
    shown = 0

    def progress(_step: str, done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // total
        advance(percent - shown)
        shown = percent

    if stored is None:
        router.build_index(progress=progress)
        return
    # Handed in, not encoded: the router may want to encode more than what a file can hold.
    vectors = {route.id: stored.encode(route.texts) for route in router.routes}
    router.build_index(vectors, encoder_id=stored.encoder_id, progress=progress)
