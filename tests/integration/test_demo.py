"""The bundled help desk: its handlers, one whole run, and the command that shows it."""

from __future__ import annotations

import asyncio
import inspect
import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import date
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import pytest

from stratarouter.route_files import load_labelled, load_routes
from stratarouter_runtime.demo.app import run
from stratarouter_runtime.demo.handlers import HelpDesk
from stratarouter_runtime.demo.orders import OrderBook, order_id_in
from stratarouter_runtime.demo.report import tables, transcript

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stratarouter_runtime.demo.report import DemoReport


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with as_file(files("stratarouter_runtime.demo")) as path:
        yield path


@pytest.fixture(scope="module")
def orders(folder: Path) -> OrderBook:
    return OrderBook(folder / "orders.sqlite")


@pytest.fixture(scope="module")
def report() -> DemoReport:
    return run()


def ask(orders: OrderBook, route_id: str, query: str, **context: str) -> str:
    """Call a handler as the bridge does."""
    answer = HelpDesk(orders).handlers()[route_id].answer
    arguments = (query, context) if len(inspect.signature(answer).parameters) == 2 else (query,)
    outcome = answer(*arguments)
    if isinstance(outcome, str):
        return outcome

    async def awaited() -> str:
        return await outcome

    return asyncio.run(awaited())


# Orders and handlers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is ORD-10213?", "ORD-10213"),
        ("ord 10213 pls", "ORD-10213"),
        ("order #10213", "ORD-10213"),
        ("eta on 10213?", "ORD-10213"),
        ("my RMA-20418 and INV-10213", None),
        ("a 20000 mAh power bank", None),
        ("call 102134455", None),
    ],
)
def test_order_number_is_found_in_a_message(text: str, expected: str | None) -> None:
    assert order_id_in(text) == expected


def test_totals_of_all_orders_are_the_sums_of_their_items(orders: OrderBook) -> None:
    found = [orders.find(f"ORD-{number}") for number in range(10201, 10267)]
    known = [order for order in found if order is not None]
    assert len(known) == 40
    assert all(order.total_cents == sum(i.price_cents for i in order.items) for order in known)


def test_orders_are_opened_read_only_so_that_a_missing_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        OrderBook(tmp_path / "nothing.sqlite").find("ORD-10213")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("route_id", "query", "answer"),
    [
        (
            "order_status",
            "where is ORD-10202",
            "ORD-10202 is shipped with Greycoat Couriers, due 2025-03-14.",
        ),
        (
            "order_status",
            "where is ORD-10222",
            "ORD-10222 is shipped with Greycoat Couriers, was due on 2025-03-05, 9 days ago.",
        ),
        ("order_status", "ORD-10201 ?", "ORD-10201 is delivered."),
        ("order_status", "where is my parcel", "Which order is it about?"),
        ("order_status", "where is ORD-19999", "There is no order ORD-19999."),
        ("cancel_order", "stop ORD-10204", "ORD-10204 is cancelled; 119.80 EUR go back to you."),
        ("cancel_order", "stop ORD-10202", "ORD-10202 is shipped and can no longer be cancelled."),
        ("refund_request", "ORD-10206", "ORD-10206 was cancelled: 329.00 EUR go back in full."),
        ("refund_request", "ORD-10245", "219.00 EUR for ORD-10245 are paid out within 5 days."),
        (
            "refund_request",
            "ORD-10215",
            "Returning ORD-10215 would bring 99.00 EUR back, without Ink cartridge, black.",
        ),
        ("return_item", "ORD-10213", "A label for Folio e-reader is on its way"),
        ("return_item", "ORD-10202", "ORD-10202 is shipped, so nothing can go back yet."),
        ("invoice_copy", "ORD-10204", "Invoice for ORD-10204 of 2025-03-12\n2 x Pinecone speaker"),
        ("warranty_claim", "ORD-10201", "ORD-10201 is covered until 2027-02-18."),
        ("product_availability", "got the kestrel?", "In our range: Kestrel headphones, 149.00"),
        ("product_availability", "got any?", "Which article"),
        ("promo_code", "welcome10 fails", "WELCOME10: 10 % off a first order."),
        ("promo_code", "my SUMMER99 fails", "SUMMER99: no such code."),
        ("store_hours", "is Millbrook open", "Millbrook: Mon-Fri 10:00-18:00, Sat 10:00-16:00"),
        ("subscription_change", "end my Plus", "You can change, pause or end your Larkfield Plus"),
        ("talk_to_human", "operator", "A colleague will be with a guest in a minute"),
    ],
)
def test_handlers_answer_from_the_orders(
    orders: OrderBook, route_id: str, query: str, answer: str
) -> None:
    assert ask(orders, route_id, query).startswith(answer)


def test_order_number_may_come_with_the_context(orders: OrderBook) -> None:
    assert ask(orders, "payment_failed", "twice?", order_id="ORD-10204").startswith("119.80 EUR")


def test_return_window_closes_after_its_last_day(orders: OrderBook) -> None:
    # Delivered on 4 March; the window of 30 days ends on 3 April.
    answers = [
        HelpDesk(orders, today=today).handlers()["return_item"].answer("ORD-10213", {})
        for today in (date(2025, 4, 3), date(2025, 4, 4))
    ]
    assert answers == [
        "A label for Folio e-reader is on its way; please post it by 2025-04-03.",
        "ORD-10213 could be returned until 2025-04-03.",
    ]


def test_every_route_has_a_handler_and_none_answers_nothing(
    folder: Path, orders: OrderBook
) -> None:
    handlers = HelpDesk(orders).handlers()
    assert set(handlers) == {route.id for route in load_routes(folder / "routes.json")}
    for row in load_labelled(folder / "queries.jsonl"):
        if row.label is not None:
            assert ask(orders, row.label, row.text)


# One run ---------------------------------------------------------------------------------------


def test_second_half_is_reported_and_never_fitted_to(folder: Path, report: DemoReport) -> None:
    rows = load_labelled(folder / "queries.jsonl", split_field="half")
    first, second = ([row for row in rows if row.split == half] for half in ("1", "2"))
    assert {row.text for row in first}.isdisjoint(row.text for row in second)
    assert report.n_queries == len(rows) == len(first) + len(second)
    assert report.fit.n == len(first)
    assert report.unfitted.n == report.fitted.n == report.executions.n == len(second)
    assert report.fitted.n_out_of_scope == sum(row.label is None for row in second) > 0


@pytest.mark.parametrize("position", range(3))
def test_promised_figures_are_reached(report: DemoReport, position: int) -> None:
    promise = report.promises[position]
    assert promise.kept, f"{promise.name}: measured {promise.value}"


def test_promises_are_about_accuracy_separation_and_calibration(report: DemoReport) -> None:
    assert [promise.name for promise in report.promises] == [
        "in-scope accuracy >= 80%",
        "AUROC >= 0.90",
        "ECE at most 2 points above a calibrated model's",
    ]


@pytest.mark.parametrize(
    ("worse", "broken"),
    [({"accuracy": 0.79}, 0), ({"auroc": 0.89}, 1), ({"ece": 0.5}, 2), ({"auroc": None}, 1)],
)
def test_figure_below_its_promise_breaks_it(
    report: DemoReport, worse: dict[str, float | None], broken: int
) -> None:
    worsened = replace(report, fitted=replace(report.fitted, **worse))  # type: ignore[arg-type]
    assert [promise.kept for promise in worsened.promises] == [i != broken for i in range(3)]
    assert not worsened.holds


def test_repeated_messages_come_from_the_cache_exactly_where_they_may(report: DemoReport) -> None:
    figures = report.executions
    assert 0 < figures.n_cacheable < figures.n_handled < figures.n
    assert figures.cache_hits == figures.n_cacheable


def test_accepted_messages_are_answered_and_others_are_not(report: DemoReport) -> None:
    accepted = round(report.fitted.coverage * report.fitted.n)
    assert report.executions.n_handled == accepted
    for dialogue in report.executions.dialogues:
        assert (dialogue.response is None) == (dialogue.route_id is None)


def test_worst_mistakes_are_explained(report: DemoReport) -> None:
    assert len(report.explanations) == len(report.fitted.worst) == 5
    for mistake, explanation in zip(report.fitted.worst, report.explanations, strict=True):
        assert mistake.route_id in explanation


def test_run_ends_within_a_minute(report: DemoReport) -> None:
    assert 0.0 < report.build_s < report.elapsed_s < 60.0


def test_report_is_shown_as_tables_and_text(report: DemoReport) -> None:
    titles = [title for title, _, _ in tables(report)]
    assert titles[1:] == [
        "Accepted messages by route",
        "Carried out by the bridge",
        "Must hold on the second half",
    ]
    for _, header, rows in tables(report):
        assert rows
        assert all(len(row) == len(header) for row in rows)
    text = transcript(report)
    assert report.fitted.worst[0].result.query is not None
    assert report.fitted.worst[0].result.query in text


def test_progress_is_told_of_every_message(report: DemoReport) -> None:
    shown = RecordingTrack()
    run(track=shown)
    n = report.fitted.n
    assert shown.done == {
        "building": 0,
        "routing": n,
        "fitting": 0,
        "routing again": n,
        "carrying out": 2 * n,
    }
    assert shown.totals == {**shown.done, "building": None, "fitting": None}


class RecordingTrack:
    """Counts the steps of each piece of work."""

    def __init__(self) -> None:
        self.totals: dict[str, int | None] = {}
        self.done: dict[str, int] = {}

    def __call__(self, label: str, total: int | None) -> RecordedWork:
        self.totals[label] = total
        self.done[label] = 0
        return RecordedWork(self, label)


class RecordedWork:
    def __init__(self, track: RecordingTrack, label: str) -> None:
        self._track = track
        self._label = label

    def __enter__(self) -> RecordedWork:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __call__(self, steps: int) -> None:
        self._track.done[self._label] += steps


# The command -----------------------------------------------------------------------------------


def run_command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in an empty folder, offline by construction of its sockets."""
    program = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise OSError('no network in this test')\n"
        "socket.socket.connect = refuse\n"
        "from stratarouter_runtime.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "demo", *arguments],
        cwd=folder,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_command_prints_the_report_writes_nothing_and_tells_by_its_code(tmp_path: Path) -> None:
    done = run_command(tmp_path)
    assert done.stderr == ""
    assert done.returncode == (1 if "MISSED" in done.stdout else 0)
    for part in ("in-scope accuracy", "cache hits", "Some messages", "mistakes, explained"):
        assert part in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_command_as_json_has_the_same_figures(tmp_path: Path, report: DemoReport) -> None:
    done = run_command(tmp_path, "--json")
    data = json.loads(done.stdout)
    assert data["fitted"]["accuracy"] == report.fitted.accuracy
    assert data["fitted"]["ece"] == report.fitted.ece
    assert done.returncode == (0 if all(entry["kept"] for entry in data["promises"]) else 1)
