"""StrataRouter beside its peers: accuracy, calibration, out of scope, speed, memory, import.

    python benchmarks/run.py --data FOLDER [--quick] [--only NAME] [--tables speed]

Each peer is installed into an environment of its own below ``.bench/`` and is measured alone, with
one thread; a full run takes about an hour. A peer that cannot be installed or fails is named with
the reason. Without --data the tables of quality are left out. Figures are also kept as JSON below
``benchmarks/results/``.

The data are public: BANKING77 (PolyAI-LDN/task-specific-datasets) and CLINC150 (clinc/oos-eval);
``datasets.py`` says in which form they are read.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contestants import CONTESTANTS, Contestant, ready
from datasets import load_datasets
from machine import describe_machine, import_seconds, save_results
from quality import Judgement, judge, prepare, show_quality
from speed import Pace, Timing, measure, show_speed, write_world
from tables import show
from workers import Worker, WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from contestants import Variant

_TABLES = ("quality", "speed", "import")
_SIZES = (10, 100, 1_000, 10_000)


def main() -> None:
    """Measure and print."""
    options = _options()
    machine = describe_machine()
    for name, value in machine.items():
        print(f"{name:10} {value}")
    chosen = [entry for entry in CONTESTANTS if not options.only or entry.name in options.only]
    field: list[tuple[Contestant, Path]] = []
    missing: dict[str, str] = {}
    for contestant in chosen:
        python = ready(contestant, options.folder)
        if isinstance(python, str):
            missing[contestant.name] = python
        else:
            field.append((contestant, python))
    results: dict[str, Any] = {"machine": machine, "missing": missing, "quick": options.quick}
    with tempfile.TemporaryDirectory(prefix="jobs-", dir=options.folder.absolute()) as jobs:
        results["versions"] = _versions(field, Path(jobs), missing)
        if "quality" in options.tables and options.data is not None:
            judgements = list(_judge(field, Path(jobs), options))
            show_quality(judgements)
            results["quality"] = [asdict(entry) for entry in judgements]
        if "speed" in options.tables:
            timings = list(_time(field, Path(jobs), quick=options.quick))
            show_speed(timings)
            results["speed"] = [asdict(entry) for entry in timings]
    if "import" in options.tables:
        results["import_s"] = _show_imports(field, passes=1 if options.quick else 5)
    for name, reason in missing.items():
        print(f"NOT MEASURED: {name}: {reason}")
    print(f"kept in {save_results('run', results)}")
    raise SystemExit(1 if missing else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of labelled data sets")
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run of two minutes, of no use as figures"
    )
    names = [entry.name for entry in CONTESTANTS]
    parser.add_argument("--only", action="append", choices=names, help="may be given repeatedly")
    parser.add_argument("--tables", nargs="+", choices=_TABLES, default=list(_TABLES))
    parser.add_argument(
        "--folder", type=Path, default=Path(".bench"), help="where the environments are"
    )
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    if options.data is None and "quality" in options.tables:
        print("No --data FOLDER: the tables of quality are left out.")
    elif options.data is not None and not list(options.data.glob("*.jsonl")):
        parser.error(f"no data sets (*.jsonl) in {options.data}")
    return options


def _versions(
    field: list[tuple[Contestant, Path]], jobs: Path, missing: dict[str, str]
) -> dict[str, Any]:
    """Ask everybody for versions; who cannot even answer that is taken out of the field."""
    versions = {}
    for contestant, python in list(field):
        first = contestant.variants[0].key
        try:
            with Worker(python, contestant.script, first, jobs / f"{contestant.name}.log") as peer:
                versions[contestant.name] = peer.call("describe", 120.0)["versions"]
        except WorkerError as error:
            log = (jobs / f"{contestant.name}.log").read_text(encoding="utf-8", errors="replace")
            missing[contestant.name] = f"{error}: {' '.join(log.splitlines()[-1:])}"
            field.remove((contestant, python))
    rows = [
        [name, ", ".join(f"{part} {number}" for part, number in parts.items())]
        for name, parts in versions.items()
    ]
    if rows:
        show("Versions", ["environment", "packages"], rows)
    return versions


def _variants(
    field: Iterable[tuple[Contestant, Path]],
) -> Iterator[tuple[Contestant, Variant, Path]]:
    for contestant, python in field:
        for variant in contestant.variants:
            yield contestant, variant, python


def _judge(
    field: list[tuple[Contestant, Path]], jobs: Path, options: argparse.Namespace
) -> Iterator[Judgement]:
    quick = options.quick
    for dataset in load_datasets(options.data):
        trials = prepare(
            dataset,
            jobs,
            counts=(5,) if quick else (5, 10, None),
            seeds=1 if quick else 5,
            n_queries=150 if quick else 1_000_000,
        )
        for contestant, variant, python in _variants(field):
            if variant.judged:
                print(f"quality: {dataset.name}: {variant.title}", flush=True)
                yield from judge(contestant, variant, python, trials, 1.0 if quick else 15.0)


def _time(field: list[tuple[Contestant, Path]], jobs: Path, *, quick: bool) -> Iterator[Timing]:
    pace = Pace(n_queries=300, limit_s=0.5, passes=1, build_limit_s=60.0) if quick else Pace()
    for n_routes in _SIZES[:2] if quick else _SIZES:
        job = write_world(jobs, n_routes, pace.n_queries)
        for contestant, variant, python in _variants(field):
            if variant.timed:
                print(f"speed: {n_routes} routes: {variant.title}", flush=True)
                yield measure(contestant, variant, python, job=job, n_routes=n_routes, pace=pace)


def _show_imports(field: list[tuple[Contestant, Path]], passes: int) -> dict[str, float]:
    seconds = {
        f"{contestant.name}: {contestant.statement}": import_seconds(
            python, contestant.statement, passes
        )
        for contestant, python in field
    }
    if field:
        seconds["numpy alone"] = import_seconds(field[0][1], "import numpy", passes)
    rows = [[name, f"{value:.3f} s"] for name, value in seconds.items()]
    notes = ["Median of fresh interpreters, the start of Python taken off."]
    show("Import", ["statement", "time"], rows, notes=notes)
    return seconds


if __name__ == "__main__":
    main()
