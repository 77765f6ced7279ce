"""The job of ``stratarouter demo``: build, route, fit, report, carry out."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, nullcontext
from importlib.resources import as_file, files
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from stratarouter import HashingEncoder, Router, RouterConfig
from stratarouter.evaluation import evaluate
from stratarouter.route_files import load_labelled, load_routes
from stratarouter_runtime.bridge import CoreRuntimeBridge
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.demo.handlers import HelpDesk
from stratarouter_runtime.demo.orders import OrderBook
from stratarouter_runtime.demo.report import DemoReport, Dialogue, ExecutionFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from stratarouter import EvaluationReport
    from stratarouter.route_files import LabelledText
    from stratarouter_runtime.types import ExecutionResult

__all__ = ["DIMENSION", "THRESHOLD", "Track", "run"]

Track: TypeAlias = "Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]"
"""Shows progress while a block runs: takes a label and the number of steps."""

# Chosen on the first half alone: from width 384 to 8192 the accuracy there moves by less than its
# standard error of 0.02, so the width that the encoder recommends is taken.
DIMENSION = 2048
"""Width of the encoder."""

# A handler should answer where it is more likely right than wrong.
THRESHOLD = 0.5
"""Least confidence of a match."""

_N_DIALOGUES = 8
_CONTEXT = {"user_id": "demo"}


def run(*, track: Track | None = None) -> DemoReport:
    """Build the bundled help desk, measure it and carry messages out.

    The confidence is fitted to the first half of the labelled messages, and every figure is
    measured on the second. Nothing is written, and no network is used.

    Parameters
    ----------
    track : callable, optional
        Shows progress; None shows nothing.

    Returns
    -------
    DemoReport
        What was measured.
    """
    bundled = files("stratarouter_runtime.demo")
    with ExitStack() as stack:
        routes, queries, orders = (
            stack.enter_context(as_file(bundled / name))
            for name in ("routes.json", "queries.jsonl", "orders.sqlite")
        )
        demo = _Demo(routes, queries, orders, _no_track if track is None else track)
        return demo.run()


class _Demo:
    def __init__(self, routes: Path, queries: Path, orders: Path, track: Track) -> None:
        self._track = track
        self._routes = load_routes(routes)
        rows = load_labelled(queries, split_field="half")
        self._first = [row for row in rows if row.split == "1"]
        self._second = [row for row in rows if row.split == "2"]
        self._desk = HelpDesk(OrderBook(orders))

    def run(self) -> DemoReport:
        started = perf_counter()
        router, build_s = self._build()
        unfitted = self._measure(router, "routing")
        with self._track("fitting", None):
            fit = router.fit([row.text for row in self._first], [row.label for row in self._first])
        fitted = self._measure(router, "routing again")
        executions = asyncio.run(self._carry_out(router))
        return DemoReport(
            n_routes=len(self._routes),
            n_examples=sum(len(route.examples) for route in self._routes),
            n_queries=len(self._first) + len(self._second),
            dimension=DIMENSION,
            threshold=THRESHOLD,
            build_s=build_s,
            unfitted=unfitted,
            fit=fit,
            fitted=fitted,
            executions=executions,
            explanations=tuple(str(mistake.result.explain()) for mistake in fitted.worst),
            elapsed_s=perf_counter() - started,
        )

    def _build(self) -> tuple[Router, float]:
        started = perf_counter()
        config = RouterConfig(dimension=DIMENSION, threshold=THRESHOLD)
        router = Router(config, encoder=HashingEncoder(DIMENSION))
        router.add_routes(self._routes)
        with self._track("building", None):
            router.build_index()
        return router, perf_counter() - started

    def _measure(self, router: Router, label: str) -> EvaluationReport:
        results = []
        with self._track(label, len(self._second)) as advance:
            for row in self._second:
                results.append(router.route(row.text))
                advance(1)
        labels = [row.label for row in self._second]
        return evaluate(results, labels, known=[route.id for route in self._routes])

    async def _carry_out(self, router: Router) -> ExecutionFigures:
        handlers = self._desk.handlers()
        first: list[ExecutionResult] = []
        again: list[ExecutionResult] = []
        config = RuntimeConfig(cache_enabled=True)
        async with CoreRuntimeBridge(core_router=router, runtime_config=config) as bridge:
            for route_id, handler in handlers.items():
                bridge.bind(route_id, handler=handler.answer, cacheable=handler.cacheable)
            with self._track("carrying out", 2 * len(self._second)) as advance:
                for results in (first, again):
                    for row in self._second:
                        results.append(await bridge.execute(query=row.text, context=_CONTEXT))
                        advance(1)
        hits = [result for result in again if result.cache_hit]
        latency_ms = [result.latency_ms for result in first]
        return ExecutionFigures(
            n=len(first),
            n_handled=sum(result.response is not None for result in first),
            latency_p50_ms=float(np.quantile(latency_ms, 0.5)),
            latency_p99_ms=float(np.quantile(latency_ms, 0.99)),
            cache_hits=len(hits),
            n_cacheable=sum(
                result.route_id is not None and handlers[result.route_id].cacheable
                for result in again
            ),
            hit_latency_p50_ms=float(np.median([result.latency_ms for result in hits])),
            dialogues=_dialogues(self._second, first),
        )


def _dialogues(
    rows: Sequence[LabelledText], results: Sequence[ExecutionResult]
) -> tuple[Dialogue, ...]:
    """Pick the first message of each of some routes, and one that has none."""
    picked: dict[str | None, Dialogue] = {}
    for row, result in zip(rows, results, strict=True):
        dialogue = Dialogue(query=row.text, route_id=result.route_id, response=result.response)
        picked.setdefault(result.route_id, dialogue)
    return tuple(picked.values())[:_N_DIALOGUES]


def _no_track(label: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
    del label, total
    return nullcontext(lambda _: None)
