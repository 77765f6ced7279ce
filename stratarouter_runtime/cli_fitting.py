"""The commands that change a router: fit and certify."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stratarouter.errors import ConfigurationError, InvalidInputError
from stratarouter_runtime.cli_routers import (
    build_data,
    evaluated,
    json_numbers,
    prepare_queries,
    prepare_router,
)

if TYPE_CHECKING:
    import argparse

    from stratarouter import EvaluationReport, Router
    from stratarouter_runtime.cli_routers import LabelledQueries, PreparedRouter
    from stratarouter_runtime.cli_terminal import Terminal

__all__ = ["run_certify", "run_fit"]


def run_fit(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Fit a router to a part of labelled queries, measure it on the rest, and save it.

    Parameters
    ----------
    arguments : argparse.Namespace
        Parsed arguments of ``fit``.
    terminal : Terminal
        Where to write.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    ConfigurationError
        If the share to hold out is not in [0, 1).
    InvalidInputError
        If no query is left to fit to.
    """
    if not 0.0 <= arguments.holdout < 1.0:
        raise ConfigurationError(f"--holdout must be in [0, 1), got {arguments.holdout}")
    prepared = prepare_router(arguments, terminal)
    queries = _new_queries(arguments, prepared, terminal)
    to_fit, held_out = _divided(queries, arguments.holdout, arguments.seed)
    router = prepared.router
    before = _measured(router, held_out, terminal, arguments.seed)
    with terminal.track(f"fitting to {len(to_fit.texts)} queries"):
        report = router.fit(to_fit.texts, to_fit.labels, to_fit.embeddings)
    after = _measured(router, held_out, terminal, arguments.seed)
    router.save(arguments.save)
    if arguments.json:
        data = {
            **build_data(prepared),
            "fit": json_numbers(report.to_dict()),
            "before": None if before is None else before.to_dict(),
            "after": None if after is None else after.to_dict(),
            "saved": str(arguments.save),
        }
        terminal.write(json.dumps(data))
        return 0
    terminal.write(str(prepared))
    terminal.write(str(report))
    if before is not None and after is not None:
        terminal.write()
        terminal.table(
            f"{after.n} queries that were held out",
            ("", "before", "after"),
            [
                (name, value, new)
                for (name, value), (_, new) in zip(_rows(before), _rows(after), strict=True)
            ],
        )
        terminal.write()
    terminal.write(f"saved to {arguments.save}")
    return 0


def run_certify(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Set thresholds at which the share of wrong answers is bounded, and say what that rests on.

    Parameters
    ----------
    arguments : argparse.Namespace
        Parsed arguments of ``certify``.
    terminal : Terminal
        Where to write.

    Returns
    -------
    int
        Exit code 0, or 1 if nothing could be certified.
    """
    prepared = prepare_router(arguments, terminal)
    queries = _new_queries(arguments, prepared, terminal)
    router = prepared.router
    with terminal.track(f"certifying on {len(queries.texts)} queries"):
        certificate = router.certify(
            arguments.alpha, arguments.delta, queries.texts, queries.labels, queries.embeddings
        )
    # A router without the thresholds that were asked for would pass for one that has them.
    saved = None if arguments.save is None or not certificate.holds else arguments.save
    if saved is not None:
        router.save(saved)
    if arguments.json:
        data = {
            **build_data(prepared),
            **certificate.to_dict(),
            "saved": None if saved is None else str(saved),
        }
        terminal.write(json.dumps(data))
    else:
        terminal.write(str(prepared))
        terminal.write(str(certificate))
        if saved is not None:
            terminal.write(f"saved with these thresholds to {saved}")
        elif arguments.save is not None:
            terminal.write(f"not saved to {arguments.save}: no thresholds were certified")
    return 0 if certificate.holds else 1


def _new_queries(
    arguments: argparse.Namespace, prepared: PreparedRouter, terminal: Terminal
) -> LabelledQueries:
    """Read the queries but those that are examples, which are recognised perfectly."""
    queries = prepare_queries(arguments, prepared, arguments.queries, arguments.split)
    kept = queries.without(prepared.examples)
    n_left_out = len(queries.texts) - len(kept.texts)
    if not kept.texts:
        raise InvalidInputError(
            "every query is also an example of the routes, so that none is left; give others"
        )
    if n_left_out:
        terminal.note(f"note: left out {n_left_out} queries that are also examples of the routes")
    return kept


def _divided(
    queries: LabelledQueries, holdout: float, seed: int
) -> tuple[LabelledQueries, LabelledQueries]:
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(queries.texts)).tolist()
    n_held_out = min(round(holdout * len(order)), len(order) - 1)
    return queries.part(sorted(order[n_held_out:])), queries.part(sorted(order[:n_held_out]))


def _measured(
    router: Router, queries: LabelledQueries, terminal: Terminal, seed: int
) -> EvaluationReport | None:
    return evaluated(router, queries, terminal, seed=seed) if queries.texts else None


def _rows(report: EvaluationReport) -> list[tuple[str, str]]:
    shares = {
        "in-scope accuracy": report.accuracy,
        "coverage": report.coverage,
        "precision of the accepted": report.precision,
        "out-of-scope recall": report.out_of_scope_recall,
        "calibration error (ECE)": report.ece,
        "  of a perfectly calibrated one, 95 % below": report.ece_if_calibrated_p95,
    }
    rows = [(name, "-" if share is None else f"{share:.1%}") for name, share in shares.items()]
    return [*rows, ("Brier score", f"{report.brier:.3f}")]
