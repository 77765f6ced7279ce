"""Who is compared, and the environment that each of them gets for itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["BASELINES", "CONTESTANTS", "FLOOR", "HERE", "Contestant", "Variant", "ready"]

ROOT = Path(__file__).resolve().parent.parent
# All compute with the same numpy, unless a peer refuses it.
_NUMPY = f"numpy=={np.__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to use a library."""

    key: str
    """Name in its script."""
    title: str
    """Name in the tables."""
    largest: int = 10_000
    """With more routes than this it takes minutes to build, or to answer."""
    judged: bool = True
    """Whether its answers are of interest, beside its speed."""
    timed: bool = True
    """Whether its speed is of interest."""
    states_confidence: bool = True
    """Whether it returns something in [0, 1], be it a cosine, that users take for a confidence."""
    needs_labels: bool = False
    """Whether it calibrates on labelled queries, which the others do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A library in one version."""

    name: str
    """Name of its environment, and for ``--only``."""
    script: str
    """File below ``peers/``."""
    requirement: str
    """What pip installs."""
    statement: str
    """What its users import."""
    variants: tuple[Variant, ...]
    """How it is used."""


FLOOR = "matrix product alone"
"""Title of the row that all times are divided by."""

CONTESTANTS = (
    Contestant(
        name="stratarouter",
        script="strata_tree.py",
        requirement=str(ROOT),
        statement="import stratarouter",
        variants=(
            Variant(key="default", title="stratarouter (this tree)"),
            Variant(
                key="fitted",
                title="stratarouter, fit(labelled)",
                needs_labels=True,
                timed=False,
            ),
        ),
    ),
    Contestant(
        name="stratarouter-0.2.5",
        script="strata_published.py",
        requirement="stratarouter==0.2.5",
        statement="import stratarouter",
        variants=(
            Variant(key="core", title="stratarouter 0.2.5 core, centroids"),
            Variant(key="layer", title="stratarouter 0.2.5 RouteLayer", largest=1_000),
        ),
    ),
    Contestant(
        name="semantic-router",
        script="aurelio.py",
        requirement="semantic-router==1.1.1",
        statement="import semantic_router",
        variants=(
            Variant(key="default", title="semantic-router 1.1.1"),
            Variant(key="max", title="semantic-router 1.1.1, max", timed=False),
            Variant(
                key="platt",
                title="semantic-router 1.1.1, fit(platt)",
                needs_labels=True,
                timed=False,
            ),
            Variant(
                key="isotonic",
                title="semantic-router 1.1.1, fit(isotonic)",
                needs_labels=True,
                timed=False,
            ),
        ),
    ),
    Contestant(
        name="llama-index",
        script="llama.py",
        requirement="llama-index-core==0.14.25",
        statement="from llama_index.core.selectors import EmbeddingSingleSelector",
        variants=(Variant(key="default", title="llama-index-core 0.14.25 selector", largest=100),),
    ),
    Contestant(
        name="bm25s",
        script="bm25s_index.py",
        requirement="bm25s==0.3.16",
        statement="import bm25s",
        variants=(
            Variant(key="default", title="bm25s 0.3.16, words only", states_confidence=False),
        ),
    ),
    Contestant(
        name="scikit-learn",
        script="baselines.py",
        requirement="scikit-learn==1.9.1",
        statement="import sklearn.linear_model",
        variants=(
            Variant(key="floor", title=FLOOR, judged=False),
            Variant(key="centroid", title="numpy centroid"),
            Variant(key="nearest", title="numpy nearest example"),
            Variant(key="logistic", title="scikit-learn LogisticRegression", largest=1_000),
            Variant(
                key="svm",
                title="scikit-learn LinearSVC + tf-idf",
                largest=100,
                states_confidence=False,
            ),
        ),
    ),
)
"""This library first, peers after it, baselines last."""

HERE = CONTESTANTS[0]
"""This library."""

BASELINES = CONTESTANTS[-1]
"""Baselines, the floor first."""


def ready(contestant: Contestant, folder: Path) -> Path | str:
    """Make the environment of a contestant, or renew it.

    Parameters
    ----------
    contestant : Contestant
        Who shall be measured.
    folder : Path
        Folder of all environments.

    Returns
    -------
    Path or str
        Its interpreter; or, where it cannot be installed, the reason.
    """
    place = (folder / "environments" / contestant.name).absolute()
    python = place / "bin" / "python"
    stamp = place / "requirement.txt"
    wanted = f"{contestant.requirement}\n{_NUMPY}\n{sys.version}\n"
    known = stamp.exists() and stamp.read_text(encoding="utf-8") == wanted
    # This tree changes without changing its version.
    if known and contestant is not HERE:
        return python
    if not python.exists():
        print(f"environment: making {place}", flush=True)
        problem = _run([sys.executable, "-m", "venv", str(place)])
        if problem:
            return problem
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    print(f"environment: installing {contestant.name}", flush=True)
    problem = _run([*install, contestant.requirement, _NUMPY])
    if problem:
        # Better with another numpy than not at all; the versions are printed with the tables.
        problem = _run([*install, contestant.requirement])
    if problem:
        return problem
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _run(command: list[str]) -> str:
    """Run a command; return why it failed, or nothing."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
    return " ".join(lines[-2:]) or f"{command[0]} ended with {done.returncode}"
