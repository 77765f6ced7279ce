"""Who is right, who knows it, and who notices what belongs nowhere: on labelled data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from tables import show
from workers import Worker, WorkerError, write_queries, write_routes

from stratarouter.algorithms.metrics import auroc, expected_calibration_error, rejection_recall

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from contestants import Contestant, Variant
    from datasets import Dataset, Sample

__all__ = ["Judgement", "Trial", "figures", "judge", "prepare", "show_quality"]

_BUILD_LIMIT_S = 600.0
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Trial:
    """One draw of examples from one data set, written down for the workers."""

    dataset: str
    """Name of the data set."""
    per_route: int | None
    """Examples per route; None for all."""
    folder: Path
    """Where its files are."""
    labels: list[str | None]
    """Right route per query, None for out of scope."""
    positions: dict[str, int]
    """Number of each route."""
    with_labels: bool
    """Whether labelled queries were taken from the examples, for peers that need some."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Figures of one variant in one trial; NaN where a figure does not apply."""

    variant: str
    """Title of the variant."""
    dataset: str
    """Name of the data set."""
    per_route: int | None
    """Examples per route; None for all."""
    n: int = 0
    """Queries answered within the time limit."""
    n_asked: int = 0
    """Queries there were."""
    accuracy: float = _NAN
    """Share of in-scope queries whose best route is right."""
    ece: float = _NAN
    """Calibration error of the confidence over in-scope queries."""
    auroc: float = _NAN
    """How well the confidence separates in-scope from out-of-scope queries."""
    oos_recall: float = _NAN
    """Share of out-of-scope queries refused where 95 % of in-scope ones are accepted."""
    default_accepted: float = _NAN
    """Share of in-scope queries accepted at the default threshold."""
    default_refused: float = _NAN
    """Share of out-of-scope queries refused at the default threshold."""
    problem: str = ""
    """Why there are no figures."""


def prepare(
    dataset: Dataset, folder: Path, *, counts: Sequence[int | None], seeds: int, n_queries: int
) -> list[Trial]:
    """Draw the examples of every trial and write them down.

    Parameters
    ----------
    dataset : Dataset
        Where they come from; test rows are the queries.
    folder : Path
        Where the files go.
    counts : sequence of int or None
        Examples per route.
    seeds : int
        Draws per count; all examples are one draw.
    n_queries : int
        Queries kept, drawn at random; they are asked in random order, so that a time limit leaves
        a fair sample.

    Returns
    -------
    list of Trial
        One per draw; one more with labelled queries, if all examples are asked for.
    """
    trials = []
    for count in counts:
        for seed in range(seeds if count else 1):
            sample = dataset.sample(count, seed, development=False)
            place = folder / f"{dataset.name}-{count or 'all'}-{seed}"
            trials.append(_write(dataset.name, count, place, sample, sample, n_queries))
    if None in counts:
        sample = dataset.sample(None, 0, development=False)
        # The same routes, without rows held out where there are no validation rows.
        development = dataset.sample(None, 0, development=True)
        place = folder / f"{dataset.name}-all-labelled"
        write_queries(place / "labelled", development.queries, development.query_vectors)
        (place / "labels.json").write_text(json.dumps(development.labels), encoding="utf-8")
        trials.append(_write(dataset.name, None, place, development, sample, n_queries))
    return trials


def judge(
    contestant: Contestant, variant: Variant, python: Path, trials: Sequence[Trial], limit_s: float
) -> list[Judgement]:
    """Let one variant answer all trials that are meant for it.

    Parameters
    ----------
    contestant : Contestant
        Library.
    variant : Variant
        Its use.
    python : Path
        Interpreter of its environment.
    trials : sequence of Trial
        What to answer.
    limit_s : float, seconds
        Time for the queries of one trial; what is not answered by then is left out.

    Returns
    -------
    list of Judgement
        One per trial.
    """
    waiting = [trial for trial in trials if trial.with_labels is variant.needs_labels]
    found: list[Judgement] = []
    while waiting:
        log = waiting[0].folder.parent / f"{contestant.name}.log"
        try:
            # Importing some of them takes seconds, so that one process does as many as it can.
            with Worker(python, contestant.script, variant.key, log) as worker:
                while waiting:
                    found.append(_ask(worker, variant, waiting[0], limit_s))
                    del waiting[0]
        except WorkerError as error:
            trial = waiting.pop(0)
            found.append(
                Judgement(variant.title, trial.dataset, trial.per_route, problem=str(error))
            )
    return found


def figures(variant: Variant, trial: Trial, answers: Path) -> Judgement:
    """Compute the figures of one variant in one trial.

    Parameters
    ----------
    variant : Variant
        Who answered.
    trial : Trial
        What was asked.
    answers : Path
        File that the worker wrote.

    Returns
    -------
    Judgement
        Figures.
    """
    with np.load(answers, allow_pickle=False) as file:
        picks, confidence, accepted = file["picks"], file["confidences"], file["accepted"]
    n = len(picks)
    numbers = [-2 if label is None else trial.positions[label] for label in trial.labels[:n]]
    truth = np.array(numbers)
    inside = truth >= 0
    right = picks == truth
    foreign = bool((~inside).any() and inside.any())
    bounded = np.clip(confidence, 0.0, 1.0)
    return Judgement(
        variant.title,
        trial.dataset,
        trial.per_route,
        n,
        len(trial.labels),
        accuracy=float(right[inside].mean()),
        ece=expected_calibration_error(bounded[inside], right[inside])
        if variant.states_confidence
        else _NAN,
        auroc=auroc(confidence[inside], confidence[~inside]) if foreign else _NAN,
        oos_recall=rejection_recall(confidence[inside], confidence[~inside]) if foreign else _NAN,
        default_accepted=float(accepted[inside].mean()),
        default_refused=float((~accepted[~inside]).mean()) if foreign else _NAN,
    )


def show_quality(judgements: Sequence[Judgement]) -> None:
    """Print one table per data set, means over the draws.

    Parameters
    ----------
    judgements : sequence of Judgement
        Figures of all variants.
    """
    for dataset in dict.fromkeys(entry.dataset for entry in judgements):
        own = [entry for entry in judgements if entry.dataset == dataset]
        counts = list(dict.fromkeys(entry.per_route for entry in own))
        names = [f"{count or 'all'}" for count in counts]
        header = [
            dataset,
            *(f"top-1 {name}" for name in names),
            *(f"ECE {name}" for name in names),
            "AUROC",
            "OOS@95",
            "default: in",
            "OOS refused",
        ]
        titles = dict.fromkeys(entry.variant for entry in own)
        rows = [_row(title, own, counts) for title in titles]
        problems = {f"{entry.variant}: {entry.problem}" for entry in own if entry.problem}
        notes = [
            "top-1 in % of in-scope test queries by examples per route, threshold off; ECE in %, "
            "15 bins, of what is returned as confidence; a negative cosine counts as 0.",
            "AUROC, and the share of out-of-scope queries refused where 95 % of in-scope ones are "
            "accepted, with most examples; then what the default threshold does.",
            "*n: answered only n random queries within its time.",
            "fit(...): fitted to the validation rows, or to 2,000 rows held out of train.",
            *sorted(problems),
        ]
        show(f"Quality: {dataset}", header, rows, notes=notes)


def _write(  # noqa: PLR0917 -- private; two samples that must not be mixed up
    dataset: str,
    count: int | None,
    place: Path,
    built: Sample,
    asked: Sample,
    n_queries: int,
) -> Trial:
    order = np.random.default_rng(0).permutation(len(asked.queries))[:n_queries].tolist()
    write_routes(place, built.routes, built.vectors)
    write_queries(place, [asked.queries[row] for row in order], asked.query_vectors[order])
    return Trial(
        dataset,
        count,
        place,
        [asked.labels[row] for row in order],
        {route.id: number for number, route in enumerate(built.routes)},
        with_labels=(place / "labels.json").exists(),
    )


def _ask(worker: Worker, variant: Variant, trial: Trial, limit_s: float) -> Judgement:
    folder, answers = str(trial.folder), trial.folder / "answers.npz"
    worker.call("open", _BUILD_LIMIT_S, variant=variant.key)
    worker.call("build", _BUILD_LIMIT_S, folder=folder)
    # What is measured is who is right; the time limit only keeps the slow ones from taking days.
    wait_s = 2.0 * limit_s + 60.0
    worker.call("route", wait_s, folder=folder, answers=str(answers), limit_s=limit_s)
    return figures(variant, trial, answers)


def _row(title: str, own: Sequence[Judgement], counts: Sequence[int | None]) -> list[str]:
    by_count = [
        [entry for entry in own if entry.variant == title and entry.per_route == count]
        for count in counts
    ]
    most = by_count[-1]
    return [
        title,
        *(_percent(part, "accuracy") + _answered(part) for part in by_count),
        *(_percent(part, "ece") for part in by_count),
        _percent(most, "auroc", 1.0, 4),
        _percent(most, "oos_recall"),
        _percent(most, "default_accepted"),
        _percent(most, "default_refused"),
    ]


def _percent(part: Sequence[Judgement], name: str, factor: float = 100.0, digits: int = 1) -> str:
    values = [asdict(entry)[name] for entry in part if not entry.problem]
    known = [value for value in values if not np.isnan(value)]
    return f"{factor * float(np.mean(known)):.{digits}f}" if known else "–"


def _answered(part: Sequence[Judgement]) -> str:
    n = sum(entry.n for entry in part)
    return f"*{n}" if n < sum(entry.n_asked for entry in part) else ""
